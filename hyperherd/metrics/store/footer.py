"""What `metrics.parquet` and its parts hold beside their rows, in the footer of the file (docs/format.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.cuts import AttemptStart
from hyperherd.metrics.rows.journal import Final
from hyperherd.metrics.rows.phases import PhaseOrder, by_phase, from_phases, metric_of, series_of
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.rows.stats import ObjectiveResult, Stats
from hyperherd.metrics.rows.values import dumps
from hyperherd.paths import FORMAT
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import check_format, number, strict
from hyperherd.records.disk.guarded import is_deep


@dataclass(frozen=True)
class Footer:
    """What `metrics.parquet` holds beside its rows."""

    sources: tuple[str, ...] = ()
    """Names of all journals and parts whose rows it holds."""
    metrics: dict[str, Stats] = field(default_factory=dict)
    """By series."""
    objective: ObjectiveResult | None = None
    rows: int = 0
    skipped: int = 0
    final: dict[str, Final] = field(default_factory=dict)
    attempts: dict[int, AttemptStart] | None = None
    """How every attempt in it began; None if it does not hold that."""

    @property
    def attempt(self) -> int:
        """The newest attempt whose rows it holds; -1 if none."""
        names = map(SourceName.parse, self.sources)
        return max((name.attempt for name in names if name is not None), default=-1)

    @property
    def spec(self) -> dict[str, str] | None:
        """``{"metric", "direction"}`` of its objective, or None."""
        return {"metric": self.objective.metric, "direction": self.objective.direction} if self.objective else None

    def has_objective(self, spec: Mapping[str, Any] | None) -> bool:
        """Return whether it holds the objective `spec`."""
        return spec is None or spec["metric"] not in map(metric_of, self.metrics) or self.spec == dict(spec)

    @property
    def is_phased(self) -> bool:
        """Whether rows of a phase with a name are in it, as far as its attempts are known."""
        return any(item.is_phased for item in (self.attempts or {}).values())

    def summary(self) -> dict[str, Any]:
        """Return what `hyperherd.summary` holds."""
        return {
            **summarized({name: asdict(stats) for name, stats in self.metrics.items()}, self.attempts or {}),
            "objective": self.objective.as_json() if self.objective else None,
            "rows": self.rows,
            "skipped": self.skipped,
        }

    def encode(self) -> dict[str, bytes]:
        """Return it as schema metadata."""
        final = {
            name: {"value": item.value, "time": item.time, "attempt": item.attempt} for name, item in self.final.items()
        }
        return {
            "hyperherd.format": str(FORMAT).encode(),
            "hyperherd.sources": dumps(list(self.sources)),
            "hyperherd.summary": dumps(strict(self.summary())),
            "hyperherd.final": dumps(final),
            "hyperherd.attempts": dumps({str(key): item.as_json() for key, item in (self.attempts or {}).items()}),
        }

    @classmethod
    def decode(cls, path: Path, metadata: dict[bytes, bytes]) -> Footer:
        """Make a footer from schema metadata; what is not there is empty.

        Raises:
            FormatError: it is broken, or of a newer format than ours.
        """
        try:
            check_format(path, json.loads(metadata.get(b"hyperherd.format", b"1")))
            summary = json.loads(metadata.get(b"hyperherd.summary", b"{}"))
            final = json.loads(metadata.get(b"hyperherd.final", b"{}"))
            attempts = json.loads(metadata.get(b"hyperherd.attempts", b"null"))
            sources = json.loads(metadata.get(b"hyperherd.sources", b"[]"))
            if is_deep([summary, final, attempts]) or not kinds.texts(sources):
                raise TypeError("it contains what no HyperHerd footer does")
            return cls(
                tuple(sources),
                {name: Stats(**_numbers(stats)) for name, stats in _series(summary).items()},
                _objective(summary.get("objective")),
                _whole(summary.get("rows", 0)),
                _whole(summary.get("skipped", 0)),
                {name: _final(item) for name, item in final.items()},
                None if attempts is None else {_whole(int(key)): _start(item) for key, item in attempts.items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(f"the footer of {path} cannot be read: {error}") from None


def _series(summary: Mapping[str, Any]) -> dict[str, Any]:
    return from_phases(summary.get("phases") or {"": summary.get("metrics", {})})


def _numbers(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with the three tokens as floats."""
    return {key: None if value is None else _number(value) for key, value in raw.items()}


def _whole(raw: Any) -> int:
    if not kinds.whole(raw):
        raise TypeError(f"{raw!r:.80} is not an integer of 64 bits")
    return int(raw)


def _final(raw: Mapping[str, Any]) -> Final:
    return Final(_whole(raw["attempt"]), float(_number(raw["time"])), raw["value"])


def _start(raw: Mapping[str, Any]) -> AttemptStart:
    start = AttemptStart()
    for phase, item in [("", raw), *raw.get("phases", {}).items()]:
        start.first |= {series_of(name, phase): _whole(step) for name, step in item["first"].items()}
        start.named |= {series_of(name, phase): _whole(step) for name, step in item["named"].items()}
        if item["resumed"] is not None:
            start.resumed[phase] = _whole(item["resumed"])
        if item.get("began") is not None:
            start.began[phase] = float(_number(item["began"]))
    return start


def _number(raw: Any) -> float:
    value = number(raw)
    if value is None:
        raise TypeError(f"{raw!r:.80} is not a number")
    return raw if type(raw) is int else value


def _objective(raw: Mapping[str, Any] | None) -> ObjectiveResult | None:
    if raw is None:
        return None
    curve = [(_whole(step), _number(value)) for step, value in raw["curve"]]
    best = None if raw["best"] is None else _number(raw["best"])
    step = None if raw["best_step"] is None else _whole(raw["best_step"])
    if not kinds.texts([raw["metric"], raw["direction"]]):
        raise TypeError("the name or the direction of the objective is not text")
    return ObjectiveResult(
        raw["metric"], raw["direction"], best, step, _numbers(raw["at_best"]), curve, str(raw.get("phase", ""))
    )


def summarized(stats: Mapping[str, Any], attempts: Mapping[int, AttemptStart]) -> dict[str, Any]:
    """Return what a summary says of some series: of each metric the one that counts, and of all phases if there are."""
    order = PhaseOrder(attempts)
    metrics = {metric: stats[series] for metric, series in order.shown(stats).items()}
    phases = by_phase(stats, order)
    return {"metrics": metrics, "phases": phases} if phases else {"metrics": metrics}
