"""What a command sends to the daemon and what comes back; both sides speak marshal, which costs a command no import."""

from __future__ import annotations

from dataclasses import dataclass, field


class CommandError(Exception):
    """What LSF says on standard error before it exits with 255."""


@dataclass(frozen=True)
class Request:
    """One call of a command, as its process saw it."""

    command: str
    arguments: list[str]
    cwd: str
    environ: dict[str, str]
    umask: int
    stdin: str | None


@dataclass
class Reply:
    """What the command is to print, after `wait` seconds, and its exit code.

    With `needs_stdin` the command sends the same again with its standard input. With `retry` it says `waiting`, comes
    back after `wait` seconds, does so LSB_NTRIES times at most, and then fails with what is in `err`.
    """

    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    rc: int = 0
    wait: float = 0.0
    waiting: str = ""
    needs_stdin: bool = False
    retry: bool = False
    waiting_on_stdout: bool = False

    def fail(self, text: str, rc: int = 255) -> None:
        """Tell one error; what went well is still printed."""
        self.err.append(text)
        self.rc = rc
