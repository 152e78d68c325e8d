"""Reading conditions as a config holds them: plain lists and maps in, rules out, errors that name the rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.conditions import Condition, NamedMatchers
from hyperherd.space.expressions import Expression, read_expression
from hyperherd.space.matchers import Matcher, read_matcher
from hyperherd.space.parameters import Interval, TextReader, read_values
from hyperherd.space.point import Context
from hyperherd.space.values import Value

_ACTIONS = ("exclude", "force", "replace", "drop", "set", "resources")
_KEYS = ("name", "when", *_ACTIONS)
_OTHER_SPELLINGS = {
    "when": ("if", "where", "match", "condition", "for"),
    "exclude": ("skip", "remove", "reject", "forbid", "ignore"),
    "force": ("then", "fix", "assign", "override"),
    "replace": ("search", "sweep", "values", "params"),
    "drop": ("unset", "delete", "omit"),
    "set": ("overrides", "add"),
    "resources": ("resource", "launcher"),
}
"""What other tools and hands write, to say what is right here."""


def read_conditions(written: Sequence[Any], read_text: TextReader, place: str = "") -> tuple[Condition, ...]:
    """Read the conditions of a search space.

    Args:
        written: maps with `when` and at least one action.
        read_text: reads a text in `replace` as the values it stands for.
        place: where they were written, for messages: a file, say.

    Raises:
        SpaceError: one cannot be meant as written; the message names it.
    """
    return tuple(_read(raw, _label(raw, index, place), read_text) for index, raw in enumerate(written))


@dataclass
class Question:
    """A name that a condition asks for and that need not have a value anywhere: not before points were looked at."""

    condition: Condition
    name: str
    searched: tuple[str, ...]
    context: Context
    answered: bool = False

    @property
    def complaint(self) -> str:
        """What is wrong if no trial has a value for it."""
        hint = nearest(self.name, (*self.searched, *self.context))
        return f"{self.condition.label}: there is no parameter or config value {self.name!r}{hint}"


def open_questions(conditions: Iterable[Condition], parameters: Iterable[str], context: Context) -> list[Question]:
    """Return the names that conditions ask for and that are neither searched, nor added before, nor in the context."""
    questions = []
    known = dict.fromkeys(parameters)
    for condition in conditions:
        unknown = [name for name in sorted(condition.asks) if name not in known and name not in context]
        questions += [Question(condition, name, tuple(known), context) for name in unknown]
        known.update(dict.fromkeys(condition.adds))
    return questions


def not_swept(conditions: Iterable[Condition], parameters: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with conditions that change a parameter which is not searched where they run."""
    swept = dict.fromkeys(parameters)
    for condition in conditions:
        for name in (*(name for name, _ in condition.force), *condition.drop):
            if name not in swept:
                hint = nearest(name, swept)
                yield f"{condition.label}: force and drop need a swept parameter, and {name!r} is not one{hint}"
        swept.update(dict.fromkeys(condition.adds))


def _label(raw: Any, index: int, place: str) -> str:
    name = f" ({raw['name']})" if isinstance(raw, dict) and raw.get("name") else ""
    return f"condition {index}{name}{place}"


def _read(raw: Any, label: str, read_text: TextReader) -> Condition:
    if not isinstance(raw, dict):
        raise SpaceError(f"{label}: a condition is a map with `when` and an action, not {raw!r}")
    for key in raw:
        if key not in _KEYS:
            meant = next((ours for ours, others in _OTHER_SPELLINGS.items() if key in others), None)
            hint = f" (did you mean {meant!r}?)" if meant else nearest(str(key), _KEYS)
            raise SpaceError(f"{label}: unknown key {key!r}{hint}; there are {', '.join(_KEYS)}")
    if not any(raw.get(action) for action in _ACTIONS):
        raise SpaceError(f"{label}: it does nothing; give it one of {', '.join(_ACTIONS)}")
    try:
        when, expression = _when(raw.get("when"))
        return Condition(
            label,
            when,
            expression,
            exclude=_exclude(raw.get("exclude", False)),
            force=_pairs("force", raw.get("force")),
            replace=_replace(raw.get("replace"), read_text),
            drop=_drop(raw.get("drop")),
            set=tuple((name, _settable(name, value)) for name, value in _pairs("set", raw.get("set"))),
            resources=_pairs("resources", raw.get("resources")),
            prefixes=tuple(_prefix(key) for key in raw.get("replace") or () if str(key).startswith("+")),
        )
    except SpaceError as error:
        raise SpaceError(f"{label}: {error}") from None


def _when(written: Any) -> tuple[NamedMatchers, Expression | None]:
    pairs = _pairs("when", written)
    if not pairs:
        raise SpaceError("it needs `when`: a map from names to what they must be")
    expressions = [read_expression(value) for name, value in pairs if name == "expr"]
    return _matchers("when", [pair for pair in pairs if pair[0] != "expr"]), next(iter(expressions), None)


def _exclude(written: Any) -> bool | NamedMatchers:
    return written if isinstance(written, bool) else _matchers("exclude", _pairs("exclude", written))


def _matchers(key: str, pairs: Iterable[tuple[str, Any]]) -> NamedMatchers:
    return tuple((name, _matcher(f"{key}.{name}", value)) for name, value in pairs)


def _matcher(place: str, written: Any) -> Matcher:
    try:
        return read_matcher(written)
    except SpaceError as error:
        raise SpaceError(f"{place}: {error}") from None


def _replace(written: Any, read_text: TextReader) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    replaced = []
    for name, value in _pairs("replace", written):
        values = read_values(name, value, read_text)
        if isinstance(values, Interval) or not values:
            raise SpaceError(f"replace.{name}: it needs values; an empty list or an interval has none to count")
        replaced.append((name, values))
    return tuple(replaced)


def _prefix(key: str) -> tuple[str, str]:
    name = key.lstrip("+")
    return name, key[: len(key) - len(name)]


def _drop(written: Any) -> tuple[str, ...]:
    names = [written] if isinstance(written, str) else written or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SpaceError(f"`drop` is a list of parameters, not {written!r}")
    return tuple(name.lstrip("+") for name in names)


def _settable(name: str, written: Any) -> Value | Expression:
    if not (isinstance(written, dict) and written.keys() == {"expr"}):
        return written
    try:
        return read_expression(written["expr"])
    except SpaceError as error:
        raise SpaceError(f"set.{name}: {error}") from None


def _pairs(key: str, written: Any) -> tuple[tuple[str, Any], ...]:
    if written is None:
        return ()
    if not isinstance(written, dict):
        raise SpaceError(f"`{key}` is a map from names to values, not {written!r}")
    return tuple((str(name).lstrip("+"), value) for name, value in written.items())
