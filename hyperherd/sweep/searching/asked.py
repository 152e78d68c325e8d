"""How the points of a search were asked for, as `trials.jsonl` records it with each trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hyperherd.records.sweep import PlannedTrial


@dataclass(frozen=True)
class Asked:
    """How one point was asked for; its trials, one for each seed, all record the same.

    Attributes:
        point: the number of its first trial.
        drawn: the values as they were drawn, before the conditions.
        draws: how many were drawn until one was taken.
        after: the points whose outcomes the sampler had learned since it was asked for the one before.
        rejected: what the sampler proposed for it before, as far as it has to be told again.
        enqueued: the values that were asked for by name; empty if none were.
    """

    point: int
    drawn: Mapping[str, Any]
    draws: int
    after: tuple[int, ...]
    rejected: tuple[Mapping[str, Any], ...]
    enqueued: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {**asdict(self), "after": list(self.after), "rejected": list(self.rejected)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Asked | None:
        """Return what is recorded; None if that is nothing, or not of this form."""
        point, drawn, draws = raw.get("point"), raw.get("drawn"), raw.get("draws")
        after, rejected, enqueued = raw.get("after"), raw.get("rejected"), raw.get("enqueued")
        if not (type(point) is int and type(draws) is int and draws > 0 and isinstance(drawn, dict)):
            return None
        if not (isinstance(after, list) and all(type(one) is int for one in after) and isinstance(enqueued, dict)):
            return None
        if not (isinstance(rejected, list) and all(isinstance(one, dict) for one in rejected)):
            return None
        return cls(point, drawn, draws, tuple(after), tuple(rejected), enqueued)


def by_point(trials: Iterable[PlannedTrial]) -> dict[int, tuple[Asked, list[PlannedTrial]]]:
    """Return the points of a search in their order, each with how it was asked for and its trials."""
    found: dict[int, tuple[Asked, list[PlannedTrial]]] = {}
    for trial in trials:
        if (asked := Asked.from_json(trial.asked)) is not None:
            found.setdefault(asked.point, (asked, []))[1].append(trial)
    return dict(sorted(found.items()))
