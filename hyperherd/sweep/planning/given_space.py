"""From the command line and `hydra.sweeper` to a search space: which source a parameter comes from.

A sweep on the command line replaces that parameter of the config; a fixed override on the command line takes
precedence over `params`, `force` and `replace`; overrides that the config fixes (`static_overrides`) take precedence
over `params`, and `set` over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from hyperherd.sweep.planning.single_values import single_values
from hyperherd.sweep.settings import SweepSettings

_GRID_KEYS = ("params", "parameters", "zip", "grid", "conditions", "constraints")


@dataclass(frozen=True)
class SpaceAsGiven:
    """What the user asked to search, with everything that stays fixed.

    Attributes:
        space: parameters + conditions, without what is fixed.
        fixed: fixed overrides of the command line, by name.
        static: fixed overrides of the config that the command line does not give, by name.
        typed: names that the command line gives, swept or fixed.
        names: parameters and fixed names in the order of their overrides.
        notes: which setting is ignored because of which override.
    """

    space: SearchSpace
    fixed: dict[str, Argument]
    static: dict[str, Argument]
    typed: frozenset[str]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def read_space(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> SpaceAsGiven:
    """Read the search space.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of the command line, sweeps and fixed ones, without those of `hydra.*`.
        settings: `hydra.sweeper`.

    Raises:
        SpaceError: it is not valid.
    """
    given = _by_name(parse(arguments, app.loader, settings.seed), "the command line")
    fixed = {name: argument for name, argument in given.items() if argument.values is None}
    texts = [app.without_aliases(text) for text in settings.static_overrides]
    static = _by_name(parse(texts, app.loader), "static_overrides")
    static = {name: argument for name, argument in static.items() if name not in given}
    reader = _Reader(app, settings, {**fixed, **static}, given)
    grids = reader.grids()
    space = SearchSpace(
        grids=grids,
        conditions=reader.conditions(settings.conditions, "conditions"),
        sample=settings.sample,
        order=cast(Literal["grid", "random"], settings.order),
        max_trials=settings.max_trials,
        seeds=reader.seeds(),
        seed_key=settings.seed_key,
        seed=settings.seed,
        strict=settings.strict,
    )
    _check_deleted(space, {**static, **fixed})
    reader.notes += single_values(app, list(fixed.values()), settings)
    names = dict.fromkeys((*reader.names, *given, *static))
    return SpaceAsGiven(space, fixed, static, frozenset(given), tuple(names), tuple(dict.fromkeys(reader.notes)))


def _check_deleted(space: SearchSpace, fixed: Mapping[str, Argument]) -> None:
    """Raise SpaceError for a key that is deleted and searched too; one with a ``+`` is added again and may be."""
    searched = {name: parameter.prefix for name, parameter in space.parameters.items()}
    for rule in space.rules:
        searched |= rule.searches
    if space.seeds is not None:
        searched[space.seed_key] = ""
    for deleted, argument in fixed.items():
        for name, prefix in searched.items():
            if deleted.startswith("~") and f"{name}.".startswith(f"{deleted[1:]}.") and not prefix:
                raise SpaceError(
                    f"{argument.text} deletes {name}, which is searched. Remove {argument.text}, or remove {name} from "
                    f"the search; to delete the config's own entry and search a new one, write +{name}"
                )


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

    def seeds(self) -> int | None:
        """Return how often every trial is repeated: once if the command line or `static_overrides` give the seed."""
        seeds, key = self._settings.seeds, self._settings.seed_key
        if seeds is None:
            return None
        argument = self._swept.get(key)
        if argument is not None:
            self.notes.append(f"{argument.text} on the command line replaces hydra.sweeper.seeds={seeds}")
            return None
        argument = self._fixing(key)
        if argument is not None:
            self.notes.append(
                f"{argument.text} fixes {key}: hydra.sweeper.seeds={seeds} is ignored, no trial is repeated"
            )
            return None
        return seeds

    def _fixing(self, name: str) -> Argument | None:
        """Return the fixed override that decides `name`: its own, or that of a dict which holds it."""
        if name in self._fixed:
            return self._fixed[name]
        for other, argument in self._fixed.items():
            if name.startswith(f"{other}.") and _holds(argument.value, name[len(other) + 1 :]):
                return argument
        return None

    def conditions(self, written: Sequence[Any], key: str) -> tuple[Condition, ...]:
        """Return conditions without the values they would give to what is fixed."""
        place = where_written(self._app.config, key.split("[")[0]) if written else ""
        spelled = [self._spelled_out(raw) for raw in written]
        return tuple(self._without_fixed(condition) for condition in read_conditions(spelled, self._values, place))

    def _spelled_out(self, raw: Any) -> Any:
        """Return a condition with the keys that its names mean; names in expressions are spelled out when looked up."""
        if not isinstance(raw, dict):
            return raw
        return {part: value if part in ("name", "resources") else self._keys(value) for part, value in raw.items()}

    def _keys(self, names: Any) -> Any:
        """Return names, alone, in a list or of a map, as the keys that they mean."""
        if isinstance(names, dict):
            return {self._keys(name): value for name, value in names.items()}
        if isinstance(names, list):
            return [self._keys(name) for name in names]
        return self._app.key_without_alias(names) if isinstance(names, str) else names

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
            _zips([self._keys(names) for names in zips], kept, self._fixing, place),
            _shape(self._keys(shape) if isinstance(shape, list) else shape, self._fixing),
            self.conditions(conditions, f"grids[{place}]") if conditions else (),
        )

    def _parameters(self, written: Mapping[str, Any], place: str) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for key, value in written.items():
            parameter = read_parameter(self._app.key_without_alias(key), value, self._values)
            if parameter.name.startswith(("hydra.", "hydra/")):
                raise SpaceError(f"hydra.sweeper.{place}: {key} is Hydra's own configuration, which cannot be swept")
            if parameter.name in found:
                raise SpaceError(f"hydra.sweeper.{place}: {key} is given twice, with different prefixes; keep one")
            found[parameter.name] = parameter
        return found

    def _is_fixed(self, parameter: Parameter) -> bool:
        argument = None if parameter.name in self._swept else self._fixing(parameter.name)
        if argument is not None:
            self.notes.append(f"{argument.text} fixes the parameter {parameter.name} of the search space")
        return argument is not None

    def _without_fixed(self, condition: Condition) -> Condition:
        for action in condition.actions:
            for name in action.gives_way:
                argument = self._fixing(name)
                if argument is not None:
                    self.notes.append(f"{condition.label}: {action.key} {name} is ignored because of {argument.text}")
        return condition.without(lambda name: self._fixing(name) is not None)

    def _values(self, key: str, text: str) -> Values:
        return parse_values(key, text, self._app.loader, self._settings.seed)


def _by_name(arguments: Sequence[Argument], place: str) -> dict[str, Argument]:
    found: dict[str, Argument] = {}
    for argument in arguments:
        other = found.get(argument.name)
        if argument.prefix == "~" and argument.values is not None:
            raise SpaceError(f"{place}: {argument.text} deletes {argument.name}, which cannot be swept")
        if argument.prefix == "~":
            found[f"~{argument.name}"] = argument  # a deletion is kept beside an override that adds the key again
            continue
        if argument.extends:
            found[argument.text] = argument  # each adds to what is there
            continue
        if other is not None and other.prefix != argument.prefix:
            raise SpaceError(
                f"{place} has both {other.text} and {argument.text}, which differ only in their prefix; keep one"
            )
        found[argument.name] = argument
    return found


def _holds(value: Any, name: str) -> bool:
    """Whether a value is a dict that has an entry of this dotted name."""
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _zips(
    written: Sequence[Any], parameters: Mapping[str, Parameter], fixing: Callable[[str], Argument | None], place: str
) -> tuple[tuple[str, ...], ...]:
    zips = []
    for names in written:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SpaceError(
                f"{place} is a list of lists of parameters, e.g. [[lr, batch_size]], not {list(written)!r}"
            )
        kept = tuple(name.lstrip("+") for name in names if fixing(name.lstrip("+")) is None)
        if len(kept) > 1 or any(name not in parameters for name in kept):
            zips.append(kept)
    return tuple(zips)


def _shape(written: Any, fixing: Callable[[str], Argument | None]) -> Shape:
    if written in (None, "all", "one_at_a_time"):
        return cast(Shape, written or "all")
    if isinstance(written, list) and all(isinstance(name, str) for name in written):
        return tuple(name.lstrip("+") for name in written if fixing(name.lstrip("+")) is None)
    raise SpaceError(f"hydra.sweeper.grid is {written!r}; expected all, one_at_a_time, or a list of parameters")
