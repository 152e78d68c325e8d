"""`herd-results tag`: parse, dispatch, print; tags are kept by `hyperherd.records.annotations`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.options import add_annotation, command_parser
from hyperherd.cli.terminal import say


def run(argv: Sequence[str]) -> int:
    """Give a trial a tag, or remove it."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    if len(arguments.words) < 2:
        parser.error("the following arguments are required: PATH TRIAL TAG")
    from hyperherd.records.annotations import add_tag, check_tag, remove_tag
    from hyperherd.results.annotate import annotated_trial

    tag = check_tag(arguments.words[-1])
    trial, trial_dir = annotated_trial(arguments.words[:-1], shared=arguments.shared)
    if arguments.remove and not remove_tag(trial_dir, tag):
        say(f"trial {trial.label} does not have the tag {tag!r}")
    elif not arguments.remove and not add_tag(trial_dir, tag):
        say(f"trial {trial.label} already has the tag {tag!r}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "tag",
        usage="herd-results tag [-h] [--remove] [--shared] PATH TRIAL TAG",
        description="Give a trial a tag. Tags are the column tag of tables, and filters: tag=TAG.",
        epilog="examples:\n"
        "  herd-results tag multirun/s 3 baseline            trial 3 of a sweep\n"
        "  herd-results tag multirun/s/3 'to check'          the same by its folder\n"
        "  herd-results tag --remove multirun/s 3 baseline   removes the tag\n"
        "  herd-results multirun/s tag=baseline              the trials that have it",
    )
    add_annotation(parser)
    parser.add_argument("--remove", action="store_true", help="remove the tag")
    return parser
