"""What came out of a sweep, read from its files alone and shown without a claim that the files do not support."""
