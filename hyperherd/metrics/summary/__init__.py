"""Count, last, best and curve per metric: of a running trial, of rows, of what lies on the disk."""
