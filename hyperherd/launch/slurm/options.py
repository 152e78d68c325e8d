"""`hydra.launcher` of herd_slurm in submitit's words."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.base import QUIET

RESOURCES = (
    "timeout_min",
    "nodes",
    "tasks_per_node",
    "cpus_per_task",
    "mem_gb",
    "mem_per_cpu",
    "mem_per_gpu",
    "gpus_per_node",
    "gpus_per_task",
    "cpus_per_gpu",
    "gres",
    "partition",
    "qos",
    "account",
    "constraint",
    "nodelist",
    "exclude",
    "reservation",
    "exclusive",
)
"""Options that a trial may have of its own."""

_SHARED = {"timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "stderr_to_stdout"}
"""What submitit calls the same on every cluster."""


def executor_parameters(
    options: Mapping[str, Any], *, name: str, parallelism: int, after: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the parameters of submitit's executor for Slurm.

    Args:
        options: those of `hydra.launcher` that are set, with a batch's resources in place of what all get.
        name: of the jobs.
        parallelism: how many of an array may run at once.
        after: the ids of the jobs that have to have ended before.
    """
    chosen = {key: value for key, value in options.items() if value is not None}
    chosen["timeout_min"] = math.ceil(chosen["timeout_min"])  # 1.5 times as much may be half a minute more
    extra = dict(chosen.pop("additional_parameters", {}))
    environment = chosen.pop("env", {})
    for key in ("python", "max_num_timeout", "max_num_preempted"):
        chosen.pop(key, None)
    if reservation := chosen.pop("reservation", None):
        extra.setdefault("reservation", reservation)
    exports = [f"export {key}={shlex.quote(str(value))}" for key, value in environment.items()]
    chosen["setup"] = [QUIET, *exports, *chosen.get("setup", [])]
    if dependency := _dependency(chosen.pop("dependency", None), after):
        chosen["dependency"] = dependency
    if chosen.get("exclusive") is False:
        del chosen["exclusive"]
    named = {(key if key in _SHARED else f"slurm_{key}"): value for key, value in chosen.items()}
    return {
        "name": name,
        "slurm_array_parallelism": parallelism,
        "slurm_additional_parameters": extra,
        **named,
    }


def _dependency(wanted: str | None, after: Sequence[str]) -> str | None:
    if not after:
        return wanted
    if wanted and "?" in wanted:
        raise SweepError(
            f"hydra.launcher.dependency: {wanted!r} has alternatives (?), which cannot be combined with "
            "array_parallelism below the number of arrays, where one array waits for another; raise array_parallelism"
        )
    return ",".join(filter(None, (wanted, f"afterany:{':'.join(after)}")))
