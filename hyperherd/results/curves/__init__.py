"""Metrics over steps or time: points, smoothing, figures for files and for the terminal."""

MOST_LINES = 10
"""Lines that a drawing has at most unless more are asked for: the best ones."""
