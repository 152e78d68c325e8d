"""What stands between a trainer's hooks and the trial: which metrics are kept, and what becomes of odd values.

It knows no trainer. One value that cannot be kept costs itself alone, and is named once.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from hyperherd.metrics.rows.values import NotLogged
from hyperherd.trial.log import log_array, log_rows
from hyperherd.trial.notes import OBJECTIVE, note, objective_of
from hyperherd.trial.system.monitor import checked_seconds, log_system

log = logging.getLogger("hyperherd")


@dataclass(frozen=True)
class Choice:
    """Which metrics are kept, by patterns of their names as in a shell (``val/*``); what `exclude` names never is."""

    include: tuple[str, ...] | None
    exclude: tuple[str, ...]

    @classmethod
    def of(cls, include: str | Iterable[str] | None, exclude: str | Iterable[str]) -> Choice:
        """Make a choice of one pattern or of several; None includes all."""
        return cls(None if include is None else _patterns(include), _patterns(exclude))

    def takes(self, name: str) -> bool:
        """Return whether a metric is kept."""
        if any(fnmatchcase(name, pattern) for pattern in self.exclude):
            return False
        return self.include is None or any(fnmatchcase(name, pattern) for pattern in self.include)


def _patterns(given: str | Iterable[str]) -> tuple[str, ...]:
    patterns = (given,) if isinstance(given, str) else tuple(given)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(f"a pattern of metrics must be text, not {pattern!r}")
    return patterns


class Stream:
    """Writes the rows of a trainer into the trial.

    Args:
        include: patterns of the metrics to keep, as in a shell (``val/*``); None for all.
        exclude: patterns of metrics to leave out, also of those that `include` names.
        arrays: whether arrays and tensors of several elements are kept, by :func:`hyperherd.log_array`.
        objective: the metric by which the trial is judged, unless its sweep says.
        direction: ``minimize`` or ``maximize``; an objective needs one.
        log_system: whether :func:`hyperherd.log_system` logs what the trial takes of its machine, too, or each how many
            seconds.

    Raises:
        ValueError: the direction is missing, or another word; `log_system` is less than 1 second.
        TypeError: a pattern is not text.
    """

    def __init__(
        self,
        *,
        include: str | Iterable[str] | None = None,
        exclude: str | Iterable[str] = (),
        arrays: bool = False,
        objective: str | None = None,
        direction: str | None = None,
        log_system: bool | float = False,
    ) -> None:
        self._choice = Choice.of(include, exclude)
        self._takes_all = include is None and not self._choice.exclude
        self._keeps_arrays = arrays
        self._every_s = checked_seconds(30 if log_system is True else log_system) if log_system is not False else None
        self.objective = objective_of(objective, direction)
        self._named: set[str] = set()

    def begin(self) -> None:
        """Note the objective, and begin to watch the machine, if that is wanted, now that there is a trial."""
        if self.objective:
            note(OBJECTIVE, self.objective)
        if self._every_s is not None:
            log_system(self._every_s)

    def write(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log values at a step; one that cannot be kept is named in a warning, once per name."""
        self.write_rows([(metrics, step, time.time())])

    def write_rows(self, rows: Iterable[tuple[Mapping[str, Any], int, float]]) -> None:
        """Log several rows: metrics, their step, and when they were measured, in seconds since 1970."""
        if self._takes_all and not self._keeps_arrays:  # as nearly always
            chosen = [row for row in rows if row[0]]
        else:
            chosen = [(kept, step, at) for metrics, step, at in rows if (kept := self._chosen(metrics, step))]
        if not chosen:
            return
        try:
            log_rows(chosen)
        except NotLogged as error:
            for name, reason in error.reasons.items():
                if name not in self._named:
                    self._named.add(name)
                    log.warning("not kept, and not named again: %s", reason)

    def _chosen(self, metrics: Mapping[str, Any], step: int) -> Mapping[str, Any]:
        """Return what of a row is to be logged; its arrays are kept, if that is wanted."""
        if not self._takes_all:
            metrics = {name: value for name, value in metrics.items() if self._choice.takes(name)}
        return self._without_arrays(metrics, step) if self._keeps_arrays else metrics

    def _without_arrays(self, metrics: Mapping[str, Any], step: int) -> dict[str, Any]:
        rest = {}
        for name, value in metrics.items():
            try:
                if _is_array(value):
                    log_array(name, _in_memory(value), step)
                    continue
            except TypeError:  # an array of Python objects, which is named below like any other odd value
                pass
            rest[name] = value
        return rest


def _is_array(value: Any) -> bool:
    """Return whether a value is an array or a tensor of other than one element; neither NumPy nor torch is imported."""
    shape = getattr(value, "shape", None)
    return isinstance(shape, tuple) and math.prod(shape) != 1 and hasattr(value, "__array__")


def _in_memory(value: Any) -> Any:
    """Return a tensor as NumPy takes it: without its gradient, in main memory, in a type that NumPy has."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
    return value
