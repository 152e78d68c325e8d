"""Messages on their way out: a short-lived process sends them, which the sweep never waits for while it runs.

No thread is involved, because a launcher may fork this process for its trials.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.compat.cpython import interpreter_flags
from hyperherd.errors import SweepError
from hyperherd.sweep.notify_settings import Address
from hyperherd.sweep.notifying.message import Message
from hyperherd.sweep.notifying.told import Told

log = logging.getLogger("hyperherd")

SECONDS = 40.0
"""How long one helper may send; it ends itself some seconds later."""
_OVERDUE = SECONDS + 30.0
_PAUSES = (30.0, 120.0, 480.0)
"""Seconds until a message that somebody could not be sent is sent again; then it is given up."""
_FULL = 20
"""Messages that wait; of an address that never answers they must not pile up."""
_AT_ONCE = 8
"""Messages that one helper sends."""
BEST = "new_best"


@dataclass
class _Parcel:
    message: Message
    left: list[str]
    """The addresses that have not got it, by their places."""
    tries: int = 0
    due: float = 0.0


@dataclass
class Outbox:
    """Sends messages to addresses, and notes what was sent.

    Args:
        sweep_dir: absolute.
        name: of the sweep.
        addresses: where to.
        told: where it is noted.
        environment: of the helpers; a trial that runs in this process may change its own.
    """

    sweep_dir: Path
    name: str
    addresses: Sequence[Address]
    told: Told
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    _waiting: list[_Parcel] = field(default_factory=list)
    _helpers: list[_Helper] = field(default_factory=list)
    """One at a time, but for the end: what hangs must not keep the last word from being said."""
    _wants_best: bool = False
    _reported: set[str] = field(default_factory=set)
    _owner: int = field(default_factory=os.getpid)
    best_took: float = 0.0
    """Seconds that the last look for a new best configuration took."""

    def put(self, message: Message) -> None:
        """Take a message over."""
        self._waiting.append(_Parcel(message, [str(place) for place in range(len(self.addresses))]))
        if len(self._waiting) > _FULL:
            self._waiting.sort(key=lambda parcel: parcel.tries)
            self._waiting.pop()

    def look_for_best(self) -> None:
        """Say it if another configuration leads than the one that people were told of."""
        self._wants_best = True

    def pump(self) -> None:
        """Go on with what can be done at once; to be called about once a second."""
        if self._owner != os.getpid():  # forked from the sweep's
            return
        self._take_answers()
        if not self._helpers:
            self._send()

    def _take_answers(self) -> None:
        for helper in list(self._helpers):
            helper.feed()
            if helper.has_ended(_OVERDUE):
                self._helpers.remove(helper)
                self._settle(helper)

    def _send(self) -> None:
        now = time.monotonic()
        sent = [parcel for helper in self._helpers for parcel in helper.parcels]
        due = [parcel for parcel in self._waiting if parcel.due <= now and not any(parcel is one for one in sent)]
        if due or self._wants_best:
            self._start(due[:_AT_ONCE])

    def close(self, seconds: float) -> None:
        """Send what waits, and give that so many seconds; what hangs then goes on beside, for less than a minute."""
        for parcel in self._waiting:
            parcel.due, parcel.tries = 0.0, len(_PAUSES)
        self._wants_best = False
        deadline = time.monotonic() + seconds
        while self._waiting or self._helpers:
            self._take_answers()
            self._send()
            if time.monotonic() > deadline:
                for helper in self._helpers:
                    helper.leave()
                if seconds:
                    log.warning("notifications: not all were sent within %.0f s; the sweep waits no longer", seconds)
                return
            time.sleep(0.05)

    def _start(self, parcels: list[_Parcel]) -> None:
        order = {
            "sweep_dir": str(self.sweep_dir),
            "command": f"herd-results {shlex.quote(str(self.sweep_dir))}",
            "urls": {str(place): address.url for place, address in enumerate(self.addresses)},
            "seconds": SECONDS,
            "messages": [_as_json(str(place), parcel) for place, parcel in enumerate(parcels)],
            "best": self.told.text(BEST) if self._wants_best else None,
            "best_title": f"sweep {self.name}: new best",
        }
        self._wants_best = False
        try:
            self._helpers.append(_Helper(order, parcels, self.environment))
        except OSError as error:
            self._report("", f"the process that sends cannot be started: {error.strerror}")
            self._postpone(parcels)

    def _settle(self, helper: _Helper) -> None:
        answer = helper.answer()
        if answer is None:
            self._report("", "the process that sends ended without an answer")
            self._postpone(helper.parcels)
            return
        self.best_took = helper.took
        for place, why in answer["why"].items():
            self._report(place, why)
        for place, parcel in enumerate(helper.parcels):
            got = answer["sent"].get(str(place), [])
            if got:
                self.told.note(parcel.message.settles)
            parcel.left = [one for one in parcel.left if one not in got]
        if answer["best"] and answer["sent"].get("best"):
            self.told.note({BEST: answer["best"]})
        self._postpone(helper.parcels)

    def _postpone(self, parcels: Sequence[_Parcel]) -> None:
        """Keep what somebody has not got for another try; forget what all have got, or what was tried often enough."""
        for parcel in parcels:
            if not parcel.left or parcel.tries >= len(_PAUSES):
                with suppress(ValueError):
                    self._waiting.remove(parcel)
                continue
            parcel.due = time.monotonic() + _PAUSES[parcel.tries]
            parcel.tries += 1

    def _report(self, place: str, why: str) -> None:
        """Say that sending fails, once for each address."""
        if place not in self._reported:
            self._reported.add(place)
            named = f"{self.addresses[int(place)].name}: " if place else ""
            log.warning("notifications: %s%s; tried again, and not reported again; the sweep goes on", named, why)


class _Helper:
    """One process that sends.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, order: Mapping[str, Any], parcels: list[_Parcel], environment: Mapping[str, str]) -> None:
        self.parcels = parcels
        self.took = 0.0
        self._began = time.monotonic()
        self._left = json.dumps(order).encode()
        self._process = _started(environment)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self.feed()

    def feed(self) -> None:
        """Hand over what fits into the pipe; nobody waits until the helper has read it."""
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        try:
            while self._left:
                self._left = self._left[os.write(stdin.fileno(), self._left) :]
        except BlockingIOError:
            return
        except OSError:  # it has ended
            self._left = b""
        with suppress(OSError):
            stdin.close()

    def has_ended(self, most: float) -> bool:
        """Return whether it has ended; one that runs for more than so many seconds is ended."""
        if self._process.poll() is None and time.monotonic() - self._began > most:
            self._process.kill()
        self.took = time.monotonic() - self._began
        return self._process.poll() is not None

    def leave(self) -> None:
        """Let it go on alone; it ends itself."""
        self._process.returncode = 0  # nobody waits for it, and Popen must not warn of that

    def answer(self) -> dict[str, Any] | None:
        """Return what it has answered; None if it could not."""
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            data = stdout.read()
        try:
            found: dict[str, Any] = json.loads(data)
        except ValueError:
            return None
        return found


def _started(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *interpreter_flags(), "-m", f"{__package__}.helper"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",  # the folder it starts in comes first where modules are looked for, and that of a sweep is anybody's
        env=dict(environment),
        start_new_session=True,  # Ctrl-C is for the sweep, whose last message this may be
        bufsize=0,
    )


def check_addresses(addresses: Sequence[Address]) -> None:
    """Ask apprise whether it knows what to do with the addresses.

    Raises:
        SweepError: it does not, or is not installed.
    """
    order = {"check": True, "seconds": SECONDS, "urls": {str(n): address.url for n, address in enumerate(addresses)}}
    process = _started(os.environ)
    try:
        data, _ = process.communicate(json.dumps(order).encode(), timeout=_OVERDUE)
        wrong = [addresses[int(place)].name for place in json.loads(data)["wrong"]]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise SweepError("hydra.sweeper.notify: apprise could not be asked about the addresses in time") from None
    except ValueError:
        raise SweepError("hydra.sweeper.notify: apprise could not be asked about the addresses") from None
    if wrong:
        raise SweepError(
            f"{', '.join(wrong)}: apprise does not know such an address, or something in it is missing; "
            "https://appriseit.com lists them"
        )


def _as_json(place: str, parcel: _Parcel) -> dict[str, Any]:
    message = parcel.message
    return {
        "id": place,
        "title": message.title,
        "lines": message.lines,
        "level": message.level,
        "counts": message.counts,
        "to": parcel.left,
    }
