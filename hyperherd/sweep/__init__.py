"""The sweep, told in `run.py`: plan, claim, reconcile, validate, record, launch, collect, tell."""
