"""Planning: from the command line and `hydra.sweeper` to trials, before anything is written or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    given = read_space(app, arguments, settings)
    writer = OverrideWriter(app, given)
    configs = EffectiveConfigs(app, _unknown(given, settings))
    fixed = tuple(argument.text for argument in (*given.fixed.values(), *given.static.values()))
    assignments, report = expand(given.space, ComposedContext(app, configs, writer, fixed))
    check, names = PlanCheck(configs, given), TrialNames(given.space.parameters)
    for assignment in assignments:
        check.check(assignment, writer.overrides(assignment))
    return Plan(
        written=_written(settings, arguments),
        fixed=fixed,
        drafts=tuple(
            _draft(assignment, names.name(assignment.values), writer, given, settings.name_key)
            for assignment in assignments
        ),
        report=report,
        notes=(*given.notes, *report.warnings),
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


def _draft(
    assignment: Assignment, name: str, writer: OverrideWriter, given: SpaceAsGiven, name_key: str | None
) -> UnnumberedTrial:
    """Return the trial that an assignment is."""
    values = assignment.values
    overrides = writer.overrides(assignment)
    if name_key and split_key(name_key)[1] not in given.fixed:
        overrides = (override(name_key, name), *overrides)
    return UnnumberedTrial(trial_key(values), name, overrides, values, assignment.resources)


def _written(settings: SweepSettings, arguments: Sequence[str]) -> dict[str, Any]:
    defaults = SweepSettings()
    names = ("params", "conditions", "grid", "zip", "grids", "sample", "order", "max_trials", "seeds", "seed", "strict")
    changed = {name: getattr(settings, name) for name in names if getattr(settings, name) != getattr(defaults, name)}
    return {"params": {}, "conditions": [], **changed, "overrides": list(arguments)}
