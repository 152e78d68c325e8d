"""The report: everything about some trials in one HTML file that needs no network."""
