"""The metrics of a trial: journals while it runs, `metrics.parquet` after, one summary and one reader over both."""
