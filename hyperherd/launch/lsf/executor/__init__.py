"""LSF as a submitit executor, with or without Hydra; submitit's entry point and pickled jobs name this package.

`environment.py` and `spawn.py` stay beside it: scripts of jobs in a queue run the one and import the other by name.
"""

from hyperherd.launch.lsf.executor.executor import LsfExecutor, LsfJob, asked_to_end, cancel_jobs, submit

__all__ = ["LsfExecutor", "LsfJob", "asked_to_end", "cancel_jobs", "submit"]
