"""What a trial may change in its process, put back before the next one: user code may do anything there.

Restored is what decides about other trials, or about what the sweep can still print. Not restored is what a program
sets up once and then relies on: random states, imported modules, settings of libraries, the handler of SIGCHLD (torch
sets that once in a process).
"""

from __future__ import annotations

import builtins
import gc
import io
import locale
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

log = logging.getLogger("hyperherd")

Restore = Callable[[], None]


@contextmanager
def restored() -> Iterator[None]:
    """Put the process back as it was when the block ends; what cannot be restored is reported."""
    with warnings.catch_warnings():
        restores = [keep() for keep in _KEPT]
        try:
            yield
        finally:
            _restore(restores)


@contextmanager
def restored_streams() -> Iterator[None]:
    """Put stdin, stdout and stderr of Python back when the block ends."""
    restores = [_streams()]
    try:
        yield
    finally:
        _restore(restores)


def _restore(restores: list[Restore]) -> None:
    for restore in restores:
        try:
            restore()
        except Exception as error:  # noqa: BLE001 - it calls methods of what user code has put there
            log.warning(
                "the trial has changed the process, and not all of it can be restored: %s", type(error).__name__
            )


def _trace() -> Restore:
    trace, profile, collects = sys.gettrace(), sys.getprofile(), gc.isenabled()

    def restore() -> None:
        if sys.gettrace() is not trace:
            sys.settrace(trace)
        if sys.getprofile() is not profile:
            sys.setprofile(profile)
        (gc.enable if collects else gc.disable)()

    return restore


def _builtins() -> Restore:
    """Keep builtin functions: code for several ranks replaces `print`. What modules have added stays."""
    before = dict(vars(builtins))

    def restore() -> None:
        vars(builtins).update(before)

    return restore


def _hooks() -> Restore:
    """Keep what Python calls for errors that nobody handles; without `threading.excepthook` no thread starts."""
    before = [(module, name, getattr(module, name)) for module, name in _HOOKS]

    def restore() -> None:
        for module, name, hook in before:
            setattr(module, name, hook)

    return restore


_HOOKS = (
    (sys, "excepthook"),
    (sys, "unraisablehook"),
    (sys, "displayhook"),
    (threading, "excepthook"),
)


def _recursion() -> Restore:
    """Keep a limit that was lowered from the next trial; a higher one may be what an imported module has asked for."""
    limit = sys.getrecursionlimit()
    return lambda: sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))


def _environment() -> Restore:
    """Keep the whole environment, because what a trial leaves there decides about the next one.

    After a distributed fit Lightning leaves LOCAL_RANK behind, and would take the next trial for a child.
    """
    before = dict(os.environ)

    def restore() -> None:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)

    return restore


def _folder() -> Restore:
    try:
        folder = Path.cwd()
    except OSError:  # it has been deleted
        return lambda: None

    def restore() -> None:
        with suppress(OSError):  # it is gone by now; the launcher knows where to go from here
            os.chdir(folder)

    return restore


def _umask() -> Restore:
    before = os.umask(0o077)
    os.umask(before)

    def restore() -> None:
        os.umask(before)

    return restore


def _lists() -> Restore:
    """Keep `sys.argv` and `sys.path`: the lists themselves, which others hold, and what is in them."""
    before = {name: (getattr(sys, name), list(getattr(sys, name))) for name in ("argv", "path")}

    def restore() -> None:
        for name, (kept, content) in before.items():
            kept[:] = content
            setattr(sys, name, kept)

    return restore


def _locale() -> Restore:
    before = locale.setlocale(locale.LC_ALL)

    def restore() -> None:
        if locale.setlocale(locale.LC_ALL) != before:
            locale.setlocale(locale.LC_ALL, before)

    return restore


def _signals() -> Restore:
    """Keep handlers, the mask, and no timer that a trial has left running: its signal would end the process."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGCHLD}}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    clocks = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    idle = [clock for clock in clocks if signal.getitimer(clock)[0] == 0.0]

    def restore() -> None:
        for clock in idle:
            signal.setitimer(clock, 0.0)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return restore


# Streams

_DESCRIPTORS = {"stdin": 0, "stdout": 1, "stderr": 2}


def _streams() -> Restore:
    before: dict[str, Any] = {name: getattr(sys, name, None) for name in _DESCRIPTORS}
    usable = {name for name, stream in before.items() if stream is not None and not _is_closed(stream)}
    settings = {name: _settings(stream) for name, stream in before.items()}

    def restore() -> None:
        for name, stream in before.items():
            left = getattr(sys, name, None)
            if left is not stream:
                _let_go(left, stream)
            if name in usable and _is_closed(stream):
                stream = before[name] = _reopened(name, stream)
            elif settings[name] != _settings(stream):
                stream.reconfigure(**settings[name])
            setattr(sys, name, stream)

    return restore


def _settings(stream: Any) -> dict[str, Any]:
    """Return what `reconfigure` of a text stream of Python's may have changed; nothing of other streams."""
    if not isinstance(stream, io.TextIOWrapper) or _is_closed(stream):
        return {}
    return {name: getattr(stream, name) for name in ("encoding", "errors", "line_buffering", "write_through")}


def _is_closed(stream: Any) -> bool:
    """Return whether nothing can be written to `stream` any more; it may be of any class."""
    try:
        return bool(getattr(stream, "closed", False))
    except ValueError:  # its buffer has been detached
        return True
    except Exception:  # noqa: BLE001 - user code: a property of any class, which may raise anything
        return False


def _let_go(left: Any, stream: Any) -> None:
    """Write out a stream that a trial has left, and see to it that its end does not close the buffer of `stream`."""
    with suppress(Exception):  # user code: it may have no such method, or one that raises anything
        left.flush()
    with suppress(Exception):
        if left.buffer is stream.buffer:
            left.detach()


def _reopened(name: str, closed: Any) -> Any:
    """Return a stream for the descriptor of a standard stream whose object has been closed, as that one was."""
    descriptor = _DESCRIPTORS[name]
    opened = open(  # noqa: SIM115 - to the end of the process
        descriptor,
        "r" if descriptor == 0 else "w",
        buffering=1,
        encoding=_text(closed, "encoding") or "utf-8",
        errors=_text(closed, "errors") or "backslashreplace",
        closefd=False,
    )
    if getattr(sys, f"__{name}__") is closed:
        setattr(sys, f"__{name}__", opened)
    for handler in {handler for logger in _loggers().values() for handler in logger.handlers}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is closed:
            handler.stream = opened  # `setStream` would flush the closed one
    return opened


def _text(stream: Any, name: str) -> str | None:
    try:
        found = getattr(stream, name, None)
    except Exception:  # noqa: BLE001 - user code, or a detached stream
        return None
    return found if isinstance(found, str) else None


# Logging


def _loggers() -> dict[str, logging.Logger]:
    known = dict(logging.root.manager.loggerDict)
    named = {name: logger for name, logger in known.items() if isinstance(logger, logging.Logger)}
    return {"root": logging.root, **named}


def _logging() -> Restore:
    """Keep what is logged, and where: a second trial would log twice, or into the files of the first."""
    disabled_up_to = logging.root.manager.disable
    before = {logger: _setup(logger) for logger in _loggers().values()}
    modules = set(sys.modules)

    def restore() -> None:
        for name, logger in _loggers().items():
            left = list(logger.handlers)
            if logger in before:
                logger.handlers[:], logger.filters[:] = map(list, before[logger][:2])
                logger.level, logger.propagate, logger.disabled = before[logger][2:]
            elif name.partition(".")[0] not in sys.modules.keys() - modules:
                logger.handlers.clear()
            else:  # A library that was imported meanwhile adds its handlers once.
                logger.handlers[:] = [handler for handler in left if not isinstance(handler, logging.FileHandler)]
            for handler in left:
                if handler not in logger.handlers:
                    _end(handler)
        logging.disable(disabled_up_to)  # which also has every logger look its level up anew

    return restore


def _setup(logger: logging.Logger) -> tuple[list[Any], list[Any], int, bool, bool]:
    return list(logger.handlers), list(logger.filters), logger.level, logger.propagate, logger.disabled


def _end(handler: logging.Handler) -> None:
    """Close a handler that a trial has left. Hydra flushes every one there is, and fails over a closed stream."""
    with suppress(Exception):  # user code: a handler of any class
        handler.close()
    if isinstance(handler, logging.StreamHandler) and _is_closed(handler.stream):
        handler.stream = None


_KEPT = (
    _builtins,
    _hooks,
    _trace,
    _recursion,
    _streams,
    _environment,
    _folder,
    _umask,
    _lists,
    _locale,
    _signals,
    _logging,
)
