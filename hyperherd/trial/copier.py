"""One process that copies what many trials print to their files.

It is forked once, by the process that forks the trials; they inherit the way to it. A `tee` for each of their streams
would cost more than all else that is done around a trial which does little.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import selectors
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hyperherd.records.disk.ownership import file_mode

_PIECE = 1 << 16
_MOST_DESCRIPTORS = 1 << 16
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What a terminal or a scheduler sends to every process there is: the last words of a trial come after it."""


class Copier:
    """The process that copies, as a trial sees it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def begin(self, path: Path) -> tuple[int, Callable[[float], None]]:
        """Return a descriptor whose output is appended to a file, and what waits until all of it is there.

        Raises:
            OSError: the file cannot be opened, or the process is gone.
        """
        file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, file_mode())
        output, write = os.pipe()
        ended, end = os.pipe()
        try:
            socket.send_fds(self._channel, [b"."], [output, file, end])
        except OSError:
            os.close(write)
            os.close(ended)
            raise
        finally:
            for descriptor in (output, file, end):
                os.close(descriptor)
        return write, lambda seconds: _await_end(ended, seconds)

    def close(self) -> None:
        """Let go of the process, which ends when all the others have."""
        self._channel.close()


def _await_end(ended: int, seconds: float) -> None:
    # It stays open: a trial may have closed it, and given its number to a file of its own.
    with suppress(OSError, ValueError):
        select.select([ended], [], [], seconds)


def start_copier(fork: Callable[[], int]) -> Copier:
    """Start the process. It ends when everyone who inherited the way to it has, with all that is still to be copied.

    Args:
        fork: as ``os.fork``.

    Raises:
        OSError: no further process is possible.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        child = fork()
        if child == 0:
            # Not a child of the caller, who waits for the end of all its children.
            _end(lambda: fork() or _end(lambda: _copy(theirs)))
        os.waitpid(child, 0)
    return Copier(ours)


def _end(work: Callable[[], object]) -> NoReturn:
    try:
        work()
    finally:
        os._exit(0)


def _copy(channel: socket.socket) -> None:
    os.setsid()
    gc.freeze()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    # What is open here stays open for whoever waits for its end.
    os.closerange(3, channel.fileno())
    os.closerange(channel.fileno() + 1, _MOST_DESCRIPTORS)
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if key.fileobj is channel:
                    _take(channel, selector)
                elif piece := os.read(key.fd, _PIECE):
                    _append(key.data[0], piece)
                else:
                    selector.unregister(key.fd)
                    for descriptor in (key.fd, *key.data):
                        os.close(descriptor)


def _take(channel: socket.socket, selector: selectors.BaseSelector) -> None:
    data, descriptors, *_ = socket.recv_fds(channel, 1, 3)
    if len(descriptors) == 3:
        selector.register(descriptors[0], selectors.EVENT_READ, descriptors[1:])
    elif not data:
        selector.unregister(channel)
    else:  # too many are open
        for descriptor in descriptors:
            os.close(descriptor)


def _append(file: int, piece: bytes) -> None:
    with suppress(OSError):  # a full disk costs what does not fit, and no trial
        while piece:
            piece = piece[os.write(file, piece) :]
