"""`hydra.sweeper.pruner`, read and checked before anything runs; `sweep.json` keeps it as it was written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hyperherd.errors import SweepError, nearest
from hyperherd.pruning.others import halving_rungs, optuna_rule, own_rule
from hyperherd.pruning.rules import KeepAll, Median, SuccessiveHalving
from hyperherd.pruning.rungs import Rule
from hyperherd.pruning.schedule import Geometric, Nowhere, Regular, Schedule

KEY = "hydra.sweeper.pruner"
MAXIMIZE, MINIMIZE = "maximize", "minimize"
END, PAUSE = "end", "pause"
OPTUNA = ("MedianPruner", "PatientPruner", "PercentilePruner", "SuccessiveHalvingPruner", "WilcoxonPruner")
"""Optuna's pruners that the values at rungs suffice for."""

_REFUSED = {
    "HyperbandPruner": "it assigns a trial to a bracket by what its study has begun so far, which no trial here knows; "
    "use asha",
    "ThresholdPruner": "threshold does the same without Optuna",
    "NopPruner": f"it prunes nothing; leave {KEY} out",
    "BasePruner": "it is not a rule",
}
_SHOWN_RUNGS = 6
_COMMON = ("name", "metric", "direction", "phase", "unit", "by", "min_steps", "max_steps", "nan")
_OF_RULES: dict[str, tuple[str, ...]] = {
    "asha": ("eta", "min_trials", "only_full_rungs", "when"),
    "median": ("every", "min_trials"),
    "threshold": ("lower", "upper"),
    "patient": ("patience", "rule"),
}
_OTHER_SPELLINGS = {
    "grace_period": "min_steps",
    "min_resource": "min_steps",
    "n_warmup_steps": "min_steps",
    "max_t": "max_steps",
    "max_resource": "max_steps",
    "reduction_factor": "eta",
    "n_startup_trials": "min_trials",
    "min_samples_required": "min_trials",
    "interval_steps": "every",
    "time_attr": "unit",
    "mode": "direction",
    "_target_": "name",
}
"""What other libraries call these keys, and these rules, for the hint about an unknown one."""
_OTHER_NAMES = {"hyperband": "asha", "successive_halving": "asha", "sha": "asha", "early_stopping": "patient"}


@dataclass(frozen=True)
class RuleSettings:
    """A rule that judges at rungs.

    Attributes:
        name: ``asha``, ``median``, one of Optuna's, or the import path of a class of the user's.
        options: its own keys.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_custom(self) -> bool:
        """Whether it is a class of the user's."""
        return "." in self.name

    def made(self, direction: str) -> Rule:
        """Return the rule.

        Raises:
            SweepError: Optuna, or the user's class, cannot be had, or does not take these options.
        """
        options = {key: value for key, value in self.options.items() if key != "every"}
        if self.name == "asha":
            eta = options.get("eta", 3)
            full = math.ceil(eta) if options.get("only_full_rungs") else 1
            return SuccessiveHalving(eta, max(options.get("min_trials", 1), full))
        if self.name == "median":
            return Median(options.get("min_trials", 5))
        return own_rule(self.name, options) if self.is_custom else optuna_rule(self.name, options, direction)


@dataclass(frozen=True)
class PrunerSettings:
    """What is judged, where and how; docs/pruning.md explains each key.

    Attributes:
        metric: that is judged.
        direction: ``maximize`` or ``minimize``.
        name: of what judges, as it was written; ``nan`` if nothing but that does.
        rule: compares trials at rungs; None if each is judged by its own values alone.
        unit: what is counted: ``step`` or ``epoch``.
        phase: in which the metric is judged; None for the first that trains.
        by: whether a ``trial`` is compared, or its ``config`` by the mean over its seeds.
        min_steps: the first rung; before it nothing is judged, except NaN.
        max_steps: how long a trial takes; no rung lies there or beyond. None if that is not known.
        nan: whether a value that is not finite ends a trial at once.
        lower, upper: a value beyond these ends a trial at once; None for no bound.
        patience: as long as its last improvement is no further back, a trial goes on; None if that does not matter.
    """

    metric: str
    direction: str
    name: str = "nan"
    rule: RuleSettings | None = None
    unit: str = "step"
    phase: str | None = None
    by: str = "trial"
    min_steps: int = 0
    max_steps: int | None = None
    nan: bool = False
    lower: float | None = None
    upper: float | None = None
    patience: int | None = None

    @property
    def maximize(self) -> bool:
        """Whether greater values are better."""
        return self.direction == MAXIMIZE

    @property
    def pauses(self) -> bool:
        """Whether a trial that loses a rung may run on later, if it comes to be among the best there."""
        return self.rule is not None and self.rule.options.get("when") == PAUSE

    @property
    def rungs(self) -> Schedule:
        """Where trials are compared."""
        if self.rule is None:
            return Nowhere()
        options = self.rule.options
        if self.rule.name == "SuccessiveHalvingPruner":
            return halving_rungs(options, self.max_steps)
        if self.rule.name == "asha":
            return Geometric(self.min_steps, options.get("eta", 3), self.max_steps)
        return Regular(self.min_steps, options.get("every", self.min_steps), self.max_steps)

    @property
    def described(self) -> str:
        """What it does, in a line for people: the rule, what it judges, and the first rungs."""
        what = f"{self.name} on {self.metric} ({self.direction})"
        if self.nan and self.name != "nan":
            what += ", NaN ends a trial"
        first = [str(rung) for rung in islice(self.rungs, _SHOWN_RUNGS + 1)]
        if not first:
            return what
        shown = f"{', '.join(first[:_SHOWN_RUNGS])}{', ...' if len(first) > _SHOWN_RUNGS else ''}"
        one = " (one configuration by the mean over its seeds)" if self.by == "config" else ""
        pause = "; a trial that loses a rung is paused" if self.pauses else ""
        return f"{what}, compared at {self.unit} {shown}{one}{pause}"

    def made_rule(self) -> Rule:
        """Return what judges at rungs; see `RuleSettings.made`."""
        return KeepAll() if self.rule is None else self.rule.made(self.direction)


def complete(written: Any, objectives: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return `hydra.sweeper.pruner` with the metric and the direction of the objective where it names none.

    Args:
        written: as it was written.
        objectives: none, one, or several, of which none is taken unless its metric is named.

    Raises:
        SweepError: it is not a map, or there is neither.
    """
    if not isinstance(written, Mapping):
        raise SweepError(f"{KEY} is {written!r}; expected a map such as {{name: asha, min_steps: 5, max_steps: 50}}")
    found = {str(key): value for key, value in written.items() if value is not None}
    if "metric" not in found:
        if len(objectives) > 1:
            raise SweepError(
                f"{KEY} judges by one metric, and hydra.sweeper.objective has {len(objectives)}; name one of them: "
                f"{KEY}.metric={objectives[0]['metric']}"
            )
        if not objectives:
            raise SweepError(
                f"{KEY} has no metric to judge by; set hydra.sweeper.objective, e.g. "
                f"hydra.sweeper.objective='{{metric: val/acc, direction: maximize}}', or {KEY}.metric and .direction"
            )
        return {**objectives[0], **found}
    same = [one for one in objectives if one["metric"] == found["metric"]]
    return {**same[0], **found} if same and "direction" not in found else found


def read_pruner(written: Mapping[str, Any]) -> PrunerSettings:
    """Read `hydra.sweeper.pruner`, completed by :func:`complete`.

    Raises:
        SweepError: a key or a value that is not valid; the message names it.
    """
    name = written.get("name")
    if name is None and not written.get("nan"):
        others = [key for key in written if key not in _COMMON]
        close = next((f", but {key!r}{hint}" for key in others if (hint := nearest(key, ["name"]))), "")
        raise SweepError(f"{KEY} has neither a name nor nan: true{close}; name one of {_names()}")
    _check_name(name, f"{KEY}.name")
    own = {key: value for key, value in written.items() if key not in _COMMON}
    values = _checked({key: value for key, value in written.items() if key in _COMMON and key != "name"}, KEY)
    if "direction" not in values:
        raise SweepError(
            f"{KEY}.metric is {written.get('metric')!r}, which needs {KEY}.direction: maximize or minimize"
        )
    _check_keys(name, own, KEY)
    if name in ("threshold", "patient"):
        values |= _checked({key: value for key, value in own.items() if key != "rule"}, KEY)
        own_rule = own.get("rule")
        if name == "threshold" and not values.keys() & {"lower", "upper"}:
            raise SweepError(f"{KEY}: threshold needs lower or upper, or both")
        if values.get("lower", -math.inf) > values.get("upper", math.inf):
            raise SweepError(
                f"{KEY}: lower ({values['lower']}) is above upper ({values['upper']}), so every value would end a trial"
            )
        if name == "patient" and "patience" not in values:
            raise SweepError(f"{KEY}: patient needs patience, in steps or epochs without an improvement")
        values["rule"] = None if own_rule is None else _wrapped(own_rule)
    elif name is not None:
        values["rule"] = _rule(name, own, KEY)
    if name is not None:
        values["name"] = name
    settings = PrunerSettings(**values)
    _check_rungs(settings)
    _check_pause(settings)
    return settings


def _names() -> str:
    return f"{', '.join(_OF_RULES)}, {', '.join(OPTUNA)} (Optuna's), or the import path of a class"


def _check_name(name: Any, key: str) -> None:
    if name is None or (isinstance(name, str) and name in (*_OF_RULES, *OPTUNA)):
        return
    if isinstance(name, str) and name in _REFUSED:
        raise SweepError(f"{key} is {name!r}, which cannot be used here: {_REFUSED[name]}")
    if isinstance(name, str) and "." in name and all(part.isidentifier() for part in name.split(".")):
        return
    meant = _OTHER_NAMES.get(str(name))
    hint = f" (did you mean {meant!r}?)" if meant else nearest(str(name), [*_OF_RULES, *OPTUNA])
    raise SweepError(f"{key} is {name!r}{hint}; expected one of {_names()}")


def _wrapped(written: Any) -> RuleSettings:
    key = f"{KEY}.rule"
    if not isinstance(written, Mapping) or not isinstance(written.get("name"), str):
        raise SweepError(f"{key} is {written!r}; expected the rule that patient holds back, such as {{name: asha}}")
    name = str(written["name"])
    _check_name(name, f"{key}.name")
    if name in ("threshold", "patient"):
        raise SweepError(f"{key}.name is {name!r}; patient holds back a rule that compares trials at rungs")
    own = {str(item): value for item, value in written.items() if item != "name" and value is not None}
    if misplaced := sorted(own.keys() & set(_COMMON)):
        raise SweepError(f"{key}.{misplaced[0]} belongs one level higher: {KEY}.{misplaced[0]}")
    _check_keys(name, own, key)
    return _rule(name, own, key)


def _check_keys(name: str | None, own: Mapping[str, Any], key: str) -> None:
    """Check that a rule has these keys; those of a class are checked when it is made."""
    if name is not None and name not in _OF_RULES:
        return
    allowed = _OF_RULES[name] if name else ()
    for item in own:
        if item not in allowed:
            known = [*allowed, *(_COMMON if key == KEY else ("name",))]
            meant = _OTHER_SPELLINGS.get(item)
            hint = f" (did you mean {meant!r}?)" if meant in known else nearest(item, known)
            raise SweepError(f"{key} has no key {item!r}{hint}; {name or 'nan'} takes {', '.join(known)}")


def _rule(name: str, own: Mapping[str, Any], key: str) -> RuleSettings:
    if name in _OF_RULES:
        return RuleSettings(name, _checked(own, key))
    checked = _checked({item: value for item, value in own.items() if item == "every"}, key)
    return RuleSettings(name, {**own, **checked})


def _check_rungs(settings: PrunerSettings) -> None:
    rule = settings.rule
    if rule is None:
        return
    if rule.name == "SuccessiveHalvingPruner":
        if type(rule.options.get("min_resource")) is not int or rule.options["min_resource"] < 1:
            raise SweepError(f"{KEY}.min_resource must be a positive whole number, which is the first rung")
        for item in ("reduction_factor", "min_early_stopping_rate"):
            if type(rule.options.get(item, 0)) is not int:
                raise SweepError(f"{KEY}.{item} is {rule.options[item]!r}; expected a whole number")
        if settings.min_steps:
            raise SweepError(f"{KEY}.min_steps: the first rung of SuccessiveHalvingPruner is its min_resource")
    elif not settings.min_steps:
        raise SweepError(f"{KEY} needs min_steps, the step (or epoch) at which trials are compared first")
    if settings.max_steps is not None and next(iter(settings.rungs), None) is None:
        raise SweepError(
            f"{KEY}.max_steps is {settings.max_steps}, and no rung lies below it; the first would be at "
            f"{settings.min_steps or rule.options.get('min_resource')}"
        )


def _check_pause(settings: PrunerSettings) -> None:
    if settings.pauses and settings.by == "config":
        raise SweepError(
            f"{KEY}.when is pause, which cannot be combined with by: config: the seeds of a configuration, judged by "
            "their mean, would wait for each other; remove one of them"
        )


_Check = tuple[Callable[[Any], bool], str]


def _whole(least: int) -> _Check:
    return lambda value: type(value) is int and least <= value < 2**62, f"a whole number from {least} on"


def _choice(*choices: str) -> _Check:
    return lambda value: value in choices, " or ".join(choices)


_NUMBER: _Check = (lambda value: type(value) in (int, float) and math.isfinite(value), "a number")
_TEXT: _Check = (lambda value: isinstance(value, str), "a text")
_FLAG: _Check = (lambda value: isinstance(value, bool), "true or false")
_KINDS: dict[str, _Check] = {
    "metric": _TEXT,
    "phase": _TEXT,
    "direction": _choice(MAXIMIZE, MINIMIZE),
    "unit": _choice("step", "epoch"),
    "by": _choice("trial", "config"),
    "min_steps": _whole(1),
    "max_steps": _whole(1),
    "nan": _FLAG,
    "when": _choice(END, PAUSE),
    # Closer to 1 nearly everyone goes on, and most powers are rounded up to one rung.
    "eta": (lambda value: type(value) in (int, float) and 1.01 <= value < 1e6, "a number from 1.01 on"),
    "min_trials": _whole(1),
    "only_full_rungs": _FLAG,
    "every": _whole(1),
    "lower": _NUMBER,
    "upper": _NUMBER,
    "patience": _whole(1),
}


def _checked(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    for name, value in values.items():
        is_valid, expected = _KINDS[name]
        if not is_valid(value):
            choices = expected.split(" or ") if name in ("direction", "unit", "by", "when") else ()
            raise SweepError(f"{key}.{name} is {value!r}{nearest(str(value), choices)}; expected {expected}")
    return dict(values)
