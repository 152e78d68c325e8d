"""`hydra/launcher=herd_local`: a pool of processes on this machine, one for each trial.

The sweep talks to one server (:mod:`.server`), which starts the trials (:mod:`.trial`), watches over them and reports
how each ended. That trials are forked, and why they may be, is in :mod:`.start`.
"""

from hyperherd.launch.local.launcher import LocalLauncher

__all__ = ["LocalLauncher"]
