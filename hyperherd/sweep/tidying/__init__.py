"""Deleting checkpoints that nobody needs any more, and moving orphaned trials out of the way."""
