"""From the command line and `hydra.sweeper` to a search space: who gives which parameter, and who wins.

A sweep on the command line replaces that parameter of the config; a fixed override on the command line beats `params`,
`force` and `replace`; overrides that the config fixes (`static_overrides`) beat `params` and give way to `set`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from hyperherd.errors import SpaceError
from hyperherd.overrides import Argument, parse, parse_values
from hyperherd.space.conditions import Condition
from hyperherd.space.expansion import SearchSpace
from hyperherd.space.grids import Grid, Shape
from hyperherd.space.parameters import Parameter, Values, read_parameter
from hyperherd.space.reading import read_conditions
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.base_config import where_written
from hyperherd.sweep.settings import SweepSettings

_GRID_KEYS = ("params", "parameters", "zip", "grid", "conditions", "constraints")


@dataclass(frozen=True)
class SpaceAsGiven:
    """What the user asked to search, with everything that stays fixed.

    Attributes:
        space: parameters + conditions, without what is fixed.
        fixed: fixed overrides of the command line, by name.
        static: fixed overrides of the config that the command line does not give, by name.
        names: parameters and fixed names in the order of their overrides.
        notes: what gave way to what.
    """

    space: SearchSpace
    fixed: dict[str, Argument]
    static: dict[str, Argument]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_space(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> SpaceAsGiven:
    """Read the search space.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`.

    Raises:
        SpaceError: it cannot be meant as written.
    """
    given = _by_name(parse(arguments, app.loader, settings.seed), "the command line")
    fixed = {name: argument for name, argument in given.items() if argument.values is None}
    static = _by_name(parse(settings.static_overrides, app.loader), "static_overrides")
    static = {name: argument for name, argument in static.items() if name not in given}
    reader = _Reader(app, settings, {**fixed, **static}, given)
    grids = reader.grids()
    space = SearchSpace(
        grids=grids,
        conditions=reader.conditions(settings.conditions, "conditions"),
        sample=settings.sample,
        order=cast(Literal["grid", "random"], settings.order),
        max_trials=settings.max_trials,
        seeds=settings.seeds,
        seed_key=settings.seed_key,
        seed=settings.seed,
        strict=settings.strict,
    )
    names = dict.fromkeys((*reader.names, *given, *static))
    return SpaceAsGiven(space, fixed, static, tuple(names), tuple(dict.fromkeys(reader.notes)))


class _Reader:
    """Reads the parts of a space and takes out of each what is fixed."""

    def __init__(
        self,
        app: HydraApp,
        settings: SweepSettings,
        fixed: Mapping[str, Argument],
        given: Mapping[str, Argument],
    ) -> None:
        self._app = app
        self._settings = settings
        self._fixed = fixed
        self._swept = {name: argument for name, argument in given.items() if argument.values is not None}
        self.names: dict[str, None] = {}
        self.notes: list[str] = []

    def grids(self) -> tuple[Grid, ...]:
        """Return the grids; the parameters, zips and shape outside of `grids` are common to all."""
        settings = self._settings
        common = self._parameters(settings.params, "params")
        if not settings.grids:
            return (self._grid(common, {}, settings.zip, settings.grid, "zip"),)
        grids = []
        for index, raw in enumerate(settings.grids):
            if not isinstance(raw, dict) or raw.keys() - set(_GRID_KEYS):
                raise SpaceError(f"grids[{index}] is a map with {', '.join(_GRID_KEYS)}, not {raw!r}")
            own = {**common, **self._parameters(raw.get("params") or raw.get("parameters") or {}, f"grids[{index}]")}
            zips = [*settings.zip, *(raw.get("zip") or [])]
            grids.append(self._grid(own, raw, zips, raw.get("grid") or settings.grid, f"grids[{index}].zip"))
        return tuple(grids)

    def conditions(self, written: Sequence[Any], key: str) -> tuple[Condition, ...]:
        """Return conditions without the values they would give to what is fixed."""
        place = where_written(self._app.config, key.split("[")[0]) if written else ""
        return tuple(self._without_fixed(condition) for condition in read_conditions(written, self._values, place))

    def _grid(
        self, parameters: Mapping[str, Parameter], raw: Mapping[str, Any], zips: Sequence[Any], shape: Any, place: str
    ) -> Grid:
        own = {name: parameter for name, parameter in parameters.items() if name not in self._swept}
        swept = {
            name: Parameter(name, argument.values or (), argument.prefix) for name, argument in self._swept.items()
        }
        # In the place where the config had it, else behind the others.
        ordered = {name: swept.get(name) or own[name] for name in (*parameters, *swept)}
        kept = {name: parameter for name, parameter in ordered.items() if not self._is_fixed(parameter)}
        self.names.update(dict.fromkeys(parameters))
        conditions = raw.get("conditions") or raw.get("constraints") or []
        return Grid(
            tuple(kept.values()),
            _zips(zips, kept, self._fixed, place),
            _shape(shape, kept, self._fixed),
            self.conditions(conditions, f"grids[{place}]") if conditions else (),
        )

    def _parameters(self, written: Mapping[str, Any], place: str) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for key, value in written.items():
            parameter = read_parameter(str(key), value, self._values)
            if parameter.name.startswith(("hydra.", "hydra/")):
                raise SpaceError(f"hydra.sweeper.{place}: {key} is Hydra's own configuration, which cannot be swept")
            if parameter.name in found:
                raise SpaceError(f"hydra.sweeper.{place}: {key} is given twice, with different prefixes; keep one")
            found[parameter.name] = parameter
        return found

    def _is_fixed(self, parameter: Parameter) -> bool:
        argument = self._fixed.get(parameter.name)
        if argument is not None:
            self.notes.append(f"{argument.text} fixes the parameter {parameter.name} of the search space")
        return argument is not None

    def _without_fixed(self, condition: Condition) -> Condition:
        for action, names in (("force", condition.force), ("replace", condition.replace)):
            for name, _ in names:
                if name in self._fixed:
                    self.notes.append(f"{condition.label}: {action} {name} gives way to {self._fixed[name].text}")
        return replace(
            condition,
            force=tuple(pair for pair in condition.force if pair[0] not in self._fixed),
            replace=tuple(pair for pair in condition.replace if pair[0] not in self._fixed),
            drop=tuple(name for name in condition.drop if name not in self._fixed),
        )

    def _values(self, key: str, text: str) -> Values:
        return parse_values(key, text, self._app.loader, self._settings.seed)


def _by_name(arguments: Sequence[Argument], place: str) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    for argument in arguments:
        other = found.get(argument.name)
        if argument.prefix == "~":
            found[f"~{argument.name}"] = argument  # a deletion stands beside what gives the key anew
            continue
        if other is not None and other.prefix != argument.prefix:
            raise SpaceError(
                f"{place} has both {other.text} and {argument.text}, which differ in prefix only; keep one of them"
            )
        found[argument.name] = argument
    return found


def _zips(
    written: Sequence[Any], parameters: Mapping[str, Parameter], fixed: Mapping[str, Argument], place: str
) -> tuple[tuple[str, ...], ...]:
    zips = []
    for names in written:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SpaceError(
                f"{place} is a list of lists of parameters, e.g. [[lr, batch_size]], not {list(written)!r}"
            )
        kept = tuple(name.lstrip("+") for name in names if name.lstrip("+") not in fixed)
        if len(kept) > 1 or any(name not in parameters for name in kept):
            zips.append(kept)
    return tuple(zips)


def _shape(written: Any, parameters: Mapping[str, Parameter], fixed: Mapping[str, Argument]) -> Shape:
    if written in (None, "all", "one_at_a_time"):
        return cast(Shape, written or "all")
    if isinstance(written, list) and all(isinstance(name, str) for name in written):
        return tuple(name.lstrip("+") for name in written if name.lstrip("+") not in fixed)
    raise SpaceError(f"hydra.sweeper.grid is {written!r}; it is all, one_at_a_time, or a list of parameters")
