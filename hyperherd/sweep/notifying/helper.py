"""The process that sends: it gets one order from its parent, composes messages, sends them, answers and ends.

Run as ``python -m hyperherd.sweep.notifying.helper``. The order comes by stdin, because addresses are secrets, and
anybody may read a command line. It is the only process that imports apprise.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperherd.errors import HyperherdError
from hyperherd.sweep.notifying.message import BODY, TITLE, inert, short

_TRIES = 3
_PAUSES = (1.0, 3.0)
"""Seconds between tries."""
_LAST_WORD = 5.0
"""Seconds that the answer may take after the time is over; then the kernel ends this process."""


def main() -> None:
    """Read the order, carry it out, and print the answer."""
    order = json.loads(sys.stdin.buffer.read())
    seconds = float(order["seconds"])
    signal.alarm(int(seconds + _LAST_WORD))
    logging.disable(logging.DEBUG)  # apprise's contains what is sent, and where to
    answer = _check(order["urls"]) if order.get("check") else _carry_out(order, time.monotonic() + seconds)
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # a thread may still wait for a receiver that does not answer


def _check(urls: Mapping[str, str]) -> dict[str, Any]:
    """Return which addresses apprise does not know what to do with."""
    import apprise

    return {"wrong": [place for place, url in urls.items() if apprise.Apprise.instantiate(url) is None]}


def _carry_out(order: Mapping[str, Any], deadline: float) -> dict[str, Any]:
    messages: list[dict[str, Any]] = list(order["messages"])
    answer: dict[str, Any] = {"sent": {}, "why": {}, "best": ""}
    head, counts, found = "", "", None
    try:
        from hyperherd.sweep.notifying.table_head import look

        seen = look(Path(order["sweep_dir"]), order["best"])
        head, counts, found = seen.head, seen.counts, seen.best
    except (HyperherdError, OSError) as error:
        head = inert(f"the results cannot be read: {error}")
    if found is not None:
        answer["best"] = found.key
        best = {"id": "best", "title": order["best_title"], "lines": found.lines, "level": "info"}
        messages.append({**best, "to": list(order["urls"])})
    texts = {message["id"]: _text(message, head, counts, order["command"]) for message in messages}
    _send(order["urls"], messages, texts, answer, deadline)
    return answer


def _text(message: Mapping[str, Any], head: str, counts: str, command: str) -> tuple[str, str]:
    title = inert(message["title"] + (f": {counts}" if message.get("counts") and counts else ""), TITLE)
    own = "\n".join(inert(line) for line in message["lines"])
    body = short("\n\n".join(part for part in (own, head) if part), BODY)
    return title, f"{body}\n\n{command}"


def _send(
    urls: Mapping[str, str],
    messages: Sequence[Mapping[str, Any]],
    texts: Mapping[str, tuple[str, str]],
    answer: dict[str, Any],
    deadline: float,
) -> None:
    """Send what each address is to get, to all of them at once: one that hangs must not keep the others waiting."""
    why: dict[str, str] = answer["why"]
    threads = {}
    for place, url in urls.items():
        own = [message for message in messages if place in message["to"]]
        if own:
            arguments = (place, url, own, texts, answer, deadline)
            threads[place] = threading.Thread(target=_send_to, args=arguments, daemon=True)
            threads[place].start()
    for place, thread in threads.items():
        thread.join(max(deadline - time.monotonic(), 0.0))
        if thread.is_alive():
            why.setdefault(place, "no answer in time")


def _send_to(
    place: str,
    url: str,
    messages: Sequence[Mapping[str, Any]],
    texts: Mapping[str, tuple[str, str]],
    answer: dict[str, Any],
    deadline: float,
) -> None:
    import apprise

    server = apprise.Apprise.instantiate(url)
    if server is None:
        answer["why"][place] = "not an address that apprise knows"
        return
    server.overflow_mode = apprise.OverflowMode.TRUNCATE
    heard = _Heard(threading.get_ident())
    logging.getLogger("apprise").addHandler(heard)
    for message in messages:
        title, body = texts[message["id"]]
        for _ in _tries(deadline):
            if _notify(apprise, server, title, body, message["level"]):
                answer["sent"].setdefault(message["id"], []).append(place)
                break
        else:
            answer["why"][place] = heard.reason


def _tries(deadline: float) -> Iterator[int]:
    for number in range(_TRIES):
        if number:
            pause = _PAUSES[number - 1]
            if time.monotonic() + pause > deadline:
                return
            time.sleep(pause)
        yield number


def _notify(apprise: Any, server: Any, title: str, body: str, level: str) -> bool:
    try:
        kind = getattr(apprise.NotifyType, level.upper())  # texts in 1.9.0, an enum in later versions
        return bool(server.notify(title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))
    except Exception:  # noqa: BLE001 - the boundary to the services of many authors
        return False


class _Heard(logging.Handler):
    """Takes from apprise's warnings why it failed; not the words themselves, in which an address may be."""

    def __init__(self, thread: int) -> None:
        super().__init__(logging.WARNING)
        self._thread = thread
        self.reason = "it could not be sent"

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        text = record.getMessage()
        if code := re.search(r"error=(\d{3})\b", text):
            self.reason = f"the receiver answered {code[1]}"
        elif "onnection" in text:
            self.reason = "no connection, or no answer"


if __name__ == "__main__":
    main()
