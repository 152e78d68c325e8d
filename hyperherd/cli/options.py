"""Arguments that several commands share: which trials, and their objective."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.terminal import PROGRAM, say
from hyperherd.errors import ResultsError
from hyperherd.plural import counted
from hyperherd.results.trials.aggregates import SPELLINGS

if TYPE_CHECKING:
    from hyperherd.results.api import Trials

_NEAR = 0.65
"""How similar a word must be to a command's name; less would take folders (``results``) for misspelt commands."""


def command_parser(name: str, description: str, epilog: str, usage: str | None = None) -> argparse.ArgumentParser:
    """Return a parser with what every command has: a description, examples, and ``--color``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}",
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_colour(parser)
    return parser


def add_colour(parser: argparse._ActionsContainer) -> None:
    """Let a command take ``--color``."""
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="default: auto, which colours a terminal; NO_COLOR and FORCE_COLOR are honoured",
    )


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``PATH`` and ``FILTER`` in any order."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PATH | FILTER",
        help="sweeps, folders above them, or single trials (default: ./multirun, of which a terminal shows the newest "
        "sweep; latest: that sweep), and filters that trials must match",
    )
    add_all(parser)


def add_all(parser: argparse.ArgumentParser) -> None:
    """Let a command take all sweeps where it would take the newest one."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="without PATH on a terminal: all sweeps under ./multirun, not only the newest",
    )


def add_judging(parser: argparse.ArgumentParser, *, shows_front: bool = False) -> None:
    """Let a command take the objective, or several; one that shows no Pareto front of these refuses them later."""
    several = "; given several times: show their Pareto front" if shows_front else ""
    *others, last = SPELLINGS
    parser.add_argument(
        "-m",
        "--metric",
        metavar="METRIC[:AGG]",
        action="append",
        help=f"rank by this metric; AGG: {', '.join(others)} or {last} (default: final value, else last){several}",
    )
    add_direction(parser, action="append")


def add_direction(parser: argparse.ArgumentParser, action: str = "store") -> None:
    """Let a command take ``--direction``."""
    parser.add_argument(
        "--direction",
        type=_direction,
        choices=("max", "min"),
        action=action,
        help="max: higher is better; min: lower is better",
    )


def _direction(text: str) -> str:
    return {"maximize": "max", "minimize": "min"}.get(text, text)


def add_trial(parser: argparse.ArgumentParser) -> None:
    """Let a command take one trial."""
    parser.add_argument(
        "trial",
        nargs="+",
        metavar="TRIAL",
        help="the folder of a trial or a file in it, or the trial's number or job id and the folders to search "
        "(default: ./multirun, of which a terminal takes the newest sweep; latest: that sweep)",
    )
    add_all(parser)


def add_annotation(parser: argparse.ArgumentParser) -> None:
    """Let a command take a trial below a path, and a text about it."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="PATH TRIAL TEXT",
        help="a folder and the number or job id of a trial under it, or the folder of a trial or a file in it; "
        "then the text",
    )
    parser.add_argument("--shared", action="store_true", help="allow the folder of another user")


def count(text: str) -> int:
    """Return a whole number that a command line asks for."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def seconds(text: str) -> float:
    """Return a pause that a command line asks for."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} must be between 0.1 and 86400 seconds")
    return found


def chosen(arguments: argparse.Namespace) -> Trials:
    """Return the trials that the words of a command line name, judged by what it asks for.

    Raises:
        NothingFound: there are no trials, or none matches the filters.
        ResultsError: a filter, the metric or a misspelt command is invalid.
    """
    from hyperherd.errors import NothingFound
    from hyperherd.results.api import load

    paths, filters = split_words(arguments.words)
    refuse_misspelt_command(paths)
    if not paths:
        paths = _newest(take_all=arguments.all)
        arguments.words = [*paths, *filters]  # `watch` asks again, and stays with this sweep
    trials = load(*paths).judged_by(arguments.metric, arguments.direction)
    found = _filtered(trials, filters) if filters else trials
    if not found:
        raise NothingFound(f"none of {counted(len(trials), 'trial')} matches {' '.join(filters)}")
    return found


def trial_words(words: list[str], *, take_all: bool) -> list[str]:
    """Return the words by which a command line names trials, with the path that they are looked for in."""
    from hyperherd.results.lookup import is_path

    return words if any(map(is_path, words)) else [*words, *_newest(take_all=take_all)]


def filters_with_paths(words: list[str], *, take_all: bool) -> list[str]:
    """Return paths and filters of a command line, with the path of the newest sweep where nobody named one."""
    paths, _ = split_words(words)
    return words if paths else [*words, *_newest(take_all=take_all)]


def _newest(*, take_all: bool) -> list[str]:
    """Return the newest sweep where nobody named one, people are looking, and there are several; else nothing."""
    if take_all or not sys.stdout.isatty():
        return []
    from hyperherd.results.files.newest import MULTIRUN, sweeps_below

    found = sweeps_below(Path(MULTIRUN))
    if len(found) < 2:
        return []
    say(f"{found[0]} is the newest of {len(found)} sweeps under {MULTIRUN}; --all takes all of them")
    return [str(found[0])]


def _filtered(trials: Trials, filters: list[str]) -> Trials:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = trials.filter(*filters)
    for warning in caught:
        say(f"note: {warning.message}")
    return found


def refuse_misspelt_command(paths: list[str]) -> None:
    """Raise ResultsError for a word that is not a path, but one of or close to a command: ``shwo 3``, ``-n 3 best``."""
    for word in paths:
        if os.path.lexists(word) or not word.isalpha():
            continue
        if word in COMMANDS:
            raise ResultsError(f"{word} is a command and must come first: herd-results {word} ...")
        if near := get_close_matches(word, COMMANDS, n=1, cutoff=_NEAR):
            raise ResultsError(f"{word} is neither a path nor a command (did you mean {near[0]!r}?)")


def split_words(given: list[str]) -> tuple[list[str], list[str]]:
    """Return the paths and the filters: an existing path, or a word without an operator, is a path."""
    from hyperherd.results.trials.filters import looks_like_filter

    filters = [word for word in given if looks_like_filter(word) and not Path(word).exists()]
    return [word for word in given if word not in filters], filters


def words(text: str) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
