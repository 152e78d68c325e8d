"""How attempts began, and so what of the older ones still stands (docs/format.md, Attempts).

Invariant: what stands is a function of all attempts' beginnings alone, which every Parquet file has in its footer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperherd.metrics.rows.journal import Resumed
from hyperherd.metrics.rows.phases import is_phased, metric_of, phase_of, root_of, series_of

NO_STEP = -(2**63)
_NO_CUT = 2**63
"""Beyond the last step."""


@dataclass
class AttemptStart:
    """The first step of every series of one attempt, and the steps at which the attempt announced to resume."""

    first: dict[str, int] = field(default_factory=dict)
    resumed: dict[str, int] = field(default_factory=dict)
    """Phase -> the step for all of its metrics that have none of their own."""
    named: dict[str, int] = field(default_factory=dict)
    """Series -> its own step."""
    began: dict[str, float] = field(default_factory=dict)
    """Phase -> the time of its first row, in seconds since 1970, as far as it is known."""

    def note(self, series: str, step: int) -> None:
        """Take in one row."""
        if step < self.first.setdefault(series, step):
            self.first[series] = step

    def begin(self, phase: str, time: float | None) -> None:
        """Take in the time of a row of a phase."""
        if time is not None:
            self.began[phase] = min(time, self.began.get(phase, time))

    def resume(self, resumed: Resumed) -> None:
        """Take in what the attempt announced; of several steps the least counts."""
        step, phase = resumed.step, resumed.phase
        if resumed.metrics is None:
            self.resumed[phase] = min(step, self.resumed.get(phase, step))
        for name in resumed.metrics or ():
            series = series_of(name, phase)
            self.named[series] = min(step, self.named.get(series, step))

    def add(self, other: AttemptStart) -> None:
        """Take in what another file holds about the same attempt."""
        for series, step in other.first.items():
            self.note(series, step)
        for phase, step in other.resumed.items():
            self.resume(Resumed(step, None, phase))
        for series, step in other.named.items():
            self.resume(Resumed(step, (metric_of(series),), phase_of(series)))
        for phase, time in other.began.items():
            self.begin(phase, time)

    def is_announced(self, phase: str) -> bool:
        """Return whether the attempt announced the step at which it resumes a phase."""
        return phase in self.resumed or any(phase_of(series) == phase for series in self.named)

    def cut(self, series: str) -> int:
        """Return the first step at which it supersedes older rows of a series."""
        announced = self.named.get(series, self.resumed.get(phase_of(series)))
        # The lesser: an attempt that logged before the step it named has done those steps again, whatever it announced.
        return min(self.first.get(series, _NO_CUT), _NO_CUT if announced is None else announced)

    @property
    def is_phased(self) -> bool:
        """Whether a phase with a name is in it."""
        return is_phased([*self.first, *self.named]) or any(self.resumed)

    def as_json(self) -> dict[str, Any]:
        """Return it in the form of a footer: the phase without a name, and the others where there are some."""
        whole = self._as_json("")
        if not self.is_phased:
            return whole
        names = dict.fromkeys([*map(phase_of, [*self.first, *self.named]), *self.resumed, *self.began])
        others = {phase: {**self._as_json(phase), "began": self.began.get(phase)} for phase in names if phase}
        return {**whole, "began": self.began.get(""), "phases": others}

    def _as_json(self, phase: str) -> dict[str, Any]:
        return {
            "first": _of_phase(self.first, phase),
            "resumed": self.resumed.get(phase),
            "named": _of_phase(self.named, phase),
        }


def _of_phase(steps: Mapping[str, int], phase: str) -> dict[str, int]:
    return {metric_of(series): step for series, step in steps.items() if phase_of(series) == phase}


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
        self._restarts: dict[str, int] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that could supersede anything."""
        return len(self._attempts) < 2

    def restart(self, phase: str) -> int:
        """Return the newest attempt that started a phase, or the one it belongs to, from nothing; -1 if none did.

        Everything older in the phase is superseded.
        """
        if phase not in self._restarts:
            parts = {phase, root_of(phase)}
            again = (item for item in self._newest_first if any(self._is_restart(item, part) for part in parts))
            self._restarts[phase] = next(again, -1)
        return self._restarts[phase]

    def _is_restart(self, attempt: int, phase: str) -> bool:
        """Return whether an attempt did everything of a phase again that it and older ones have in common.

        One that announced where it resumes did not.
        """
        own = self._attempts[attempt]
        if own.is_announced(phase):
            return False
        # A metric that older attempts never logged says nothing about where this one started.
        older: dict[str, int] = {}
        for other, beginning in self._attempts.items():
            if other < attempt:
                for series, step in beginning.first.items():
                    older[series] = min(step, older.get(series, step))
        common = [series for series in own.first.keys() & older.keys() if phase_of(series) == phase]
        return bool(common) and all(own.first[series] <= older[series] for series in common)

    def last_kept(self, series: str, attempt: int) -> int:
        """Return the last step of a series that stands of what an attempt logged."""
        if attempt < self.restart(phase_of(series)):
            return NO_STEP
        # Each newer attempt cuts, not just the next one: what one of them did again stays superseded.
        cuts = [self._attempts[newer].cut(series) for newer in self._newest_first if newer > attempt]
        return min(cuts, default=_NO_CUT) - 1
