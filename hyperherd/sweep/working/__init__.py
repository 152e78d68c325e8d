"""A worker that somebody starts by hand in a sweep's folder: what is checked before, and what runs in the script."""
