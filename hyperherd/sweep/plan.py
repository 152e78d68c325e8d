"""Planning: from the command line and `hydra.sweeper` to trials, before anything is written or run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SpaceError
from hyperherd.overrides import Argument, override
from hyperherd.records.identity import trial_key
from hyperherd.space.expansion import Report, expand
from hyperherd.space.naming import trial_name
from hyperherd.space.point import Assignment
from hyperherd.space.values import equal
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.base_config import BaseConfig, group_choices
from hyperherd.sweep.given_space import SpaceAsGiven, read_space
from hyperherd.sweep.settings import SweepSettings


@dataclass(frozen=True)
class UnnumberedTrial:
    """A trial that has no number yet."""

    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]
    resources: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sweep is going to try.

    Attributes:
        written: the search space as the user wrote it, for `sweep.json`.
        fixed: overrides that all trials share, as written.
        drafts: the trials, in their order.
        report: what became of the grid on the way.
        notes: what the user should know about how the command line and the config were put together.
    """

    written: dict[str, Any]
    fixed: tuple[str, ...]
    drafts: tuple[UnnumberedTrial, ...]
    report: Report
    notes: tuple[str, ...]


def make_plan(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> Plan:
    """Plan a sweep.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`.

    Raises:
        SpaceError: the space cannot be read, or holds no trial.
    """
    given = read_space(app, arguments, settings)
    static = {name: argument.value for name, argument in given.static.items()}
    assignments, report = expand(given.space, BaseConfig(app.config, static))
    emitter = _Emitter(app, given, settings.name_key)
    return Plan(
        written=_written(settings, arguments),
        fixed=tuple(argument.text for argument in (*given.fixed.values(), *given.static.values())),
        drafts=tuple(emitter.draft(assignment) for assignment in assignments),
        report=report,
        notes=(*given.notes, *report.warnings),
    )


def _written(settings: SweepSettings, arguments: Sequence[str]) -> dict[str, Any]:
    defaults = SweepSettings()
    names = ("params", "conditions", "grid", "zip", "grids", "sample", "order", "max_trials", "seeds", "seed", "strict")
    changed = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(defaults, name)}
    return {"params": {}, "conditions": [], **changed, "overrides": list(arguments)}


class _Emitter:
    """Writes assignments as Hydra overrides, one per key: what is fixed or searched in its order, `set` at the end."""

    def __init__(self, app: HydraApp, given: SpaceAsGiven, name_key: str | None) -> None:
        self._app = app
        self._given = given
        self._name_key = name_key
        self._parameters = given.space.parameters
        self._choices = group_choices(app.config)
        self._replaced = {name: prefix for rule in given.space.rules for name, prefix in rule.prefixes}
        self._groups: dict[str, bool] = {}
        self._texts: dict[tuple[str, str], str] = {}

    def draft(self, assignment: Assignment) -> UnnumberedTrial:
        """Return the trial that an assignment is."""
        values = assignment.values
        name = trial_name(values, self._parameters)
        overrides = tuple(self._overrides(assignment))
        if self._name_key:
            overrides = (override(self._name_key, name), *overrides)
        return UnnumberedTrial(trial_key(values), name, overrides, values, assignment.resources)

    def _overrides(self, assignment: Assignment) -> Iterator[str]:
        values, added = assignment.values, assignment.added
        for name in self._given.names:
            fixed = self._fixed(name, assignment)
            if fixed is not None:
                yield fixed.text
            elif name in values and name not in added:
                yield self._text(name, values[name])
        for name, value in values.items():
            if name not in self._given.names and name not in added:
                yield self._text(name, value)
        for name in values:
            if name in added and name not in self._given.fixed:
                yield self._text(name, values[name], added=True)

    def _fixed(self, name: str, assignment: Assignment) -> Argument | None:
        """Return the fixed override of `name` that stands in this trial."""
        argument = self._given.fixed.get(name)
        if argument is None:
            return None if name in assignment.added else self._given.static.get(name)
        if name in assignment.added and not equal(assignment.values[name], argument.value):
            raise SpaceError(
                f"{self._setters(name)}: set {name} to {assignment.values[name]!r} contradicts {argument.text} on the "
                f"command line; remove one of them"
            )
        return argument

    def _setters(self, name: str) -> str:
        return " and ".join(rule.label for rule in self._given.space.rules if name in dict(rule.set))

    def _text(self, name: str, value: Any, *, added: bool = False) -> str:
        prefix = self._prefix(name, added=added)
        key = f"{prefix}{name}", repr(value)
        if key not in self._texts:
            self._texts[key] = override(key[0], value)
        return self._texts[key]

    def _prefix(self, name: str, *, added: bool) -> str:
        """Return how an override is spelled: as written; a group that is not in the defaults list needs a ``+``."""
        parameter = self._parameters.get(name)
        if parameter is not None and parameter.prefix and not added:
            return parameter.prefix
        if name in self._choices:
            return ""
        if name not in self._groups:
            self._groups[name] = self._app.is_group(name.split("@")[0])
        if self._groups[name]:
            return "+"
        return "++" if added else self._replaced.get(name, "")
