"""`herd-results sql`: parse, dispatch, print; the query is answered by `hyperherd.results.tables.sql`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hyperherd.cli.options import add_choice, chosen, command_parser
from hyperherd.cli.terminal import screen, write


def run(argv: Sequence[str]) -> int:
    """Answer a query."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    if not arguments.words:
        parser.error("the following arguments are required: QUERY")
    query, *arguments.words = arguments.words
    from hyperherd.results.pages.rows import rows_text

    answer = chosen(arguments).sql(query)
    form = arguments.format or ("table" if sys.stdout.isatty() else "tsv")
    write(rows_text(answer, form, screen(0, sys.stdout, arguments.color)))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of its command line."""
    parser = command_parser(
        "sql",
        usage="herd-results sql [-h] [-f FORMAT] QUERY [PATH | FILTER ...]",
        description="Query trials, metrics and configs in SQL (DuckDB's dialect). A query reads these three views and\n"
        "nothing else: no file, no network, no second statement. Requires: pip install 'hydra-hyperherd[sql]'",
        epilog="""\
views:
  trials   one row per trial: sweep, number, state, parameters, metrics, dir
  metrics  one row per metric, step and attempt: sweep, number, step, metric, value, time, attempt, json
  configs  one row per config value: sweep, number, key, value (its exact text), num

examples:
  herd-results sql 'select lr, avg("val/acc") from trials group by lr'
  herd-results sql "select number, max(value) from metrics where metric = 'val/acc' group by all" multirun/a
  herd-results sql 'describe trials'
""",
    )
    add_choice(parser)
    parser.set_defaults(metric=None, direction=None)
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "tsv", "csv", "json", "jsonl"),
        help="default: table on a terminal, else tsv",
    )
    return parser
