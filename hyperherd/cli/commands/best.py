"""`herd-results best`: parse, dispatch, print, and start the sweep that adds seeds, if requested."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.cli.answer import add_format, as_json, show
from hyperherd.cli.options import add_choice, add_judging, chosen, command_parser, count
from hyperherd.cli.terminal import FAILED, say, write
from hyperherd.errors import ResultsError
from hyperherd.escape import escaped
from hyperherd.masking import MASK

if TYPE_CHECKING:
    from hyperherd.results.api import Trials
    from hyperherd.results.statistics.best import Compromise, Winner
    from hyperherd.results.trials.commands import Command
    from hyperherd.results.trials.trial import Trial


def run(argv: Sequence[str]) -> int:
    """Show the winners, or the sweep that adds seeds to them."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.run and not arguments.seeds:
        parser.error("--run needs --seeds, the seeds to add: e.g. --seeds 5..9 --run")
    gc.disable()  # As for the table: one answer, and this process ends.
    from hyperherd.results.pages.best import best_page, best_record
    from hyperherd.results.statistics.best import contenders, winners

    trials = chosen(arguments)
    if trials.objectives:
        return _front(trials, arguments)
    found = contenders(trials) if arguments.close else winners(trials, max(arguments.count or 1, 1))
    if arguments.seeds:
        return _add_seeds(trials, found, arguments)
    show(arguments, found, partial(best_page, trials), partial(best_record, trials))
    return 0


def _front(trials: Trials, arguments: argparse.Namespace) -> int:
    """Show the best compromises between several objectives, or the sweep that adds seeds to them."""
    from hyperherd.results.pages.front import front_page, front_record
    from hyperherd.results.statistics.best import compromises

    if arguments.count is not None:
        raise ResultsError(
            "-k counts the best by one objective, and several have a Pareto front, all of which is shown; choose one "
            "with -m METRIC, or leave -k out"
        )
    found = compromises(trials, near=arguments.close)
    if arguments.seeds:
        return _add_seeds(trials, found, arguments)
    show(arguments, found, partial(front_page, trials), partial(front_record, trials))
    return 0


def _add_seeds(trials: Trials, found: Sequence[Winner | Compromise], arguments: argparse.Namespace) -> int:
    from hyperherd.results.pages.best import seeds_record
    from hyperherd.results.statistics.best import add_seeds
    from hyperherd.results.statistics.configurations import seed_keys
    from hyperherd.results.trials.commands import parse_seeds

    keys = seed_keys(trials)
    seeds = parse_seeds(arguments.seeds)
    added = [(winner, add_seeds(trials, winner, seeds, keys[0] if keys else "")) for winner in found]
    for winner, command in added:
        if command is None:
            say(f"the configuration of trial {winner.trial.label} already has all of these seeds: {arguments.seeds}")
    found = [winner for winner, command in added if command is not None]
    commands = [command for _, command in added if command is not None]
    if arguments.run:
        from hyperherd.results.trials.commands import in_shared, interpreter

        commands = [one.with_python(interpreter(winner.trial)) for winner, one in zip(found, commands, strict=True)]
        if arguments.shared:
            commands = [in_shared(winner.trial, one) for winner, one in zip(found, commands, strict=True)]
    if arguments.format == "json":
        write(as_json(seeds_record(commands), indent=1) + "\n")
    else:
        write("".join(command.shell() + "\n" for command in commands))
    if not arguments.run or not _may_run([winner.trial for winner in found], arguments.shared):
        return FAILED if arguments.run else 0
    return max(map(_run, commands), default=0)


def _may_run(trials: Sequence[Trial], shared: bool) -> bool:
    """Return whether what these trials name may be run; on a terminal it is asked about folders of somebody else.

    Raises:
        NotTrusted: somebody else could have written it, and that is not allowed in this call.
    """
    from hyperherd.records.disk.ownership import check_trusted, is_own, sweep_files, trial_files

    if not shared:
        for trial in trials:
            own = [] if trial.dir is None else trial_files(trial.dir)
            check_trusted([*sweep_files(trial.sweep.dir), *own], "--shared")
    for folder in dict.fromkeys(trial.sweep.dir for trial in trials):
        if not is_own(folder) and sys.stdin.isatty() and not _is_confirmed(folder):
            say("no command was run")
            return False
    return True


def _is_confirmed(folder: Path) -> bool:
    sys.stdout.flush()
    print(
        escaped(f"{folder} belongs to another user. Run the command above? [y/N] "),
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _run(command: Command) -> int:
    """Run a sweep as it was printed, and wait for it, also after a Ctrl-C, which is its to answer."""
    from hyperherd.results.trials.commands import PYTHON

    if any(MASK in item for item in command.argv):
        raise ResultsError(
            f"the command contains a secret, shown as {MASK}: insert the secret and run the command yourself"
        )
    sys.stdout.flush()
    try:
        # The word ``python`` is this interpreter, whatever PATH says; any other was printed as it is.
        program = sys.executable if command.argv[0] == PYTHON else command.argv[0]
        process = subprocess.Popen([program, *command.argv[1:]], cwd=command.cwd)
    except OSError as error:
        say(f"error: cannot start the sweep: {error}")
        return FAILED
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:
            continue


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "best",
        description="Show the best configuration: its overrides, seeds, config, checkpoint, and the command that\n"
        "reproduces it. Failed and unfinished trials never win. Of several objectives it shows the Pareto front.",
        epilog="examples:\n"
        "  herd-results best -k 3                 the three best configurations\n"
        "  herd-results best --close              the best one and those that may be as good\n"
        "  herd-results best -m loss -m seconds   the best compromises between two metrics\n"
        "  herd-results best --seeds 5..9         the command that runs the best one with five more seeds\n"
        "  herd-results best --seeds 5..9 --run   the same, and runs the command",
    )
    add_choice(parser)
    add_judging(parser, shows_front=True)
    parser.add_argument("-k", dest="count", type=count, metavar="K", help="number of configurations (default: 1)")
    parser.add_argument(
        "--close",
        action="store_true",
        help="the best one and those that cannot be distinguished from it, not K; of several objectives, the Pareto "
        "front and what may be off it by chance",
    )
    parser.add_argument("--seeds", metavar="5..9", help="print the command that adds these seeds, e.g. 5..9 or 1,2,5-9")
    parser.add_argument("--run", action="store_true", help="run that command and wait for it")
    parser.add_argument(
        "--shared", action="store_true", help="with --run: allow folders that another user owns or can write to"
    )
    add_format(parser)
    return parser
