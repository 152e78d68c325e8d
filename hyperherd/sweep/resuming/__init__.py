"""Going on with a sweep that is there: what its records say, what has changed, and which trials run."""
