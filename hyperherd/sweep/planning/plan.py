"""Planning: from the command line and `hydra.sweeper` to trials, before anything is written or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hyperherd.garbage import rarely_collected
from hyperherd.overrides import override, split_key
from hyperherd.records.identity import trial_key
from hyperherd.space.expansion import Report, expand
from hyperherd.space.naming import TrialNames
from hyperherd.space.point import Assignment
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.effective_config.effective_config import EffectiveConfigs
from hyperherd.sweep.planning.composed_context import ComposedContext
from hyperherd.sweep.planning.given_space import SpaceAsGiven, read_space
from hyperherd.sweep.planning.override_writer import OverrideWriter
from hyperherd.sweep.planning.plan_check import PlanCheck
from hyperherd.sweep.settings import SweepSettings


@dataclass(frozen=True)
class UnnumberedTrial:
    """A trial that has no number yet; `asked` says how a sampler chose it, if one did."""

    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]
    resources: dict[str, Any]
    asked: dict[str, Any] = field(default_factory=dict)


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


class TrialWriter:
    """Makes trials of the assignments of a space as it was given.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`.

    Attributes:
        given: the space, and what is fixed.
        written: the space as the user wrote it, for `sweep.json`.
        fixed: overrides that all trials share, as written.
        context: where conditions look names up.

    Raises:
        SpaceError: the space cannot be read.
    """

    def __init__(self, app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> None:
        self.given = read_space(app, arguments, settings)
        self.written = _written(settings, arguments)
        self.fixed = tuple(argument.text for argument in (*self.given.fixed.values(), *self.given.static.values()))
        self._overrides = OverrideWriter(app, self.given)
        configs = EffectiveConfigs(app, _unknown(self.given, settings))
        self.context = ComposedContext(app, configs, self._overrides, self.fixed)
        self._check = PlanCheck(configs, self.given)
        self._names = TrialNames(self.given.space.parameters)
        self._name_key = settings.name_key

    def check(self, assignment: Assignment) -> None:
        """Raise SpaceError if an override of the trial that an assignment is undoes another."""
        self._check.check(assignment, self._overrides.overrides(assignment))

    def trial(self, assignment: Assignment) -> UnnumberedTrial:
        """Return the trial that an assignment is."""
        values = assignment.values
        name = self._names.name(values)
        overrides = self._overrides.overrides(assignment)
        if self._name_key and split_key(self._name_key)[1] not in self.given.fixed:
            overrides = (override(self._name_key, name), *overrides)
        return UnnumberedTrial(trial_key(values), name, overrides, values, assignment.resources)


@rarely_collected()
def make_plan(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> Plan:
    """Plan a sweep.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`.

    Raises:
        SpaceError: the space cannot be read, or holds no trial.
    """
    writer = TrialWriter(app, arguments, settings)
    assignments, report = expand(writer.given.space, writer.context)
    for assignment in assignments:
        writer.check(assignment)
    return Plan(
        written=writer.written,
        fixed=writer.fixed,
        drafts=tuple(writer.trial(assignment) for assignment in assignments),
        report=report,
        notes=(*writer.given.notes, *report.warnings),
    )


def _unknown(given: SpaceAsGiven, settings: SweepSettings) -> dict[str, str]:
    """Return the config's entries that trials get after all conditions, with why they are not known before."""
    unknown = {}
    if given.space.seeds is not None:
        key = given.space.seed_key
        unknown[key] = f"`seeds` gives each trial its {key} after the conditions; search {key} as a parameter instead"
    if settings.name_key and settings.name_key not in given.fixed:
        name = split_key(settings.name_key)[1]
        unknown[name] = f"name_key gives each trial its {name} after the conditions"
    return unknown


def _written(settings: SweepSettings, arguments: Sequence[str]) -> dict[str, Any]:
    defaults = SweepSettings()
    names = ("params", "conditions", "grid", "zip", "grids", "sample", "order", "max_trials", "seeds", "seed", "strict")
    changed = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(defaults, name)}
    sampler = {"sampler": dict(settings.sampler.written)} if settings.sampler else {}
    return {"params": {}, "conditions": [], **changed, **sampler, "overrides": list(arguments)}
