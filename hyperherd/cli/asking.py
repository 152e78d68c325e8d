"""What the commands of `herd-results` ask and answer alike: paths, a metric, a page for people or JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hyperherd.cli.terminal import screen, write

if TYPE_CHECKING:
    from hyperherd.results.text import Screen

T = TypeVar("T")


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take paths."""
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="sweeps, folders above them, or single trials (default: ./multirun)"
    )


def add_metric(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take a metric and its direction."""
    parser.add_argument(
        "-m",
        "--metric",
        metavar="METRIC[:AGG]",
        help="the metric to judge by; AGG: max, min or last (default: the sweep's objective)",
    )
    parser.add_argument("--direction", choices=("max", "min"), help="whether a high or a low value is better")


def add_format(parser: argparse.ArgumentParser) -> None:
    """Let `parser` take ``-f``."""
    parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="default: text")


def show(form: str, found: T, page: Callable[[T, Screen], str], record: Callable[[T], dict[str, Any]]) -> None:
    """Write `found` as a page for people, or as strict JSON."""
    if form == "json":
        write(as_json(record(found), indent=1) + "\n")
    else:
        write(page(found, screen(0, sys.stdout)))


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as strict JSON in ASCII: NaN and infinities are strings, as in docs/format.md."""
    import json

    from hyperherd.records.files import strict

    return json.dumps(strict(value), indent=indent, allow_nan=False, default=str)
