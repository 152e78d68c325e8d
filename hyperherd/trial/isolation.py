"""What a trial leaves behind in a process that goes on to the next one, and what can be done about it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hyperherd.trial.process_state import restored

log = logging.getLogger("hyperherd")


@contextmanager
def restored_process_state() -> Iterator[None]:
    """Put the process and its process group back as they were; warn of threads that still run."""
    threads, had_group = set(threading.enumerate()), _has_process_group()
    try:
        with restored():
            yield
    finally:
        if _has_process_group() and not had_group:
            _destroy_process_group()
        _warn_of_threads(threads)


def _has_process_group() -> bool:
    distributed = sys.modules.get("torch.distributed")
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


def _destroy_process_group() -> None:
    """Leave torch's process group: the next trial would wait in it for ranks that are gone."""
    try:
        sys.modules["torch.distributed"].destroy_process_group()
    except RuntimeError as error:  # its other ranks may have died
        log.warning("torch's process group of the trial cannot be destroyed: %s", error)


def _warn_of_threads(before: set[threading.Thread]) -> None:
    left = [thread.name for thread in threading.enumerate() if thread not in before and not thread.daemon]
    if left:
        log.warning("the trial left threads running (%s); values that they log go to the next trial", ", ".join(left))
