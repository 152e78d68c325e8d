"""Requests to a sweep and to trials that run: small files in its directory, so that they reach any host that sees that.

What a person wants of one trial is one file, which the next wish replaces: a trial that runs, or begins to, heeds the
last one. A request to the sweep itself goes when it has seen it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.escape import one_line
from hyperherd.paths import FORMAT, SweepPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import read_json, replace_json
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict

_LONGEST = 500


class Wish(str, Enum):
    """What a person wants of a trial."""

    PRUNE = "prune"
    """It is to end now, and not to be run again."""
    STOP = "stop"
    """It is to end now, and to be gone on with when its sweep is."""
    CONTINUE = "continue"
    """It is to be run on, although it was pruned, paused or stopped."""


@dataclass(frozen=True)
class TrialRequest:
    """What a person wants of one trial.

    Attributes:
        wish: what.
        attempt: which execution of it there was then; later ones heed it, too.
        reason: why, for people.
        continued: of a stop, the attempt of the wish to continue that it replaced, which counts again when the stop is
            taken back; None if there was none.
    """

    wish: Wish
    attempt: int
    reason: str = ""
    continued: int | None = None

    def verdict(self, attempt: int) -> StopVerdict | None:
        """Return why an attempt of the trial is to end; None if it is not."""
        if self.wish is Wish.CONTINUE or attempt < self.attempt:  # fewer attempts: its directory was deleted since
            return None
        state = TrialState.PRUNED if self.wish is Wish.PRUNE else TrialState.CANCELLED
        return StopVerdict(state, one_line(self.reason)[:_LONGEST] or f"herd-results {self.wish.value}")


def request_path(sweep_dir: Path, number: int) -> Path:
    """Return the file of what somebody wants of a trial."""
    return SweepPaths(sweep_dir).requests / f"trial-{number}.json"


def ask_trial(sweep_dir: Path, number: int, request: TrialRequest) -> None:
    """Want something of a trial, whatever was wanted of it before."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "want": request.wish.value,
        "attempt": request.attempt,
        "reason": request.reason,
    }
    before = read_request(sweep_dir, number) if request.wish is Wish.STOP else None
    if before is not None:
        content["continued"] = before.attempt if before.wish is Wish.CONTINUE else before.continued
    replace_json(request_path(sweep_dir, number), content)


def read_request(sweep_dir: Path, number: int) -> TrialRequest | None:
    """Return what somebody wants of a trial; None if nothing, or nothing that counts."""
    try:
        raw = _read(request_path(sweep_dir, number), sweep_dir)
        wish = Wish(raw.get("want"))
    except (OSError, FormatError, ValueError):
        return None
    attempt, reason = raw.get("attempt"), raw.get("reason")
    if not kinds.count(attempt) or not isinstance(reason, str):
        return None
    continued = raw.get("continued")
    return TrialRequest(wish, int(attempt or 0), reason, continued if kinds.count(continued) else None)


def _read(path: Path, sweep_dir: Path) -> dict[str, Any]:
    """Return a request of this user, of the owner of the sweep, or of root; where others can write, theirs is none.

    Raises:
        OSError, FormatError: there is none.
    """
    if path.stat().st_uid not in _heeded(sweep_dir):
        raise FormatError(f"{path} belongs to another user")
    return read_json(path)


def _heeded(sweep_dir: Path) -> tuple[int, ...]:
    return os.geteuid(), sweep_dir.stat().st_uid, 0


def is_heeded(sweep_dir: Path) -> bool:
    """Return whether the process that holds a sweep would do what this user asks of it."""
    with suppress(FileNotFoundError):
        return os.geteuid() in (sweep_dir.stat().st_uid, SweepPaths(sweep_dir).lock.stat().st_uid, 0)
    return True  # it has ended meanwhile


def is_readmitted(sweep_dir: Path, number: int, attempt: int) -> bool:
    """Return whether somebody wants a trial to be run on that was pruned in this attempt."""
    request = read_request(sweep_dir, number)
    return request is not None and request.wish is Wish.CONTINUE and attempt <= request.attempt


def ask_to_stop(sweep_dir: Path, reason: str) -> None:
    """Ask a sweep to start nothing more: whoever runs it, and each trial that begins, finds this."""
    replace_json(_stop_path(sweep_dir), {"format": FORMAT, "reason": reason})


def stop_verdict(sweep_dir: Path) -> StopVerdict | None:
    """Return why nothing more of a sweep is to start; None if it may."""
    try:
        reason = _read(_stop_path(sweep_dir), sweep_dir).get("reason")
    except (OSError, FormatError):
        return None
    return StopVerdict(TrialState.CANCELLED, one_line(reason)[:_LONGEST] if isinstance(reason, str) else "stopped")


def _stop_path(sweep_dir: Path) -> Path:
    return SweepPaths(sweep_dir).requests / "stop.json"


def go_on(sweep_dir: Path) -> None:
    """Take back all that was to stop: somebody goes on with the sweep."""
    with suppress(OSError):
        _stop_path(sweep_dir).unlink(missing_ok=True)
    for number in _numbers(sweep_dir):
        request = read_request(sweep_dir, number)
        if request is not None and request.wish is Wish.STOP:
            with suppress(OSError):
                if request.continued is not None:
                    ask_trial(sweep_dir, number, TrialRequest(Wish.CONTINUE, request.continued))
                else:
                    request_path(sweep_dir, number).unlink(missing_ok=True)
    # The sweep that these were for ended before it saw them; the trials wait, and whoever goes on finds that.
    for _ in take_requests(sweep_dir, Wish.CONTINUE.value):
        pass


def _numbers(sweep_dir: Path) -> Iterator[int]:
    for path in SweepPaths(sweep_dir).requests.glob("trial-*.json"):
        number = path.stem.partition("-")[2]
        if number.isdecimal() and number.isascii():
            yield int(number)


def ask_to_cancel(sweep_dir: Path, numbers: list[int]) -> Path:
    """Ask the sweep in `sweep_dir` to cancel these trials; the file that is returned goes when it has seen it."""
    return _ask_sweep(sweep_dir, "cancel", numbers)


def ask_to_run_on(sweep_dir: Path, numbers: list[int]) -> Path:
    """Ask the sweep in `sweep_dir` to run trials on that have ended; as :func:`ask_to_cancel`."""
    return _ask_sweep(sweep_dir, Wish.CONTINUE.value, numbers)


def _ask_sweep(sweep_dir: Path, what: str, numbers: list[int]) -> Path:
    path = SweepPaths(sweep_dir).requests / f"{what}-{secrets.token_hex(4)}.json"
    replace_json(path, {what: numbers})
    return path


def take_requests(sweep_dir: Path, what: str = "cancel") -> Iterator[int]:
    """Yield the numbers of the trials that the sweep has been asked to cancel (or continue), each request once.

    One of a user whom the sweep does not heed is removed, and means nothing.
    """
    for path in sorted(SweepPaths(sweep_dir).requests.glob(f"{what}-*.json")):
        try:
            numbers = _read(path, sweep_dir).get(what)
        except (OSError, FormatError):
            numbers = None
        try:
            path.unlink(missing_ok=True)
        except OSError:  # A folder of that name, or one that is closed to us: it would be taken again and again.
            continue
        if isinstance(numbers, list):
            yield from (number for number in numbers if isinstance(number, int) and not isinstance(number, bool))
