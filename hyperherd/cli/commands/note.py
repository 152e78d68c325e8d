"""`herd-results note`: parse, dispatch, print; the note is kept by `hyperherd.records.annotations`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.options import add_annotation, command_parser
from hyperherd.cli.terminal import say


def run(argv: Sequence[str]) -> int:
    """Give a trial a note, or remove it."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    words = arguments.words if arguments.remove else arguments.words[:-1]
    if not words:
        parser.error("the following arguments are required: PATH TRIAL TEXT")
    from hyperherd.records.annotations import remove_note, write_note
    from hyperherd.results.annotate import annotated_trial

    trial, trial_dir = annotated_trial(words, shared=arguments.shared)
    if not arguments.remove:
        write_note(trial_dir, arguments.words[-1])
    elif not remove_note(trial_dir):
        say(f"trial {trial.label} has no note of its own")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "note",
        usage="herd-results note [-h] [--shared] PATH TRIAL TEXT\n       herd-results note --remove PATH TRIAL",
        description="Give a trial a note, in the place of an earlier one. Tables show it with -c note, show always.",
        epilog="examples:\n"
        "  herd-results note multirun/s 3 'diverged after the warm-up'   trial 3 of a sweep\n"
        "  herd-results note multirun/s/3 'for the paper'                the same by its folder\n"
        "  herd-results note --remove multirun/s 3                       removes the note",
    )
    add_annotation(parser)
    parser.add_argument("--remove", action="store_true", help="remove the note")
    return parser
