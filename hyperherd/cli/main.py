"""`herd-results`: data on stdout, notes and errors on stderr, and an exit code that tells them apart.

Nothing but the standard library is imported before the arguments have been read, so that ``--help`` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.terminal import NOTHING_FOUND, USAGE, discard_stdout, say
from hyperherd.errors import HyperherdError, NothingFound

_RESULTS = (".hyperherd", ".hydra", "multirun.yaml")
"""What a folder of a sweep or a trial holds; whether it is one is not looked at further."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `herd-results` with `argv` (default: the process's arguments) and return its exit code."""
    _open_what_is_closed()
    given = sys.argv[1:] if argv is None else list(argv)
    command, rest = (given[0], given[1:]) if given and given[0] in COMMANDS else ("table", given)
    if command != "table" and _may_hold_results(command):
        say(f"note: {command!r} is taken for the command; for the trials in the folder of that name write ./{command}")
    try:
        code: int = import_module(f"hyperherd.cli.commands.{command}").run(rest)
        return code
    except BrokenPipeError:
        discard_stdout()  # The reader has seen enough.
        return 0
    except KeyboardInterrupt:
        return 130
    except HyperherdError as error:
        say(f"error: {error}")
        return NOTHING_FOUND if isinstance(error, NothingFound) else USAGE


def _may_hold_results(folder: str) -> bool:
    """Return whether a folder, or one at most two levels below it, is a sweep's or a trial's as Hydra lays them out."""
    folders = [folder]
    for _ in range(3):
        if any(os.path.lexists(f"{path}/{mark}") for path in folders for mark in _RESULTS):
            return True
        folders = [entry.path for path in folders for entry in _subfolders(path)]
    return False


def _subfolders(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:  # there is none, it is a file, or it may not be read
        return []


def _open_what_is_closed() -> None:
    """Give us streams where whoever started us closed them (``>&-``), so that nothing gets into a file instead."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end of the process
