"""Metrics over steps or time: points, smoothing, figures for files and for the terminal."""
