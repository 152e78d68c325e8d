"""`herd-results`: data on stdout, notes and errors on stderr, and an exit code that tells them apart.

Nothing but the standard library is imported before the arguments have been read, so that ``--help`` is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from hyperherd.cli.commands import COMMANDS
from hyperherd.cli.terminal import NOTHING_FOUND, USAGE, say
from hyperherd.errors import HyperherdError, NothingFound


def main(argv: Sequence[str] | None = None) -> int:
    """Run `herd-results` with `argv` (default: the process's arguments) and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    command, rest = (given[0], given[1:]) if given and given[0] in COMMANDS else ("table", given)
    try:
        code: int = import_module(f"hyperherd.cli.{command}").run(rest)
        return code
    except BrokenPipeError:
        # The reader has seen enough; Python must not complain when it closes the stream either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except HyperherdError as error:
        say(f"error: {error}")
        return NOTHING_FOUND if isinstance(error, NothingFound) else USAGE
