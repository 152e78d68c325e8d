"""The end of a running trial before it is done: who says so, and how its training learns of it."""
