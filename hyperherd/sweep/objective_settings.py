"""What `hydra.sweeper.objective` asks for: one metric, or several between which the best compromises are wanted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hyperherd.errors import SweepError, nearest

ONE_OBJECTIVE = "hydra.sweeper.objective to be a single one, {metric: ..., direction: ...}, and not a list of several"
"""What a setting that can follow one objective alone asks for."""

_KEY = "hydra.sweeper.objective"
_DIRECTIONS = ("maximize", "minimize")


def read_objectives(written: Any) -> tuple[dict[str, str], ...]:
    """Read `hydra.sweeper.objective`; none if there is none.

    Raises:
        SweepError: a value that is not valid; the message names it.
    """
    if written is None:
        return ()
    if not isinstance(written, list):
        return (_objective(written, _KEY),)
    if not written:
        raise SweepError(f"{_KEY} is an empty list; give one objective, a list of several, or null")
    found = tuple(_objective(one, f"{_KEY}[{place}]") for place, one in enumerate(written))
    twice = next((metric for metric, count in Counter(one["metric"] for one in found).items() if count > 1), None)
    if twice is not None:
        raise SweepError(f"{_KEY} has the metric {twice!r} twice; keep one of them")
    return found


def _objective(written: Any, key: str) -> dict[str, str]:
    if not isinstance(written, dict) or written.keys() != {"metric", "direction"}:
        raise SweepError(f"{key} is {written!r}; expected a map such as {{metric: val/acc, direction: maximize}}")
    for name, value in written.items():
        if isinstance(value, list):
            raise SweepError(
                f"{key}.{name} is a list; several objectives are a list of maps: "
                "[{metric: val/loss, direction: minimize}, {metric: latency, direction: minimize}]"
            )
    direction = str(written["direction"])
    if direction not in _DIRECTIONS:
        raise SweepError(
            f"{key}.direction is {direction!r}{nearest(direction, _DIRECTIONS)}; expected maximize or minimize"
        )
    return {"metric": str(written["metric"]), "direction": direction}
