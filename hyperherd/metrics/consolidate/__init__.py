"""Each change of form: journals to parts, parts to `metrics.parquet`, trials to the sweep's one file."""
