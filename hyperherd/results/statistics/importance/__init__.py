"""Which parameters matter: designs, least squares, tests of all parameters together, intervals for pairs of values."""
