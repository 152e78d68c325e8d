"""Metric rows and the journals that hold them: names, values, cuts between attempts; the standard library alone."""
