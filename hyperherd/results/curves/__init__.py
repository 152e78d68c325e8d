"""How a metric went: points, smoothing, figures for files and for the terminal."""
