"""What a name means that someone asks for: a column of ours, a parameter, a metric, or a value of the config.

One rule for filters, columns, sorting and pivots; a name that could mean two things is refused, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from hyperherd.errors import ResultsError, nearest, some_of
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import ask_objective, at_best
from hyperherd.results.trials.machine import gpus_of, machine_of, taken_of, text_of
from hyperherd.results.trials.metric_names import find_metric
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap, lookup

OURS = frozenset({"sweep", "number", "trial", "state", "step", "time", "dir", "rank", "front", "seeds", "trials"})
"""Names of our own columns; a parameter or metric of that name gets its prefix."""

TAG = "tag"
"""The name of what trials were given after the fact; a parameter or metric of that name keeps it."""


class Role(Enum):
    """What a column tells."""

    IDENTITY = "identity"
    PARAM = "param"
    OBJECTIVE = "objective"
    METRIC = "metric"
    PROGRESS = "progress"


@dataclass(frozen=True)
class Field:
    """One thing that can be asked of every trial."""

    name: str
    """As a heading."""
    role: Role
    value: Callable[[Trial], Any]
    """Its value or a gap."""
    heading: str = ""
    """What someone calls it instead of its name."""
    metric: str = ""
    """The ``METRIC`` or ``METRIC:AGG`` that it is of; empty if it is not measured."""


_FACTS: dict[str, Callable[[Trial], Any]] = {
    "sweep": lambda trial: trial.sweep.name,
    "number": lambda trial: trial.number,
    "trial": lambda trial: trial.label if trial.number is None else trial.number,
    "state": lambda trial: trial.state.value,
    "step": lambda trial: trial.step,
    "time": lambda trial: trial.seconds,
    "dir": lambda trial: None if trial.dir is None else str(trial.dir),
    "name": lambda trial: trial.name,
    "script": lambda trial: PurePath(trial.sweep.script).name or None,
    "cause": lambda trial: None if trial.cause is None else trial.cause.value,
    "reason": lambda trial: trial.reason or None,
    "error": lambda trial: None if trial.error is None else trial.error.type,
    "key": lambda trial: trial.key or None,
    "seconds": lambda trial: trial.seconds,
    "started": lambda trial: trial.started,
    "ended": lambda trial: trial.ended,
    "attempt": lambda trial: trial.attempt,
    "max_step": lambda trial: trial.max_step,
    "host": lambda trial: trial.host or None,
    "job_id": lambda trial: trial.job_id,
    "branch": lambda trial: text_of(trial, "git.branch"),
    "commit": lambda trial: text_of(trial, "git.commit"),
    "cpu": lambda trial: machine_of(trial, "cpu"),
    "gpu": gpus_of,
    "driver": lambda trial: machine_of(trial, "driver"),
    "cpu_time": lambda trial: taken_of(trial, "cpu_s"),
    "peak_memory": lambda trial: taken_of(trial, "peak_memory_gib"),
    "peak_gpu_memory": lambda trial: taken_of(trial, "peak_gpu_memory_gib"),
    "note": lambda trial: trial.note or None,
    TAG: lambda trial: ", ".join(trial.tags) or None,
}
"""What is known of every trial; names that are not in `OURS` give way to parameters and metrics."""


def find_field(trials: TrialCollection, text: str) -> Field:
    """Return what `text` means among `trials`.

    Args:
        trials: where the name is looked for.
        text: a name of a parameter, metric, config group, fact, key of the config or of the provenance, in this order;
            ``param.NAME``, ``metric.NAME`` or ``config.NAME`` to be plain, ``METRIC:AGG``,
            ``METRIC:PHASE``, ``METRIC:evaluate``, or ``METRIC@OBJECTIVE``: its value at that one's best step.

    Raises:
        ResultsError: nothing has that name, or two things have it.
    """
    found = _ours(text) or _param_or_metric(trials, text) or _explicit(trials, text)
    found = found or _at_best(trials, text) or _choice(trials, text) or _fact(text)
    found = found or _config(trials, text, text) or _provenance(trials, text)
    if found is None:
        known = dict.fromkeys((*trials.params, *trials.metric_names, *_FACTS, *_config_keys(trials)))
        listed = some_of((*trials.params, *trials.metric_names))
        raise ResultsError(
            f"no trial has a parameter, metric or config value {text!r}{nearest(text, known)}; "
            f"parameters and metrics: {listed}"
        )
    return found


def param_field(trials: TrialCollection, name: str) -> Field:
    """Return a parameter as a column; its prefix stands where a metric or a column of ours has that name too."""
    heading = f"param.{name}" if name in OURS or name in trials.metric_names else name
    return Field(heading, Role.PARAM, lambda trial: trials.setting(trial, name))


def metric_field(trials: TrialCollection, name: str, aggregate: str | None = None) -> Field:
    """Return a metric as a column; its prefix stands where a parameter or a column of ours has that name too."""
    heading = f"metric.{name}" if name in OURS or name in trials.params or name in trials.varying else name
    heading, label = (f"{text}:{aggregate}" if aggregate else text for text in (heading, name))
    return Field(heading, Role.METRIC, lambda trial: _or_missing(trial.value(name, aggregate)), metric=label)


def fact_field(name: str) -> Field:
    """Return what is known of every trial as a column."""
    role = Role.PROGRESS if name in ("step", "time") else Role.IDENTITY
    return Field(name, role, lambda trial: _or_missing(_FACTS[name](trial)))


def tag_fields(trials: TrialCollection) -> list[Field]:
    """Return the column of tags, if any trial has one and nothing else has its name."""
    if TAG in trials.params or TAG in trials.metric_names or TAG in trials.varying:
        return []
    return [fact_field(TAG)] if any(trial.tags for trial in trials) else []


def _ours(text: str) -> Field | None:
    return fact_field(text) if text in OURS and text in _FACTS else None


def _fact(text: str) -> Field | None:
    return fact_field(text) if text in _FACTS else None


def _param_or_metric(trials: TrialCollection, text: str) -> Field | None:
    metric = find_metric(text, trials, trials.metric_names)
    if text in trials.params:
        if metric is not None and metric[0] == text:
            raise ResultsError(f"{text!r} is both a parameter and a metric; use param.{text} or metric.{text}")
        return param_field(trials, text)
    return metric_field(trials, *metric) if metric else None


def _choice(trials: TrialCollection, text: str) -> Field | None:
    return param_field(trials, text) if any(text in trial.choices for trial in trials) else None


def _provenance(trials: TrialCollection, text: str) -> Field | None:
    """Return where a result comes from (``git.commit``, ``packages.torch``, ``python``)."""
    if not any(lookup(trial.provenance, text) is not Gap.NOT_APPLICABLE for trial in trials):
        return None

    def value(trial: Trial) -> Any:
        found = lookup(trial.provenance, text)
        return Gap.MISSING if found is Gap.NOT_APPLICABLE else _or_missing(found)

    return Field(text, Role.IDENTITY, value)


def _explicit(trials: TrialCollection, text: str) -> Field | None:
    kind, _, name = text.partition(".")
    if kind == "param" and name in trials.params:
        return param_field(trials, name)
    if kind == "metric" and (metric := find_metric(name, trials, trials.metric_names)):
        return metric_field(trials, *metric)
    return _config(trials, name, text) if kind == "config" else None


def _at_best(trials: TrialCollection, text: str) -> Field | None:
    """Return ``METRIC@OBJECTIVE``; both names may hold an ``@`` of their own."""
    for place, char in enumerate(text):
        if char == "@" and text[:place] in trials.metric_names:
            name, asked = text[:place], text[place + 1 :]
            if asked.isdecimal():
                return metric_field(trials, name, f"@{asked}")
            return _at_best_of(text, name, ask_objective(list(trials), asked))
    return None


def _at_best_of(heading: str, name: str, objective: Objective) -> Field:
    return Field(heading, Role.METRIC, lambda trial: _or_missing(at_best(trial, name, objective)), metric=name)


def _config(trials: TrialCollection, name: str, heading: str) -> Field | None:
    if not any(lookup(trial.config, name) is not Gap.NOT_APPLICABLE for trial in trials):
        return None
    return Field(heading, Role.PARAM, lambda trial: lookup(trial.config, name) if trial.config else Gap.MISSING)


def _config_keys(trials: TrialCollection) -> Iterator[str]:
    """Yield the dotted names of the first config there is, for a hint."""
    config = next((trial.config for trial in trials if trial.config), {})
    pending: list[tuple[str, Any]] = [("", config)]
    while pending:
        prefix, node = pending.pop()
        for key, value in node.items():
            yield f"{prefix}{key}"
            if isinstance(value, dict):
                pending.append((f"{prefix}{key}.", value))


def _or_missing(value: Any) -> Any:
    return Gap.MISSING if value is None else value
