"""The queue of a sweep's workers: files that list attempts to be run, each written once and by one writer.

An attempt in the queue is to be run as long as its file is there and nobody has claimed it
(:func:`hyperherd.trial.attempts.claim_for_worker`). Whoever goes on with a sweep withdraws what an earlier one has put
there. A request to end an attempt outlives whoever runs it, so that one which is claimed at that moment ends too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT, SweepPaths
from hyperherd.records.disk import kinds
from hyperherd.records.disk.files import create, read_json, replace_json
from hyperherd.records.disk.guarded import LIST_BYTES


@dataclass(frozen=True)
class Attempt:
    """One execution of a trial.

    Attributes:
        number: of the trial.
        attempt: which execution.
        kind: of the workers that may run it; empty if it is not known.
    """

    number: int
    attempt: int
    kind: str = field(default="", compare=False)


def kind_of(resources: Mapping[str, Any]) -> str:
    """Return the name of the kind of workers that have these resources; the same for equal ones."""
    text = json.dumps(dict(resources), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def put_in_queue(sweep_dir: Path, name: str, kind: str, attempts: Iterable[Attempt]) -> None:
    """Put attempts in the queue, for workers of one kind.

    Args:
        sweep_dir: of the sweep.
        name: unlike that of any other file of the queue.
        kind: of the workers; see :func:`kind_of`.
        attempts: in the order in which they are to begin.
    """
    listed = list(attempts)
    for one in listed:  # a request is about an earlier time at which the same attempt was in the queue
        request_path(sweep_dir, one).unlink(missing_ok=True)
    content = {"format": FORMAT, "kind": kind, "attempts": [[one.number, one.attempt] for one in listed]}
    replace_json(_folder(sweep_dir) / f"{name}.json", content)


def following_name(by: str, following: Attempt) -> str:
    """Return the name under which the next attempt of a trial is put in the queue: by its worker, or by its batch."""
    return f"{by}-{following.number}-{following.attempt}"


def is_in_queue(sweep_dir: Path, name: str) -> bool:
    """Return whether a batch of this name was put in the queue, and not withdrawn."""
    return (_folder(sweep_dir) / f"{name}.json").is_file()


def has_queue(sweep_dir: Path) -> bool:
    """Return whether a sweep has put trials in a queue of workers."""
    return any(_folder(sweep_dir).glob("*.json"))


def withdraw(sweep_dir: Path, name: str = "*") -> None:
    """Take what `name` has put in the queue out of it, or all that there is."""
    for path in _folder(sweep_dir).glob(f"{name}.json"):
        path.unlink(missing_ok=True)


def ask_to_end(sweep_dir: Path, attempt: Attempt) -> None:
    """Ask whoever runs an attempt, or is about to, to end it."""
    create(request_path(sweep_dir, attempt), {"format": FORMAT})


def is_to_end(sweep_dir: Path, attempt: Attempt) -> bool:
    """Return whether somebody has asked for the end of an attempt."""
    return request_path(sweep_dir, attempt).exists()


def request_path(sweep_dir: Path, attempt: Attempt) -> Path:
    """Return the file that asks for the end of an attempt."""
    return SweepPaths(sweep_dir).workers / "requests" / f"end-{attempt.number}-{attempt.attempt}"


class Queue:
    """The attempts in the queue as one worker sees them, in their order.

    Args:
        sweep_dir: of the sweep.
        kind: only those for workers of this kind; None for all.
    """

    def __init__(self, sweep_dir: Path, kind: str | None = None) -> None:
        self._sweep_dir = sweep_dir
        self._kind = kind
        self._files: dict[str, list[Attempt]] = {}
        self._later: dict[str, list[Attempt]] = {}
        self._taken_from = ""

    def look(self) -> None:
        """Read the files that are new, and forget those that were withdrawn."""
        try:
            found = [(path.stat().st_mtime_ns, path) for path in _folder(self._sweep_dir).glob("*.json")]
        except OSError:  # withdrawn at this moment, or a server that does not answer: the next look finds out
            return
        names = {path.name for _, path in found}
        self._files = {name: attempts for name, attempts in self._files.items() if name in names}
        for name, attempts in self._later.items():
            if name in names:
                self._files[name] += attempts
        self._later = {}
        for _, path in sorted(found):
            if path.name not in self._files:
                with suppress(OSError, FormatError):
                    kind, attempts = _read(path)
                    self._files[path.name] = attempts if self._kind in (None, kind) else []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of what was found; asks no disk."""
        return not any(self._files.values())

    def take(self) -> Iterator[Attempt]:
        """Yield attempts and forget them; who does not get one by claiming it asks for the next."""
        for name, attempts in list(self._files.items()):
            while attempts:
                self._taken_from = name
                yield attempts.pop(0)

    def later(self, attempt: Attempt) -> None:
        """Yield the attempt that was taken last again after the next look, unless it is withdrawn."""
        self._later.setdefault(self._taken_from, []).append(attempt)


def _read(path: Path) -> tuple[str, list[Attempt]]:
    raw = read_json(path, LIST_BYTES)
    kind, listed = raw.get("kind"), raw.get("attempts")
    if not isinstance(kind, str) or not isinstance(listed, list) or not all(map(_is_attempt, listed)):
        raise FormatError(f"{path} is not a list of attempts")
    return kind, [Attempt(number, attempt, kind) for number, attempt in listed]


def _is_attempt(pair: Any) -> bool:
    return isinstance(pair, Sequence) and len(pair) == 2 and kinds.whole(pair[0]) and kinds.count(pair[1])


def _folder(sweep_dir: Path) -> Path:
    return SweepPaths(sweep_dir).workers / "queue"
