"""`herd-results cancel`: parse, dispatch, print; what it does is :mod:`hyperherd.sweep.cancel`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from hyperherd.cli.terminal import PROGRAM, say
from hyperherd.plural import counted


def run(argv: Sequence[str]) -> int:
    """Cancel the trials that `argv` names."""
    arguments = _parser().parse_args(argv)
    from hyperherd.sweep.cancel import cancel

    done = cancel(arguments.path.absolute(), arguments.only)
    print(f"cancelled {counted(len(done.numbers), 'trial')}{_list(done.numbers)}")
    if arguments.only is not None and done.passed_over:
        say(f"not running: {_trials(done.passed_over)}")
    if done.asked:
        say(f"asked to end, but not seen to end within a minute: {_trials(done.asked)}; run the same command again")
    return 1 if done.asked else 0


def _trials(numbers: Sequence[int]) -> str:
    return f"trial{'s' * (len(numbers) != 1)} {_numbers(numbers)}"


def _list(numbers: Sequence[int]) -> str:
    shown = _numbers(numbers[:20])
    return f": {shown}{', ...' if len(numbers) > 20 else ''}" if numbers else ""


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} cancel",
        description="Cancel running and waiting trials of a sweep, in a scheduler's queue or in the sweep process.\n"
        "Logged values are kept, and the same sweep command runs the trials again.",
        epilog="examples:\n"
        "  herd-results cancel multirun/s                  all running and waiting trials\n"
        "  herd-results cancel multirun/s --only pending   only those that have not started\n"
        "  herd-results cancel multirun/s --only 0,3-5     only these trials",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of one sweep")
    parser.add_argument(
        "--only",
        type=_only,
        metavar="pending|NUMBERS",
        help="trials that have not started, or trial numbers such as 0,3-5",
    )
    return parser


def _only(text: str) -> str | set[int]:
    if text == "pending":
        return text
    numbers: set[int] = set()
    for word in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:(?:-|\.\.)(\d+))?\s*", word)
        if found is None:
            raise argparse.ArgumentTypeError(f"{text!r} is neither 'pending' nor numbers such as 0,3-5")
        numbers |= set(range(int(found[1]), int(found[2] or found[1]) + 1))
    return numbers
