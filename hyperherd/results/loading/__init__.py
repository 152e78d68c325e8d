"""From files to trials: the sweep's files, the reader of one trial, the index, `load`."""
