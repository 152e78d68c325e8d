"""How attempts began, and so what of the older ones still stands (docs/format.md, Attempts).

Invariant: what stands is a function of all attempts' beginnings alone, which every Parquet file has in its footer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hyperherd.metrics.rows.journal import Resumed

NO_STEP = -(2**63)
_NO_CUT = 2**63
"""Beyond the last step."""


@dataclass
class AttemptStart:
    """The first step of every metric of one attempt, and the step at which the attempt announced to resume."""

    first: dict[str, int] = field(default_factory=dict)
    resumed: int | None = None
    """The step for all metrics that have none of their own."""
    named: dict[str, int] = field(default_factory=dict)

    def note(self, metric: str, step: int) -> None:
        """Take in one row."""
        if step < self.first.setdefault(metric, step):
            self.first[metric] = step

    def resume(self, resumed: Resumed) -> None:
        """Take in what the attempt announced; of several steps the least counts."""
        if resumed.metrics is None:
            self.resumed = resumed.step if self.resumed is None else min(self.resumed, resumed.step)
        for name in resumed.metrics or ():
            self.named[name] = min(resumed.step, self.named.get(name, resumed.step))

    def add(self, other: AttemptStart) -> None:
        """Take in what another file holds about the same attempt."""
        for metric, step in other.first.items():
            self.note(metric, step)
        if other.resumed is not None:
            self.resume(Resumed(other.resumed, None))
        for metric, step in other.named.items():
            self.resume(Resumed(step, (metric,)))

    @property
    def is_announced(self) -> bool:
        """Whether the attempt announced the step at which it resumes."""
        return self.resumed is not None or bool(self.named)

    def cut(self, metric: str) -> int:
        """Return the first step at which it supersedes older rows of a metric."""
        announced = self.named.get(metric, self.resumed)
        # The lesser: an attempt that logged before the step it named has done those steps again, whatever it announced.
        return min(self.first.get(metric, _NO_CUT), _NO_CUT if announced is None else announced)

    def as_json(self) -> dict[str, Any]:
        """Return it in the form of a footer."""
        return {"first": self.first, "resumed": self.resumed, "named": self.named}


def joined(many: Iterable[Mapping[int, AttemptStart]]) -> dict[int, AttemptStart]:
    """Return what several files hold about the attempts, together."""
    attempts: dict[int, AttemptStart] = {}
    for some in many:
        for attempt, beginning in some.items():
            attempts.setdefault(attempt, AttemptStart()).add(beginning)
    return attempts


class Cuts:
    """Which rows stand, given how all attempts began."""

    def __init__(self, attempts: Mapping[int, AttemptStart]) -> None:
        self._attempts = attempts
        self._newest_first = sorted(attempts, reverse=True)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could supersede anything."""
        return len(self._attempts) < 2

    @cached_property
    def restart(self) -> int:
        """The newest attempt that started from nothing; everything older is superseded. -1 if none did."""
        return next((attempt for attempt in self._newest_first if self._is_restart(attempt)), -1)

    def _is_restart(self, attempt: int) -> bool:
        """Return whether an attempt did everything again that it and older ones have in common.

        One that announced where it resumes did not.
        """
        own = self._attempts[attempt]
        # A metric that older attempts never logged says nothing about where this one started.
        older: dict[str, int] = {}
        for other, beginning in self._attempts.items():
            if other < attempt:
                for metric, step in beginning.first.items():
                    older[metric] = min(step, older.get(metric, step))
        common = own.first.keys() & older.keys()
        return not own.is_announced and bool(common) and all(own.first[metric] <= older[metric] for metric in common)

    def last_kept(self, metric: str, attempt: int) -> int:
        """Return the last step of a metric that stands of what an attempt logged."""
        if attempt < self.restart:
            return NO_STEP
        # Each newer attempt cuts, not just the next one: what one of them did again stays superseded.
        cuts = [self._attempts[newer].cut(metric) for newer in self._newest_first if newer > attempt]
        return min(cuts, default=_NO_CUT) - 1
