"""Slurm's commands, and what their errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from hyperherd.launch.commands import CommandResult, run_command

_SECONDS = 60.0
_OWN_DEFAULTS = ("SQUEUE_", "SACCT_")
"""Users set variables of these names to change what is printed; we need all of it."""

TROUBLE = re.compile(
    r"contact slurm controller|Connection refused|Socket timed out|Connection timed out|slurmdbd", re.IGNORECASE
)
"""What the commands print while a daemon cannot be reached, and may be later."""


def run(command: Sequence[str]) -> CommandResult:
    """Run one of Slurm's commands and return its output; it never raises for what the command does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_DEFAULTS)}
    return run_command(command, environment, _SECONDS)


def is_trouble(result: CommandResult) -> bool:
    """Return whether a daemon could not be reached, rather than that the request was refused."""
    # A command that succeeds may warn of a daemon that it did without.
    return result.code is None or (result.code != 0 and TROUBLE.search(result.stderr) is not None)


def message_of(result: CommandResult) -> str:
    """Return the last line of a command's errors."""
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {result.code}"
