"""The one door to a scheduler's commands: it runs them, and reads from what they print whether the scheduler answered.

Slurm and LSF differ in the :class:`CommandTable` they give it. No failure of a command is raised here; one that failed
for a reason that passes is told apart from one that the scheduler refused. :class:`Outage` paces those who try again,
and makes one warning of many failures.

Light: submitit imports LSF's executor, and so this, in programs that use nothing else of this package.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from hyperherd.schedulers import SchedulerUnavailable

Answer = TypeVar("Answer")

FIRST_PAUSE = 2.0
"""Seconds until a command that failed for a reason that passes is run again; each further pause is longer."""
LONGEST_PAUSE = 120.0
_GROWTH = 1.6
_SHORT = 10.0
"""Seconds that failures may last before the user hears of them: a daemon that restarts answers within that."""

_LOOK = 1.0
"""Seconds between two looks whether the user has interrupted a command that hangs."""
_GRACE = 3.0
"""Seconds that such a command then gets to answer."""
_INTERRUPTS = frozenset({signal.SIGINT, signal.SIGTERM})

log = logging.getLogger("hyperherd")


class Outcome(Enum):
    """What a command came to."""

    DONE = "done"
    """The scheduler has done it, or answered."""
    REFUSED = "refused"
    """The scheduler will not do it, however often it is asked."""
    LATER = "later"
    """The scheduler could not be reached, or not in time; nothing is known, and the same command may succeed later."""
    FULL = "full"
    """The scheduler takes no more jobs until some have ended."""


@dataclass(frozen=True)
class CommandTable:
    """What is particular to the commands of one scheduler. All texts are searched for, whatever is around them.

    Attributes:
        scheduler: its name, for people.
        environment: returns the variables that a command gets, given whether it submits jobs.
        trouble: what the commands print while a daemon cannot be reached, or is too busy.
        full: what they print when a limit on how many jobs may be submitted is reached.
        unknown: what they print of a job that does not exist, or has ended.
        waits: what they print while they wait by themselves; good data may follow.
        trusts_code: whether exit code 0 means success whatever else was printed, and other codes failure.
        seconds: until a command is stopped.
    """

    scheduler: str
    environment: Callable[[bool], Mapping[str, str]]
    trouble: re.Pattern[str]
    full: re.Pattern[str]
    unknown: re.Pattern[str]
    waits: re.Pattern[str]
    trusts_code: bool
    seconds: float = 60.0

    def outcome(self, result: CommandResult) -> Outcome:
        """Return what a command came to that printed this."""
        if result.code is None:
            return Outcome.LATER
        if self.trusts_code and result.code == 0:  # a command that succeeds may warn of a daemon that it did without
            return Outcome.DONE
        # What it printed while it waited says only that it waited: the lines after that say how it ended.
        text = self.waits.sub("", result.stderr if self.trusts_code else result.text)
        if self.full.search(text):
            return Outcome.FULL
        if self.trouble.search(text) or (result.code and self.waits.search(result.text)):
            return Outcome.LATER
        return Outcome.DONE if result.code == 0 else Outcome.REFUSED


@dataclass(frozen=True)
class CommandResult:
    """What a command printed.

    Attributes:
        code: its exit code; None if it had to be stopped because it took too long, or could not be started.
        outcome: what that means.
    """

    stdout: str
    stderr: str
    code: int | None
    outcome: Outcome = Outcome.DONE

    @property
    def text(self) -> str:
        """Everything, for people and for searching."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)

    @property
    def message(self) -> str:
        """The last line of its errors, for people."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def is_signal(code: int) -> bool:
    """Return whether a shell's exit code stands for the signal that ended its command: 137 is SIGKILL."""
    return 128 < code <= 128 + signal.NSIG - 1


def call(
    table: CommandTable,
    command: Sequence[str],
    *,
    seconds: float | None = None,
    script: Path | None = None,
    submits: bool = False,
    variables: Mapping[str, str] | None = None,
) -> CommandResult:
    """Run a scheduler's command once and return its output; it never raises for what the command does.

    Args:
        table: of the scheduler.
        command: and its arguments.
        seconds: after which the command is stopped; those of the table by default.
        script: what it reads from its standard input; it reads nothing otherwise.
        submits: whether it submits jobs, which get its environment.
        variables: what it gets besides the environment of the table.
    """
    environment = {**table.environment(submits), **(variables or {})}
    result = _run(command, environment, table.seconds if seconds is None else seconds, script)
    return CommandResult(result.stdout, result.stderr, result.code, table.outcome(result))


def _run(command: Sequence[str], environment: Mapping[str, str], seconds: float, script: Path | None) -> CommandResult:
    try:
        with (
            open(script or os.devnull, "rb") as stdin,
            # A session of its own: the commands of many sites are scripts, and what they start is stopped with them.
            subprocess.Popen(
                list(command),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            ) as process,
        ):
            return _output(process, seconds)
    except OSError as error:
        return CommandResult("", f"{command[0]}: {error}", None)


def _output(process: subprocess.Popen[bytes], seconds: float) -> CommandResult:
    began, patience, why = time.monotonic(), seconds, f"no answer in {seconds:g} s"
    while True:
        try:
            stdout, stderr = process.communicate(timeout=min(_LOOK, max(patience, 0.0)))
            return CommandResult(_decode(stdout), _decode(stderr), process.returncode)
        except subprocess.TimeoutExpired as late:
            waited = time.monotonic() - began
            if signal.sigpending() & _INTERRUPTS:  # put off by whoever must not be disturbed, but not for minutes
                seconds, why = min(seconds, waited + _GRACE), "no answer, and interrupted"
            patience = seconds - waited
            if patience <= 0:
                _kill(process)
                return CommandResult(_decode(late.stdout), f"{_decode(late.stderr)}\n{why}", None)
        except BaseException:  # Ctrl-C: the command does not get it, because it is in a session of its own
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _decode(data: bytes | str | None) -> str:
    if isinstance(data, str):
        return data
    return (data or b"").decode(errors="replace")  # names and banners of a site may be in any encoding


class Outage:
    """Failures in a row of one kind of command: when it is to be run again, and what the user hears of it.

    Args:
        consequence: what follows for the user, for the one warning: "the jobs keep running".
        clock: returns seconds, counted from any moment.
        short: seconds of failures that are not worth a warning.
    """

    def __init__(self, consequence: str, clock: Callable[[], float] = time.monotonic, short: float = _SHORT) -> None:
        self._consequence = consequence
        self._clock = clock
        self._short = short
        self._pause = 0.0
        self._since: float | None = None
        self._is_reported = False
        self._next = clock()

    @property
    def is_due(self) -> bool:
        """Whether the command may be run now."""
        return self._clock() >= self._next

    @property
    def seconds_left(self) -> float:
        """Seconds until the command may be run."""
        return max(self._next - self._clock(), 0.0)

    def failed(self, reason: str) -> None:
        """Note a failure: the next try comes later than the last, and the user is warned once if it lasts."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        self._pause = min(self._pause * _GROWTH or FIRST_PAUSE, LONGEST_PAUSE)
        self._next = now + self._pause
        # Once per outage, not once per try: the restart of a controller takes minutes, its upgrade an hour.
        if not self._is_reported and now + self._pause - self._since >= self._short:
            self._is_reported = True
            log.warning("%s; %s", reason, self._consequence)

    def wait_for(self, ask: Callable[[], Answer], scheduler: str) -> Answer:
        """Return what `ask` returns, called again with ever longer pauses until the scheduler answers.

        Args:
            ask: raises SchedulerUnavailable if it does not.
            scheduler: whose answer it is, for people.
        """
        while True:
            try:
                answer = ask()
            except SchedulerUnavailable as silence:
                self.failed(f"{scheduler}: {silence}")
                time.sleep(self.seconds_left)
            else:
                self.over(scheduler)
                return answer

    def hurry(self) -> None:
        """Let the command be run now, and soon again: something has changed. What was reported stays so."""
        self._pause, self._next = 0.0, self._clock()

    def over(self, what: str = "") -> None:
        """Note a success.

        Args:
            what: the scheduler's name, if the user who was warned is to hear that it answers again.
        """
        if self._is_reported and what:
            log.info("%s answers again", what)
        self._since, self._pause, self._is_reported, self._next = None, 0.0, False, self._clock()
