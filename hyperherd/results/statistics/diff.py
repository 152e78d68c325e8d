"""Two trials side by side: which settings, code, environment and results differ."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hyperherd.results.text.format import is_number
from hyperherd.results.trials.directions import direction_of
from hyperherd.results.trials.machine import gpus_of, machine_of
from hyperherd.results.trials.objective import MAXIMIZE
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap, flat, lookup
from hyperherd.space.values import equal


@dataclass(frozen=True)
class Difference:
    """A name with its two values; :attr:`Gap.NOT_APPLICABLE` where one has none."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class MetricDifference:
    """A metric of both, or of one of them."""

    name: str
    a: Any
    b: Any
    delta: float | None
    """b minus a; None if one is not a finite number."""
    better: str | None
    """``a`` or ``b`` where the name, or the sweep's objective, gives the direction."""


@dataclass(frozen=True)
class Diff:
    """What differs between two trials."""

    a: Trial
    b: Trial
    params: tuple[Difference, ...]
    """Parameters and group choices."""
    config: tuple[Difference, ...]
    """What else differs in their configs, by dotted name."""
    code: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    metrics: tuple[MetricDifference, ...]
    """All of them, equal ones too: final values, else the last."""
    unknown: tuple[str, ...]
    """What cannot be compared, and why."""


def diff(a: Trial, b: Trial) -> Diff:
    """Return what differs between two trials, of one sweep or of two."""
    known = {*a.params, *b.params, *a.choices, *b.choices}
    params = _differences(_settings(a, b), _settings(b, a))
    config = [item for item in _differences(flat(a.config), flat(b.config)) if item.name not in known]
    ours, theirs = a.provenance, b.provenance
    return Diff(
        a=a,
        b=b,
        params=tuple(params),
        config=tuple(config) if a.config and b.config else (),
        code=tuple(_differences(_code(a, ours), _code(b, theirs))) if ours and theirs else (),
        environment=(*_differences(_environment(a, ours), _environment(b, theirs)), *_imports(ours, theirs))
        if ours and theirs
        else (),
        metrics=tuple(_metrics(a, b)),
        unknown=tuple(_unknown(a, b)),
    )


def _settings(trial: Trial, other: Trial) -> dict[str, Any]:
    """Return the parameters and group choices of a trial, and what its config has for those of another sweep's."""
    found = {**trial.choices, **trial.params}
    if trial.sweep != other.sweep:
        rest = {name: lookup(trial.config, name) for name in other.params if name not in found}
        found |= {name: value for name, value in rest.items() if not isinstance(value, Gap)}
    return found


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    absent = Gap.NOT_APPLICABLE
    pairs = ((name, a.get(name, absent), b.get(name, absent)) for name in dict.fromkeys((*a, *b)))
    return [Difference(name, one, other) for name, one, other in pairs if not equal(one, other)]


def _code(trial: Trial, provenance: Mapping[str, Any]) -> dict[str, Any]:
    git = provenance.get("git")
    state = flat(git) if isinstance(git, dict) else {}
    known = {"script": trial.script, **state, **{name: provenance.get(name) for name in ("snapshot", "hyperherd")}}
    return {name: value for name, value in known.items() if value is not None}


def _environment(trial: Trial, provenance: Mapping[str, Any]) -> dict[str, Any]:
    packages = provenance.get("packages")
    names = ("python", "executable", "platform", "host", "cwd")
    known = {name: provenance[name] for name in names if name in provenance}
    if trial.dir is not None and known.get("cwd") == os.path.abspath(trial.dir):  # noqa: PTH100 - links are kept
        del known["cwd"]  # hydra.job.chdir: that a trial's own directory is not a difference
    machine = {"cpu": machine_of(trial, "cpu"), "gpu": gpus_of(trial), "driver": machine_of(trial, "driver")}
    known |= {name: value for name, value in machine.items() if value is not None}
    return {**known, **(flat({"packages": packages}) if isinstance(packages, dict) else {})}


def _imports(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield packages that both have imported, in different versions; importing one more is not a difference."""
    here, there = ours.get("imported"), theirs.get("imported")
    if not isinstance(here, dict) or not isinstance(there, dict):
        return
    told = [packages for known in (ours, theirs) if isinstance(packages := known.get("packages"), dict)]
    for name in here:
        if name in there and here[name] != there[name] and not any(name in packages for packages in told):
            yield Difference(f"imported.{name}", here[name], there[name])


def _metrics(a: Trial, b: Trial) -> Iterator[MetricDifference]:
    for name in sorted({*a.metrics, *a.final, *b.metrics, *b.final}):
        one, other = a.value(name), b.value(name)
        delta = other - one if _finite(one) and _finite(other) else None
        direction = _direction(a, name) or _direction(b, name) or direction_of(name)
        better = None
        if delta and direction:
            better = "b" if (delta > 0) == (direction == MAXIMIZE) else "a"
        yield MetricDifference(name, _known(one), _known(other), delta, better)


def _finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _known(value: Any) -> Any:
    return Gap.NOT_APPLICABLE if value is None else value


def _direction(trial: Trial, name: str) -> str | None:
    judges = [trial.sweep.objective] if trial.sweep.objective else trial.sweep.objectives
    return next((objective.direction for objective in judges if objective.metric == name), None)


def _unknown(a: Trial, b: Trial) -> Iterator[str]:
    for what in ("config", "provenance"):
        without = [trial.label for trial in (a, b) if not getattr(trial, what)]
        if without:
            yield f"{what}: trial{'s' * (len(without) != 1)} {' and '.join(without)} recorded none that can be read"
