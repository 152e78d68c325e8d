"""From what a Lightning trainer had gathered at each step to the rows of the trial: what of it was new, as numbers.

A step costs no more than a copy of a dict. What was new at each is found out for many steps at once: right after a
step of a training, whose data has just gone through the processor's caches, the same takes several times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from hyperherd_callbacks._lightning_values import fetched, is_same

if TYPE_CHECKING:
    import torch

Row: TypeAlias = tuple[dict[str, float], int, float]
"""Metrics, their step, and when they were logged."""


_Snapshot: TypeAlias = "tuple[Mapping[str, torch.Tensor], int, int | None, float, bool]"
"""What had been gathered at a moment, the step, its epoch if the row has one, the time, and whether it makes a row."""


class Snapshots:
    """The snapshots that wait, and what was known before them."""

    def __init__(self) -> None:
        self.last: Mapping[str, torch.Tensor] = {}
        """The newest."""
        self.on_device = False
        """Whether what waits has values on a device, as the first of it shows."""
        self._waiting: list[_Snapshot] = []
        self._seen: dict[str, torch.Tensor] = {}
        self._told: tuple[int, int] | None = None

    def take(
        self, logged: Mapping[str, torch.Tensor], step: int, epoch: int | None, at: float, *, is_kept: bool = True
    ) -> None:
        """Take what has been gathered until now.

        Args:
            logged: all of it.
            step: of the row.
            epoch: that the row tells, if no row of its step has; None: none.
            at: the time, in seconds since 1970.
            is_kept: whether what is new in it makes a row; else it is only known from now on.
        """
        self.last = {**logged}
        if not self._waiting or not self._waiting[-1][0]:
            self.on_device = not all(value.is_cpu for value in logged.values())
        self._waiting.append((self.last, step, epoch, at, is_kept))

    def rows(self) -> list[Row]:
        """Return what was new in the snapshots that wait, fetched from devices at once; none waits any more."""
        waiting, self._waiting = self._waiting, []
        kept: list[tuple[dict[str, torch.Tensor], int, int | None, float]] = []
        for logged, step, epoch, at, is_kept in waiting:
            fresh = self._fresh(logged)
            if fresh and is_kept:
                kept.append((fresh, step, epoch, at))
        numbers = iter(fetched([value for fresh, *_ in kept for value in fresh.values()]))
        rows: list[Row] = []
        for fresh, step, epoch, at in kept:
            row = dict(zip(fresh, numbers, strict=False))  # of all numbers as many as it has names
            if epoch is not None and self._told != (step, epoch):
                self._told = step, epoch
                row.setdefault("epoch", epoch)
            rows.append((row, step, at))
        return rows

    def forget(self) -> None:
        """Begin anew: what comes is new, whatever came before."""
        self._waiting, self._seen, self.last = [], {}, {}
        self.tell_epoch()

    def tell_epoch(self) -> None:
        """Have the next row tell its epoch."""
        self._told = None

    def _fresh(self, logged: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen, fresh = self._seen, {}
        for name, value in logged.items():
            if value is not (old := seen.get(name)) and not is_same(value, old):
                seen[name] = fresh[name] = value
        return fresh
