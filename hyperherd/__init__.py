"""HyperHerd for Hydra: sweeps that can be trusted.

Importing this package costs next to nothing: every name below is loaded when it is first used, because Hydra imports
our plugins, and so this module, at the start of every Hydra app in the environment.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperherd.errors import HyperherdError as HyperherdError
    from hyperherd.errors import TrialPruned as TrialPruned
    from hyperherd.results.api import Trial as Trial
    from hyperherd.results.api import Trials as Trials
    from hyperherd.results.api import load as load
    from hyperherd.results.loading.load import is_trial as is_trial
    from hyperherd.results.trials.filters import between as between
    from hyperherd.sweep.from_python import run_sweep as run_sweep
    from hyperherd.sweep.preview import plan as plan
    from hyperherd.trial.alerts import alert as alert
    from hyperherd.trial.checkpoint import checkpoint as checkpoint
    from hyperherd.trial.log import log_array as log_array
    from hyperherd.trial.log import log_metrics as log_metrics
    from hyperherd.trial.log import log_result as log_result
    from hyperherd.trial.log import phase as phase
    from hyperherd.trial.log import resumed as resumed
    from hyperherd.trial.log import total_steps as total_steps
    from hyperherd.trial.standalone import start_trial as start_trial
    from hyperherd.trial.stopping.asking import should_stop as should_stop
    from hyperherd.trial.system.monitor import log_system as log_system

__version__ = "0.2.0"

_HOMES = {
    "HyperherdError": "hyperherd.errors",
    "alert": "hyperherd.trial.alerts",
    "between": "hyperherd.results.trials.filters",
    "checkpoint": "hyperherd.trial.checkpoint",
    "is_trial": "hyperherd.results.loading.load",
    "load": "hyperherd.results.api",
    "phase": "hyperherd.trial.log",
    "plan": "hyperherd.sweep.preview",
    "run_sweep": "hyperherd.sweep.from_python",
    "Trial": "hyperherd.results.api",
    "TrialPruned": "hyperherd.errors",
    "Trials": "hyperherd.results.api",
    "log_array": "hyperherd.trial.log",
    "log_metrics": "hyperherd.trial.log",
    "log_result": "hyperherd.trial.log",
    "log_system": "hyperherd.trial.system.monitor",
    "resumed": "hyperherd.trial.log",
    "should_stop": "hyperherd.trial.stopping.asking",
    "start_trial": "hyperherd.trial.standalone",
    "total_steps": "hyperherd.trial.log",
}
__all__ = [
    "HyperherdError",
    "Trial",
    "TrialPruned",
    "Trials",
    "alert",
    "between",
    "checkpoint",
    "is_trial",
    "load",
    "log_array",
    "log_metrics",
    "log_result",
    "log_system",
    "phase",
    "plan",
    "resumed",
    "run_sweep",
    "should_stop",
    "start_trial",
    "total_steps",
]


if (Path(__file__).parent / "manifest.py").exists():  # a module of the first HyperHerd, and never one of ours
    raise ImportError(
        "the distributions `hyperherd` and `hydra-hyperherd` are both installed, and each has overwritten files of the "
        "other: pip uninstall -y hyperherd hydra-hyperherd; pip install hydra-hyperherd"
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
