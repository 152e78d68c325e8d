"""LSF for submitit, with or without Hydra: ``submitit.AutoExecutor(folder, cluster="lsf")``.

submitit finds these classes by its entry points and imports them in every program that uses it, so nothing below is
imported here but submitit's own core and the standard library.
"""

from hyperherd.launch.lsf.environment import LsfJobEnvironment
from hyperherd.launch.lsf.executor import LsfExecutor, LsfJob
from hyperherd.launch.lsf.executor.watcher import LsfInfoWatcher

__all__ = ["LsfExecutor", "LsfInfoWatcher", "LsfJob", "LsfJobEnvironment"]
