"""The daemon: one thread that answers commands one by one and, between them, moves the jobs on.

It ends, with every process below it, when its standard input does.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path

from . import commands, processes
from .lifecycle import Batch
from .settings import FILE, Settings
from .supervisor import become_subreaper
from .wire import CommandError, Reply, Request

TICK = 0.05
READY = "ready"


class Daemon:
    """The socket, the clock and the batch system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.batch = Batch(folder)
        self.seen = self._stamp()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind("socket")
        self.listener.listen(128)
        self.wake, poke = socket.socketpair()
        self.poke = poke
        for end in (self.wake, poke):
            end.setblocking(False)
        signal.set_wakeup_fd(poke.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        self.selector = selectors.DefaultSelector()
        for source in (self.listener, self.wake, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the standard input ends."""
        while True:
            for key, _ in self.selector.select(TICK if self.batch.busy() else None):
                if key.fileobj is self.listener:
                    self._serve()
                elif key.fileobj is self.wake:
                    with contextlib.suppress(BlockingIOError):
                        self.wake.recv(4096)
                elif not os.read(sys.stdin.fileno(), 1):
                    return
            self._refresh()
            self.batch.step(time.time())

    def stop(self) -> None:
        """Kill whatever still runs, until nothing does."""
        while left := processes.below(os.getpid()):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        with contextlib.suppress(ChildProcessError):
            while True:  # the dead whose parents are dead have come to this process
                os.wait()

    def _stamp(self) -> tuple[int, int]:
        found = (self.folder / FILE).stat()
        return found.st_mtime_ns, found.st_ino

    def _refresh(self) -> None:
        stamp = self._stamp()
        if stamp != self.seen:
            self.batch.settings, self.seen = Settings.read(self.folder), stamp

    def _serve(self) -> None:
        link, _ = self.listener.accept()
        with link:
            link.settimeout(10)
            try:
                parts = []
                while part := link.recv(1 << 16):
                    parts.append(part)
                reply = self._answer(Request(**marshal.loads(b"".join(parts))))
                link.sendall(marshal.dumps(asdict(reply)))
            except OSError:  # the command was killed while it asked
                return

    def _answer(self, request: Request) -> Reply:
        self._refresh()
        now, settings = time.time(), self.batch.settings
        first = request.stdin is None
        if settings.down:
            return commands.no_answer(request, settings)
        if first:
            with open(self.folder / "calls", "ab") as file:
                file.write(repr([request.command, *request.arguments]).encode("utf-8", "surrogateescape") + b"\n")
        texts = settings.fail_next.get(request.command)
        if texts:
            settings.fail_next[request.command] = texts[1:]
            settings.write(self.folder)
            return Reply(err=[texts[0]], rc=255)
        self.batch.table.clean(now - settings.clean_period)
        self.batch.step(now)
        try:
            reply = commands.run(request, self.batch, now)
        except CommandError as refusal:
            reply = Reply(err=[str(refusal)], rc=255)
        except Exception:  # noqa: BLE001 -- the daemon's boundary: a defect of the emulator must not end the cluster
            traceback.print_exc()
            reply = Reply(err=["lsfemu: " + traceback.format_exc()], rc=254)
        is_slow = not settings.slow_commands or request.command in settings.slow_commands
        if settings.slow and is_slow and not reply.needs_stdin:
            waiting = "LSF is processing your request. Please wait ..."
            reply = replace(reply, wait=settings.slow, waiting=waiting, waiting_on_stdout=settings.waiting_on_stdout)
        return reply


def main() -> None:
    """Usage: python -m emulator FOLDER [--old]."""
    folder = Path(sys.argv[1])
    os.chdir(folder)
    if "--old" in sys.argv[2:]:
        replace(Settings.read(folder), old=True).write(folder)
    become_subreaper()
    daemon = Daemon(folder)
    print(READY, flush=True)
    try:
        daemon.run()
    finally:
        daemon.stop()
