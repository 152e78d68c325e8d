"""Which of several processes of one distributed program this one is, and who started them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_SIZES = {
    "SLURM_STEP_NUM_TASKS": "srun",
    "OMPI_COMM_WORLD_SIZE": "mpirun",
    "PMI_SIZE": "mpirun",
    "JSM_NAMESPACE_SIZE": "jsrun",
}
"""Variables that hold how many processes of one command were started, and what starts them so."""


def started_together(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Return what has started several processes of this program's command, and how many; None if it was started alone.

    ``WORLD_SIZE`` alone proves nothing: scripts of clusters export it before they start anything.
    """
    if "LOCAL_RANK" in environment and (size := _count(environment.get("WORLD_SIZE"))) > 1:
        return "torchrun", size
    for name, starter in _SIZES.items():
        if (size := _count(environment.get(name))) > 1:
            return starter, size
    return None


def world_size() -> int:
    """Return how many ranks this program has, as torch knows it, else as the environment has it."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_world_size())
    together = started_together(os.environ)
    return 1 if together is None else together[1]


def current_rank() -> int:
    """Return the rank of this process as torch knows it, else as the environment has it; 0 where there is only one."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    if started_together(os.environ) is None:
        return 0
    names = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK", "LOCAL_RANK")
    # Those that are not set count as 0.
    return max(_count(os.environ.get(name)) for name in names)


def _count(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() and text.isascii() else 0
