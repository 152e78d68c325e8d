"""`herd-results compare`: parse, dispatch, print; `hyperherd.results.statistics.comparison` compares the sides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hyperherd.cli.answer import add_format, show
from hyperherd.cli.options import add_all, add_direction, command_parser, filters_with_paths

_EPILOG = """\
Trials with the same configuration, but for what tells the sides apart, and the same seed are a pair. Where no seed is
in both sides, means of the same configurations are compared instead. p is corrected for all metrics and groups (Holm).

examples:
  herd-results compare multirun/old multirun/new                          two sweeps
  herd-results compare model=cnn model=mlp                                two settings of the newest sweep
  herd-results compare 'opt=adam & beta=0.9' opt=sgd multirun/s lr=0.1    of some trials
  herd-results compare multirun/old multirun/new -m val/acc:max -m val/loss
  herd-results compare model=cnn model=mlp --by data                      for each data set
"""


def run(argv: Sequence[str]) -> int:
    """Show the difference between two sides."""
    arguments = make_parser().parse_intermixed_args(argv)
    from hyperherd.results.lookup import is_filter, lookup_sides
    from hyperherd.results.pages.compare import compare_page, compare_record
    from hyperherd.results.statistics.comparison.compare import compare

    first, second = arguments.a, arguments.b
    words = arguments.words
    if is_filter(first):
        words = filters_with_paths(words, take_all=arguments.all)
    a, b, asked = lookup_sides(first, second, words)
    found = compare(
        a,
        b,
        labels=(first, second),
        asked=asked,
        metrics=arguments.metrics,
        direction=arguments.direction,
        by=arguments.by,
    )
    show(arguments, found, compare_page, compare_record)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "compare",
        description="Compare two sweeps, or two parts of one: the difference in pairs of trials that are\n"
        "otherwise alike, its interval, which side is better where, and what else differs.",
        epilog=_EPILOG,
    )
    parser.add_argument("a", metavar="A", help="a sweep, or a filter (several: 'opt=adam & beta=0.9')")
    parser.add_argument("b", metavar="B", help="the same, to compare with A; differences are B minus A")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PATH | FILTER",
        help="filters for both sides; for two filters also where to look (default: ./multirun, of which a "
        "terminal takes the newest sweep)",
    )
    add_all(parser)
    parser.add_argument(
        "-m",
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="METRIC[:AGG]",
        help="compare this metric; may be given several times (default: the objective)",
    )
    add_direction(parser)
    parser.add_argument("--by", default="", metavar="NAME", help="a comparison for each value of this setting")
    add_format(parser)
    return parser
