"""`hydra.sweeper.decide`, read and checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SweepError


@dataclass(frozen=True)
class Decide:
    """`hydra.sweeper.decide`: when a configuration is the best one, and how many trials that may take."""

    delta: float
    budget: int
    alpha: float = 0.05


def read_decide(written: Any) -> Decide | None:
    """Read `hydra.sweeper.decide`; None if nothing is to be decided.

    Raises:
        SweepError: a value that is not valid; the message names its key.
    """
    if written is None:
        return None
    if not isinstance(written, dict) or not {"delta", "budget"} <= written.keys() <= {"delta", "budget", "alpha"}:
        raise SweepError(
            f"hydra.sweeper.decide is {written!r}; expected a map such as {{delta: 0.005, alpha: 0.05, budget: 200}}"
        )
    limits = {"delta": (0.0, math.inf), "budget": (0.0, math.inf), "alpha": (0.0, 0.5)}
    for key, value in written.items():
        low, high = limits[key]
        if isinstance(value, bool) or not isinstance(value, int if key == "budget" else int | float):
            raise SweepError(f"hydra.sweeper.decide.{key} is {value!r}; expected a number")
        if not low < value < high:
            expected = f"a number above {low:g}" if high == math.inf else f"a number between {low:g} and {high:g}"
            raise SweepError(f"hydra.sweeper.decide.{key} is {value}; expected {expected}")
    return Decide(**written)
