"""How the cores and GPUs of a worker are shared out among the trials that it runs side by side."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from hyperherd.launch.local.cpu import cores
from hyperherd.launch.local.slots import Limits, usable_gpus
from hyperherd.schemas import HerdLocalLauncherConf


def pool_options(at_once: int, worker_cores: int | None = None, grace_s: float | None = None) -> dict[str, Any]:
    """Return the options of the pool of a worker: `hydra.launcher` of herd_local.

    Args:
        at_once: how many trials run side by side.
        worker_cores: those of the worker; None for what this process may use.
        grace_s: seconds that a trial which was asked to end gets for that; None for the pool's own.
    """
    options = {name: value for name, value in asdict(HerdLocalLauncherConf()).items() if not name.startswith("_")}
    gpus = len(usable_gpus(Limits(), os.environ))
    options["max_parallel"] = at_once
    options["threads"] = max(1, (worker_cores or cores()) // at_once)
    if gpus:
        options["gpus_per_trial"] = max(1, gpus // at_once)
        options["trials_per_gpu"] = -(-at_once // gpus)  # rounded up
    if grace_s is not None:
        options["grace_s"] = grace_s
    return options
