"""Reading conditions as a config holds them: plain lists and maps in, rules out, errors that name the rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SpaceError, nearest
from hyperherd.space.actions import ACTIONS, NamedMatchers, read_matchers, read_pairs
from hyperherd.space.conditions import Condition
from hyperherd.space.expressions import Expression, read_expression
from hyperherd.space.parameters import TextReader
from hyperherd.space.point import Context

_WHEN = ("if", "where", "match", "condition", "for")
"""What other tools call these keys, for the hint about an unknown one."""


def read_conditions(written: Sequence[Any], read_text: TextReader, place: str = "") -> tuple[Condition, ...]:
    """Read the conditions of a search space.

    Args:
        written: maps with `when` and at least one action.
        read_text: reads a text in `replace` as the values it stands for.
        place: where they were written, for messages: e.g. a file.

    Raises:
        SpaceError: one is not valid; the message names it.
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
        """The error message if no trial has a value for it."""
        hint = _meant(self.name, (*self.searched, *self.context))
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
    """Yield an error message for each condition that changes a parameter which is not searched where they run."""
    swept = dict.fromkeys(parameters)
    needing = " and ".join(action.key for action in ACTIONS if action.needs_swept)
    for condition in conditions:
        for name in (name for action in condition.actions if action.needs_swept for name in action.changes):
            if name not in swept:
                hint = _meant(name, swept)
                yield f"{condition.label}: {needing} need a swept parameter, and {name!r} is not one{hint}"
        swept.update(dict.fromkeys(condition.adds))


def _meant(name: str, known: Iterable[str]) -> str:
    """Return a hint about an unknown name: where it stands in the config if it is a group, else the nearest name."""
    known = list(dict.fromkeys(known))
    places = [repr(other) for other in known if other.startswith(f"{name}@")]
    return f" (did you mean {' or '.join(places)}?)" if places else nearest(name, known)


def _label(raw: Any, index: int, place: str) -> str:
    name = f" ({raw['name']})" if isinstance(raw, dict) and raw.get("name") else ""
    return f"condition {index}{name}{place}"


def _read(raw: Any, label: str, read_text: TextReader) -> Condition:
    if not isinstance(raw, dict):
        raise SpaceError(f"{label}: a condition is a map with `when` and an action, not {raw!r}")
    keys = ("name", "when", *(action.key for action in ACTIONS))
    for key in raw:
        if key not in keys:
            spellings = {"when": _WHEN, **{action.key: action.other_spellings for action in ACTIONS}}
            meant = next((ours for ours, others in spellings.items() if key in others), None)
            hint = f" (did you mean {meant!r}?)" if meant else nearest(str(key), keys)
            raise SpaceError(f"{label}: unknown key {key!r}{hint}; expected one of {', '.join(keys)}")
    if not any(raw.get(action.key) for action in ACTIONS):
        raise SpaceError(f"{label}: it has no action; add one of {', '.join(action.key for action in ACTIONS)}")
    try:
        when, expression = _when(raw.get("when"))
        actions = [action.read(raw[action.key], read_text) for action in ACTIONS if action.key in raw]
    except SpaceError as error:
        raise SpaceError(f"{label}: {error}") from None
    return Condition(label, when, expression, tuple(action for action in actions if action is not None))


def _when(written: Any) -> tuple[NamedMatchers, Expression | None]:
    pairs = read_pairs("when", written)
    if not pairs:
        raise SpaceError("it needs `when`: a map from names to the values they must have")
    expressions = [read_expression(value) for name, value in pairs if name == "expr"]
    return read_matchers("when", [pair for pair in pairs if pair[0] != "expr"]), next(iter(expressions), None)
