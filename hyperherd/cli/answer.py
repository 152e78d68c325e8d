"""Output that commands share: a page for people, or strict JSON for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hyperherd.cli.terminal import screen, write

if TYPE_CHECKING:
    from hyperherd.results.text.layout import Screen

T = TypeVar("T")


def add_format(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``-f``."""
    parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="default: text")


def show(
    arguments: argparse.Namespace,
    found: T,
    page: Callable[[T, Screen], str],
    record: Callable[[T], dict[str, Any]],
) -> None:
    """Write `found` as a page for people, or as strict JSON, as ``-f`` and ``--color`` ask for."""
    if arguments.format == "json":
        write(as_json(record(found), indent=1) + "\n")
    else:
        write(page(found, screen(0, sys.stdout, arguments.color)))


def as_json(value: Any, indent: int | None = None) -> str:
    """Return `value` as strict JSON in ASCII: NaN and infinities are strings, as in docs/format.md."""
    import json

    from hyperherd.records.disk.files import strict

    return json.dumps(strict(value), indent=indent, allow_nan=False, default=str)
