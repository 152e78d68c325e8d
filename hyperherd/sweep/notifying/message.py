"""A notification, and the journey of texts from runs into one: they are untrusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hyperherd.escape import one_line
from hyperherd.masking import masked_params, masked_shapes
from hyperherd.plural import counted
from hyperherd.records.sweep import PlannedTrial
from hyperherd.results.text.format import setting

TITLE, BODY, LINE = 120, 1500, 300
"""Characters of a title, of a whole text, and of one line of it; what most services take has at least 2,000."""

_SHOWN = 5
"""Alerts or trials that one message names."""
_SETTINGS, _VALUE = 6, 60
"""Parameters of a trial that are named, and characters of a value."""
_INERT = str.maketrans({"@": "@\u200b", "<": "‹", ">": "›", "`": "'"})
"""What chat services read as a mention (``@everyone``, ``<!channel>``), a link or code."""


@dataclass(frozen=True)
class Message:
    """What is to be said.

    Attributes:
        title: in one line.
        lines: what is to be known; the head of the table and the command to look come after them.
        level: ``info``, ``success``, ``warning`` or ``failure``, as apprise has them.
        counts: whether the title goes on with how many trials are in which state.
        settles: entries of :class:`.Told` that are true once it was sent.
    """

    title: str
    lines: tuple[str, ...] = ()
    level: str = "info"
    counts: bool = False
    settles: Mapping[str, int | str] = field(default_factory=dict)


def inert(text: str, most: int = LINE) -> str:
    """Return a text as one line that is no markup, mentions nobody, shows no well-known token, and is not too long."""
    return inert_line(one_line(text), most)


def inert_line(line: str, most: int = LINE) -> str:
    """Do the same for a line that cannot steer a terminal any more, whose blanks stay as they are."""
    return short(masked_shapes(line), most).translate(_INERT)  # half a token is not recognised


def short(text: str, most: int) -> str:
    """Return at most so many characters of a text."""
    return text if len(text) <= most else text[: most - 1] + "…"


def named(trial: PlannedTrial) -> str:
    """Return the number of a trial with its parameters, those of keys that look like secrets masked."""
    params = list(masked_params(trial.params).items())
    told = [f"{name}={short(setting(value), _VALUE)}" for name, value in params[:_SETTINGS]]
    more = [f"... {len(params) - _SETTINGS} more"] if len(params) > _SETTINGS else []
    return f"{trial.number} ({' '.join([*told, *more])})" if told else str(trial.number)


def some_of(lines: Sequence[str], what: str) -> tuple[str, ...]:
    """Return the first of many lines, and how many there are beside."""
    left = len(lines) - _SHOWN
    return (*lines[:_SHOWN], *((f"and {counted(left, f'more {what}')}",) if left > 0 else ()))
