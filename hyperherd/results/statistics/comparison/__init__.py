"""Two sides compared: which trials belong together, the differences between them, and how certain these are."""
