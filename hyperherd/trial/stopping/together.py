"""One answer for all ranks of torch's process group; torch is not imported for the question."""

from __future__ import annotations

import sys
from typing import Any


def has_group() -> bool:
    """Return whether torch's process group has several ranks."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    return bool(distributed.get_world_size() > 1)


def any_rank(answer: bool) -> bool:
    """Return whether the answer of any rank is yes; every rank of the process group has to call this."""
    torch: Any = sys.modules["torch"]
    distributed: Any = sys.modules["torch.distributed"]
    device = torch.device("cuda", torch.cuda.current_device()) if distributed.get_backend() == "nccl" else "cpu"
    told = torch.tensor([int(answer)], device=device)
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return bool(told.item())
