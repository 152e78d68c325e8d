"""`herd-results work`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.working`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.options import command_parser, count
from hyperherd.cli.terminal import say
from hyperherd.escape import one_line


def run(argv: Sequence[str]) -> int:
    """Start a worker in the folder that `argv` names; this process becomes it."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.trials_at_once < 1:
        parser.error("--trials-at-once: a worker runs at least one trial at once")
    from hyperherd.results.files.newest import resolved
    from hyperherd.sweep.working.order import Order
    from hyperherd.sweep.working.start import work_command

    folder = resolved(arguments.path).absolute()
    order = Order(str(folder), arguments.trials_at_once, arguments.ignore_policy)
    work = work_command(folder, order, arguments.script, allow_changes=arguments.allow_changes)
    say(f"script: {one_line(work.script)}")
    say(f"Python: {sys.executable}")
    say(f"folder: {one_line(str(folder))}")
    for note in work.notes:
        say(f"note: {one_line(note)}")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.chdir(work.cwd)
    os.execve(work.command[0], work.command, {**os.environ, **work.environment})


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "work",
        description="Run waiting trials of a sweep on this machine, one after another, until none is left.\n"
        "Any number of workers may run at once, on any machine that sees the folder. It runs the script that the\n"
        "folder names, so the folder has to be yours, and nobody else may be able to write to it.",
        epilog="examples:\n"
        "  herd-results work multirun/s                       one trial after another\n"
        "  herd-results work multirun/s --trials-at-once 4    four side by side, which share cores and GPUs\n"
        "  herd-results work /mnt/s --script ~/code/train.py  the script is elsewhere on this machine",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of one sweep, or latest")
    parser.add_argument(
        "--trials-at-once", type=count, default=1, metavar="K", help="trials that run side by side (default: 1)"
    )
    parser.add_argument(
        "--script", type=Path, metavar="FILE", help="where the script is here (default: where the sweep had it)"
    )
    parser.add_argument(
        "--allow-changes",
        action="store_true",
        help="work although the script or the version of Python is not that of the sweep",
    )
    parser.add_argument(
        "--ignore-policy",
        action="store_true",
        help="work although no sweep runs that would enforce retry, canary, stop_after_failures and "
        "stop_after_same_error",
    )
    return parser
