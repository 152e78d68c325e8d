"""The running trial: what its process does so that its end, however violent, is known, and what user code calls."""
