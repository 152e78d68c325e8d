"""Metric rows at rest: Parquet parts, the default view of attempts, and one reader over all forms."""
