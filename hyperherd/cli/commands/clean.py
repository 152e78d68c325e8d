"""`herd-results clean`: parse, dispatch, print; what it does is `hyperherd.sweep.tidying`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.options import add_judging, command_parser, count
from hyperherd.cli.terminal import FAILED, say, write
from hyperherd.escape import escaped
from hyperherd.plural import counted

if TYPE_CHECKING:
    from hyperherd.sweep.tidying.clean import Cleaning

_LISTED = 5
_GIB = 2**30
_WANTED = ("losers", "failed", "all-but-best")


def run(argv: Sequence[str]) -> int:
    """Show what would go, or make it go."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.keep < 1:
        parser.error("argument --keep: at least one configuration keeps its checkpoints")
    try:
        done, verb = _clean(arguments)
    except OSError as error:
        say(f"error: {error}")
        return FAILED
    write(_page(done, verb, is_done=arguments.yes))
    return FAILED if done.failed else 0


def _clean(arguments: argparse.Namespace) -> tuple[Cleaning, str]:
    from hyperherd.results.files.newest import resolved
    from hyperherd.sweep.tidying.clean import clean_checkpoints
    from hyperherd.sweep.tidying.snapshots import clean_snapshots
    from hyperherd.sweep.tidying.trash import empty_trash, trash_orphans

    path = resolved(arguments.path)
    how = {"act": arguments.yes, "shared": arguments.shared}
    if arguments.trash:
        return empty_trash(path, **how), "deleted"
    if arguments.snapshots:
        return clean_snapshots(path, arguments.snapshots, **how), "deleted"
    if arguments.trials:
        return trash_orphans(path, **how), "moved to .hyperherd/trash"
    wanted, keep = arguments.checkpoints_of, arguments.keep
    judged = {"metric": arguments.metric, "direction": arguments.direction}
    return clean_checkpoints(path, wanted, keep, **judged, **how), "deleted"


def _page(done: Cleaning, verb: str, *, is_done: bool) -> str:
    lines = []
    for item in done.items:
        names = [file.name for file in item.files[:_LISTED]]
        more = f", {len(item.files) - _LISTED} more" if len(item.files) > _LISTED else ""
        lines.append(f"  {item.folder}: {item.bytes / _GIB:.2f} GiB, {', '.join(names) or 'no file'}{more}")
    files = sum(len(item.files) for item in done.items)
    what = f"{counted(files, 'file')} in {counted(len(done.items), 'folder')}, {done.bytes / _GIB:.2f} GiB"
    head = f"{what}, {'was' if is_done else 'would be'} {verb}" + (":" if lines else "")
    kept = [f"kept, {reason}: {_some(names)}" for reason, names in done.kept.items()]
    hint = ["nothing was changed; --yes does it"] if lines and not is_done else []
    return "".join(escaped(line) + "\n" for line in [head, *lines, *kept, *hint])


def _some(names: Sequence[str]) -> str:
    more = f", {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "clean",
        description="Show what could be deleted of a sweep, and how much room that frees; --yes deletes it.\n"
        "Metrics and records stay. Trials that are running, unranked, tied with the best or another user's are kept.",
        epilog="examples:\n"
        "  herd-results clean multirun/s --checkpoints-of losers         all ranked trials but those of the best\n"
        "  herd-results clean multirun/s --checkpoints-of losers --yes   the same, and deletes them\n"
        "  herd-results clean multirun/s --checkpoints-of all-but-best --keep 3\n"
        "  herd-results clean multirun/s --trials orphaned --yes         to .hyperherd/trash of the sweep\n"
        "  herd-results clean multirun/s --trash --yes                   empties that",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="directory of a sweep, or a folder above several")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--checkpoints-of",
        choices=_WANTED,
        metavar="WHOSE",
        help="losers: of ranked trials that are not the best; failed: of failed ones; all-but-best: of both, and of "
        "pruned ones",
    )
    what.add_argument("--trials", choices=("orphaned",), help="trials that the search space no longer holds")
    what.add_argument(
        "--snapshots",
        choices=("unused", "all"),
        metavar="WHICH",
        help="copies of the code (hydra.sweeper.snapshot): unused: that no trial ran and workers would not run; all",
    )
    what.add_argument("--trash", action="store_true", help="what was moved to the trash")
    parser.add_argument(
        "--keep", type=count, default=1, metavar="K", help="best configurations that keep theirs (default: 1)"
    )
    add_judging(parser)
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument("--shared", action="store_true", help="allow folders that another user owns or can write to")
    return parser
