"""Where runs go: one module for each tracker, which imports the tracker's package when it is asked for."""
