"""Freezing a sweep's code: a copy of the project as it is when the sweep is planned, from which its trials run."""
