"""One module per command of `herd-results`."""
