"""Typed schemas of our Hydra configs; the presets in `conf/` are commented values over them.

They live here and not in `hydra_plugins`, because Hydra 1.3 may execute a plugin module twice, and a dataclass defined
twice is two types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Optional  # noqa: UP035 - read by OmegaConf


@dataclass
class HerdSweeperConf:
    """`hydra/sweeper=herd`.

    `params` and `objective` are untyped because a typed map is closed: nobody could add to it on the command line.
    """

    _target_: str = "hydra_plugins.hyperherd.sweeper.HerdSweeper"
    params: Any = None
    conditions: List[Any] = field(default_factory=list)  # noqa: UP006
    objective: Any = None
    seed_key: str = "seed"
    max_batch_size: Optional[int] = None  # noqa: UP045
    name: Optional[str] = None  # noqa: UP045
