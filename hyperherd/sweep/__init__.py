"""The sweep, step by step in `run.py`: plan, claim, reconcile, validate, record, launch, collect, report."""
