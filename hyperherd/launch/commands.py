"""Running a scheduler's command: the output and the exit code are returned, and only their reader knows what they mean.

Light: submitit imports LSF's executor, and so this, in programs that use nothing else of this package.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CommandResult:
    """What a command printed.

    Attributes:
        code: its exit code; None if it had to be stopped because it took too long, or could not be started.
    """

    stdout: str
    stderr: str
    code: int | None

    @property
    def text(self) -> str:
        """Everything, for people and for searching."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)


def is_signal(code: int) -> bool:
    """Return whether a shell's exit code stands for the signal that ended its command: 137 is SIGKILL."""
    return 128 < code <= 128 + signal.NSIG - 1


def run_command(
    command: Sequence[str], environment: Mapping[str, str], seconds: float, script: Path | None = None
) -> CommandResult:
    """Run a command and return its output; it never raises for what the command does.

    Args:
        command: and its arguments.
        environment: all of it.
        seconds: after which the command is stopped.
        script: what it reads from its standard input; it reads nothing otherwise.
    """
    try:
        with open(script or os.devnull, "rb") as stdin:
            done = subprocess.run(list(command), stdin=stdin, capture_output=True, env=environment, timeout=seconds)
    except subprocess.TimeoutExpired as late:
        return CommandResult(_decode(late.stdout), f"{_decode(late.stderr)}\nno answer in {seconds:g} s", None)
    except OSError as error:
        return CommandResult("", f"{command[0]}: {error}", None)
    return CommandResult(_decode(done.stdout), _decode(done.stderr), done.returncode)


def _decode(data: bytes | str | None) -> str:
    if isinstance(data, str):
        return data
    return (data or b"").decode(errors="replace")
