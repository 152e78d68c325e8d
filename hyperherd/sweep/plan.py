"""Planning: from the command line and `hydra.sweeper` to trials, before anything is written or run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.errors import SpaceError
from hyperherd.overrides import Argument, override, parse, parse_values, split_key
from hyperherd.records.identity import trial_key
from hyperherd.space.conditions import Condition, read_conditions
from hyperherd.space.expansion import Effect, Expansion
from hyperherd.space.naming import trial_name
from hyperherd.space.parameters import Parameter, SearchSpace
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.settings import SweepSettings


@dataclass(frozen=True)
class Draft:
    """A trial that has no number yet."""

    key: str
    name: str
    overrides: tuple[str, ...]
    params: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a sweep is going to try.

    Attributes:
        written: the search space as the user wrote it, for `sweep.json`.
        fixed: overrides that all trials share, as written.
        drafts: the trials, in the order of the grid, equal ones merged.
        effects: what each condition did.
        merged: number of points that became equal to an earlier one.
        notes: what the user should know about how the command line and the config were put together.
    """

    written: dict[str, Any]
    fixed: tuple[str, ...]
    drafts: tuple[Draft, ...]
    effects: tuple[Effect, ...]
    merged: int
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
    given = {argument.name: argument for argument in parse(arguments, app.loader)}
    fixed = {name: argument for name, argument in given.items() if argument.values is None}
    axes, notes = _axes(given, settings, app)
    parameters = tuple(axis for axis in axes.values() if isinstance(axis, Parameter))
    conditions, ignored = _without_fixed(read_conditions(settings.conditions), fixed)
    expansion = Expansion(SearchSpace(parameters, conditions), BaseConfig(app.config))
    drafts, merged = _drafts(expansion, axes)
    if not drafts:
        raise SpaceError(_nothing_left(expansion))
    return Plan(
        written={"params": settings.params, "conditions": settings.conditions, "overrides": list(arguments)},
        fixed=tuple(argument.text for argument in fixed.values()),
        drafts=tuple(drafts.values()),
        effects=tuple(expansion.effects),
        merged=merged,
        notes=(*notes, *ignored),
    )


def _axes(
    given: Mapping[str, Argument], settings: SweepSettings, app: HydraApp
) -> tuple[dict[str, Parameter | Argument], list[str]]:
    """Return all that trials are made of, swept and fixed, in the order of their overrides."""
    axes: dict[str, Parameter | Argument] = {}
    notes = []
    for key, written in settings.params.items():
        parameter = _parameter(str(key), written, app)
        axes[parameter.name] = parameter
    for name, argument in given.items():
        if argument.values is not None:
            axes[name] = Parameter(name, argument.values, argument.prefix)
        else:
            if name in axes:
                notes.append(f"{argument.text} on the command line fixes the parameter {name} of hydra.sweeper.params")
            axes[name] = argument
    return axes, notes


def _parameter(key: str, written: Any, app: HydraApp) -> Parameter:
    prefix, name = split_key(key)
    if name.startswith(("hydra.", "hydra/")):
        raise SpaceError(f"hydra.sweeper.params: {key} is Hydra's own configuration, which cannot be swept")
    if isinstance(written, dict):
        raise SpaceError(f"hydra.sweeper.params.{key}: a parameter takes a list or Hydra's sweep syntax, not a map")
    if isinstance(written, list):
        return Parameter(name, tuple(written), prefix)
    values = parse_values(key, written, app.loader) if isinstance(written, str) else (written,)
    return Parameter(name, values, prefix)


def _without_fixed(
    conditions: tuple[Condition, ...], fixed: Mapping[str, Argument]
) -> tuple[tuple[Condition, ...], list[str]]:
    """Return the conditions without the values they would force on what the command line fixes."""
    kept, notes = [], []
    for condition in conditions:
        beaten = [name for name, _ in condition.force if name in fixed]
        notes += [
            f"{condition.label}: force {name} gives way to {fixed[name].text} on the command line" for name in beaten
        ]
        force = tuple(pair for pair in condition.force if pair[0] not in fixed)
        if force or condition.exclude:
            kept.append(replace(condition, force=force))
    return tuple(kept), notes


def _drafts(expansion: Expansion, axes: Mapping[str, Parameter | Argument]) -> tuple[dict[str, Draft], int]:
    drafts: dict[str, Draft] = {}
    points = 0
    for assignment in expansion:
        points += 1
        key = trial_key(assignment)
        if key not in drafts:
            drafts[key] = Draft(key, trial_name(assignment), tuple(_overrides(assignment, axes)), assignment)
    return drafts, points - len(drafts)


def _overrides(assignment: Mapping[str, Any], axes: Mapping[str, Parameter | Argument]) -> Iterator[str]:
    for name, axis in axes.items():
        if isinstance(axis, Argument):
            yield axis.text
        else:
            yield override(f"{axis.prefix}{name}", assignment[name])


def _nothing_left(expansion: Expansion) -> str:
    blame = "; ".join(f"{effect.label} excluded {effect.excluded}" for effect in expansion.effects if effect.excluded)
    return f"no trial is left of {expansion.space.size}: {blame}"


class BaseConfig(Mapping[str, Any]):
    """The values every trial starts from, by dotted name: chosen config groups first, then the composed config."""

    def __init__(self, config: DictConfig) -> None:
        choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
        # A group that has to be chosen by the sweep is "???" here.
        self._choices = {
            group: choice for group, choice in choices.items() if choice != "???" and not group.startswith("hydra/")
        }
        self._config = config

    def __getitem__(self, name: str) -> Any:
        if name in self._choices:
            return self._choices[name]
        missing = object()
        try:
            value = OmegaConf.select(self._config, name, default=missing)
        except OmegaConfBaseException:
            raise KeyError(name) from None
        if value is missing or name.split(".")[0] == "hydra":
            raise KeyError(name)
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value

    def __iter__(self) -> Iterator[str]:
        yield from self._choices
        plain = OmegaConf.to_container(self._config)
        assert isinstance(plain, dict)
        yield from _dotted({key: value for key, value in plain.items() if key != "hydra"})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _dotted(node: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
