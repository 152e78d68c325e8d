"""Text for people: numbers, widths, control characters escaped."""
