"""Running Slurm's commands: their output, or an error that Slurm does not answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from hyperherd.schedulers import SchedulerUnavailable

_SECONDS = 60.0
_OWN_DEFAULTS = ("SQUEUE_", "SACCT_")
"""Users set variables of these names to change what is printed; we need all of it."""


class CommandFailed(Exception):
    """Slurm answered and refused a command; the message is Slurm's."""


def ask(command: Sequence[str]) -> str:
    """Return what a command prints.

    Raises:
        SchedulerUnavailable: Slurm does not answer.
        CommandFailed: Slurm refuses it.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OWN_DEFAULTS)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SchedulerUnavailable(f"{command[0]} cannot be run: {error}") from None
    if done.returncode == 0:
        return done.stdout
    errors = done.stderr.strip().splitlines()
    message = errors[-1] if errors else f"exit code {done.returncode}"
    if is_outage(done.stderr):
        raise SchedulerUnavailable(f"Slurm does not answer: {message}")
    raise CommandFailed(message)


def is_outage(message: str) -> bool:
    """Return whether an error of a command means that a daemon could not be reached, and may be later."""
    signs = ("contact slurm controller", "Connection refused", "Socket timed out", "Connection timed out", "slurmdbd")
    return any(sign.lower() in message.lower() for sign in signs)
