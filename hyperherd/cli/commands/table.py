"""`herd-results [PATH ...] [FILTER ...]`: the table of all trials, or of all configurations."""

from __future__ import annotations

import argparse
import gc
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd import __version__
from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.options import add_choice, add_colour, add_judging, chosen, words
from hyperherd.cli.terminal import PROGRAM, UNHEALTHY, refuse_existing, say, screen, write, write_file
from hyperherd.errors import ResultsError
from hyperherd.results.tables.form_names import FORMS, form_of_suffix

if TYPE_CHECKING:
    from hyperherd.results.api import Trials
    from hyperherd.results.statistics.configurations import AnyGroups
    from hyperherd.results.tables.columns import View
    from hyperherd.results.text.layout import Screen

_EPILOG = """\
FILTER is spelled like the sweep: lr=0.001,0.01  model=cnn  'width>=128'  'val/acc>0.9'  state!=failed  name~regex. All
must match; a comma means "any of"; values have the types they have in overrides. Quote special characters of the shell.

Output: a table on a terminal, exact TSV in a pipe. Exit codes: 0 shown, 2 wrong usage, 3 nothing found, 4 --fail-on.

examples:
  herd-results                               the newest sweep under ./multirun; in a pipe, or with --all, all of them
  herd-results multirun/2026-11-21/*         the sweeps of one day in one table
  herd-results lr=0.01 'val/acc>0.9'         some of the trials
  herd-results -m val/acc:max                the best value of each trial, not the last
  herd-results -c lr,test/acc@val/acc:max    test accuracy where validation was best
  herd-results --pivot model data -f latex   a table for the paper: mean ± std over seeds, the best in bold
  herd-results -f json | jq .objective

commands (herd-results COMMAND --help):
"""


def run(argv: Sequence[str]) -> int:
    """Show the table that `argv` asks for; return the exit code."""
    parser = make_parser()
    arguments = parser.parse_intermixed_args(argv)
    _check(parser, arguments, _form(arguments))
    gc.disable()  # One table, and this process ends: looking for garbage among many trials costs more than it frees.
    refuse_existing(arguments.output, force=arguments.force)
    trials = chosen(arguments)
    failing = _unhealthy(trials, arguments)  # Before anything is written: an unknown state is an error.
    _show(trials, arguments)
    return UNHEALTHY if failing else 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line without a command."""
    parser = make_options()
    add_choice(parser)
    return parser


def make_options() -> argparse.ArgumentParser:
    """Return the parser of its options alone."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Show the trials of Hydra sweeps as one table: parameters, metrics, states, the best trial.",
        epilog=_EPILOG + "".join(f"  {name:<12}{told}\n" for name, told in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_judging(parser, shows_front=True)
    _add_view(parser.add_argument_group("rows and columns"))
    _add_output(parser.add_argument_group("output"))
    _add_paper(parser.add_argument_group("for a paper"))
    return parser


def _add_view(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--seeds", action="store_true", default=None, help="a row per configuration (default if any seed repeats one)")
    add("--trials", action="store_false", dest="seeds", help="a row per trial (default in a pipe)")
    add("--pivot", nargs=2, metavar=("ROW", "COL"), help="show the objective by two parameters")
    add(
        "--rest",
        choices=("all", "best"),
        help="of --pivot: a cell is the mean of all its trials, or the best configuration among them (default: all)",
    )
    add(
        "--err",
        default="std",
        metavar="std|sem|ci|range",
        help="spread over seeds; std divides by n-1, ci is 95%% by Student's t",
    )
    add(
        "--seed-key",
        metavar="NAME,...",
        help="parameters that are seeds (default: the sweep's, else those called seed or random_state)",
    )
    add(
        "-c",
        "--cols",
        metavar="NAME,...",
        action="append",
        default=[],
        help="show these columns; also config values, METRIC:AGG, METRIC@OBJECTIVE; NAME=HEADING renames one, with "
        "--pivot also a value (data=c10=CIFAR-10)",
    )
    add("-x", "--hide", metavar="REGEX", default="", help="hide columns whose name matches")
    add(
        "-a", "--all-params", action="store_true", help="show constant parameters too, and all columns even if too wide"
    )
    add("-s", "--sort", metavar="NAME[:desc]", default="", help="default: best first")
    add("-n", dest="rows", type=_count, metavar="N", help="show at most N rows, the best ones first; 0: all")
    add("--full", action="store_true", help="show all rows and columns, nothing shortened")
    add("--precision", type=_digits, default=4, metavar="N", help="significant digits of measured numbers (default: 4)")
    add("--digits", type=_decimals, metavar="N", help="decimals of measured numbers, instead of --precision")
    add("--percent", metavar="METRIC,...", action="append", default=[], help="show these metrics times 100")


def _add_paper(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--bold",
        choices=("column", "row", "none"),
        default="column",
        help="of md, latex, html: the best of each column in bold with what cannot be distinguished from it; "
        "row: of each row of a --pivot (default: column)",
    )
    add("--caption", metavar="TEXT", default="", help="of latex: put the tabular into a table with this caption")
    add("--label", metavar="NAME", type=_label, help="of latex: what refers to the table, such as tab:results")


def _add_output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-f", "--format", choices=tuple(FORMS), help="default: by the suffix of -o, else table on a terminal, else tsv")
    add("-o", "--output", type=Path, metavar="FILE", help="write to this file; an existing file needs --force")
    add(
        "--escape-formulas",
        action="store_true",
        help="csv: put ' before a text that a spreadsheet would run as a formula",
    )
    add("--force", action="store_true", help="overwrite the file of -o if it exists")
    add_colour(group)
    add(
        "--fail-on",
        metavar="STATE,...",
        type=words,
        action="extend",
        default=[],
        help="exit 4 if any trial has one of these states; missing: has not run",
    )
    add("--version", action="version", version=f"{PROGRAM} {__version__}")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of trials")
    return int(text)


def _digits(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 17:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 17")
    return int(text)


def _decimals(text: str) -> int:
    if not text.isdecimal() or int(text) > 17:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 17")
    return int(text)


def _label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9:._/+-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be of letters, digits and : . _ / + -")
    return text


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace, form: str) -> None:
    """End the program with what is wrong if options do not go together."""
    if arguments.rest and not arguments.pivot:
        parser.error("--rest needs --pivot ROW COL, of whose cells it says what they are")
    if arguments.bold == "row" and not arguments.pivot:
        parser.error("--bold row needs --pivot ROW COL: a row of another table is of several metrics")
    if (arguments.caption or arguments.label) and form != "latex":
        parser.error("--caption and --label are for -f latex")
    if arguments.label and not arguments.caption:
        parser.error("--label needs --caption: LaTeX numbers what has one")
    if (arguments.percent or arguments.digits is not None) and not FORMS[form].is_for_people:
        readable = ", ".join(name for name, one in FORMS.items() if one.is_for_people)
        parser.error(f"--percent and --digits are for {readable}; {form} is exact")


def _view(arguments: argparse.Namespace) -> View:
    from hyperherd.results.tables.columns import View

    return View(
        columns=words(",".join(arguments.cols)),
        hidden=arguments.hide,
        everything=arguments.all_params,
        sort=arguments.sort,
        precision=arguments.precision,
        full=arguments.full,
        escape_formulas=arguments.escape_formulas,
        percent=words(",".join(arguments.percent)),
        digits=arguments.digits,
        bold=arguments.bold,
        caption=arguments.caption,
        label=arguments.label or "",
    )


def _show(trials: Trials, arguments: argparse.Namespace) -> None:
    form = _form(arguments)
    view = _view(arguments)
    if form == "table":
        _emit(_page(trials, arguments, view), arguments)
        return
    groups = _groups(trials, arguments, by_default=FORMS[form].is_for_people)
    from hyperherd.results.pages.marginal import spread_line
    from hyperherd.results.pages.overview import notes

    if groups is not None and groups.objective is not None:
        view = replace(view, about=spread_line(groups, what="cell" if arguments.pivot else "configuration"))
    data = _data(trials, groups, arguments, form, view)

    for note in notes(trials, groups):
        say(note)
    _emit(data, arguments)


def _data(
    trials: Trials, groups: AnyGroups | None, arguments: argparse.Namespace, form: str, view: View
) -> str | bytes | Iterator[str]:
    """Return what is written in a format other than the table for people."""
    from hyperherd.results.tables.records import STREAMED, pivot_text, to_text

    limit = arguments.rows or None
    if form == "parquet":
        return _parquet(trials, groups, view, arguments)
    if form in STREAMED:
        return STREAMED[form](trials, limit=limit, view=view, groups=groups)
    if arguments.pivot and groups is not None:
        return pivot_text(groups, form, view)
    return to_text(trials, form, view, limit=limit, groups=groups)


def _form(arguments: argparse.Namespace) -> str:
    """Return the format: that of `-f`, else what the file is called, else what fits stdout."""
    if arguments.format:
        return str(arguments.format)
    if arguments.output is None:
        return "table" if sys.stdout.isatty() else "tsv"
    return form_of_suffix(arguments.output.suffix[1:]) or "tsv"


def _groups(trials: Trials, arguments: argparse.Namespace, *, by_default: bool) -> AnyGroups | None:
    """Return the requested or default groups, or None."""
    if arguments.pivot:
        from hyperherd.results.tables.pivot import pivot_groups

        row, column = arguments.pivot
        return pivot_groups(trials, row, column, arguments.err, arguments.rest or "all")
    if arguments.seeds is False or (arguments.seeds is None and not by_default):
        return None
    groups = trials.seeds(arguments.err, keys=words(arguments.seed_key or ""))
    return groups if arguments.seeds or groups.repeats else None


def _page(trials: Trials, arguments: argparse.Namespace, view: View) -> str:
    from hyperherd.results.pages.overview import in_parts

    rows = 0 if arguments.full and arguments.rows is None else arguments.rows
    target = screen(rows, sys.stdout, arguments.color, to_file=arguments.output is not None)
    return in_parts(trials, target, lambda part: _page_of(part, arguments, view, target))


def _page_of(trials: Trials, arguments: argparse.Namespace, view: View, target: Screen) -> str:
    from hyperherd.results.pages.overview import render, render_groups, render_pivot

    groups = _groups(trials, arguments, by_default=True)
    if groups is None:
        return render(trials, target, view)
    return render_pivot(groups, target, view) if arguments.pivot else render_groups(groups, target, view)


def _parquet(trials: Trials, groups: AnyGroups | None, view: View, arguments: argparse.Namespace) -> bytes:
    from hyperherd.results.tables.arrow import write_parquet
    from hyperherd.results.tables.pivot import pivot_columns
    from hyperherd.results.tables.records import exact_sheet

    if arguments.output is None and sys.stdout.isatty():
        raise ResultsError("refusing to write Parquet to a terminal; use -o FILE or a pipe")
    if groups is not None and arguments.pivot:
        columns = pivot_columns(groups, view, exact=True)
    else:
        columns = exact_sheet(trials, view, limit=arguments.rows or None, groups=groups)
    stream = BytesIO()
    write_parquet(columns, stream)
    return stream.getvalue()


def _emit(data: str | bytes | Iterator[str], arguments: argparse.Namespace) -> None:
    if arguments.output is None:
        write(data)
    else:
        write_file(arguments.output, data, force=arguments.force)


def _unhealthy(trials: Trials, arguments: argparse.Namespace) -> bool:
    from hyperherd.results.statistics.fail_on import unhealthy

    return bool(unhealthy(trials, arguments.fail_on))
