"""A receiver of notifications on this machine, to which apprise's ``json://`` sends: it answers, refuses or hangs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRETS = ("s3cretPassw0rd", "t0kenInThePath")


@dataclass
class Receiver:
    """What was received, and where to send to."""

    port: int
    received: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    hangs: bool = False
    touches: Path | None = None
    """A file that is made when a message arrives."""
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """An address with a password and a token in it."""
        return f"json://user:{SECRETS[0]}@127.0.0.1:{self.port}/{SECRETS[1]}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.received]

    def body(self, title: str) -> str:
        """Return the text of the one message whose title has these words."""
        [found] = [message["message"] for message in self.received if title in message["title"]]
        return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            found.asked += 1
            if found.hangs:
                found.released.wait(300)
                return
            if found.status == 200:
                found.received.append(json.loads(data))
                if found.touches is not None:
                    found.touches.touch()
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Receiver(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            found.released.set()
            server.shutdown()


def found_in(folder: Path, texts: tuple[str, ...] = SECRETS) -> list[Path]:
    """Return the files and names below a folder in which one of the texts stands."""
    wanted = [text.encode() for text in texts]
    return [
        path
        for path in sorted(folder.rglob("*"))
        if any(text in path.name.encode() or (path.is_file() and text in path.read_bytes()) for text in wanted)
    ]
