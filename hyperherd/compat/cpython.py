"""CPython, seen in 3.10 to 3.13: forked processes that end as an interpreter does, and what argparse holds."""

from __future__ import annotations

import argparse
import atexit
import subprocess
import sys
import threading


def interpreter_flags() -> list[str]:
    """Return the options that this interpreter was started with (-O, -W, -X); `multiprocessing` asks the same way."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags


def run_exit_functions() -> None:
    """Wait for threads and run what `atexit` holds: a fork ends by ``os._exit``, which does neither."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()


def forget_exit_functions() -> None:
    """Drop what `atexit` and multiprocessing hold: a fork would otherwise clean up what its parent still uses.

    ``atexit.unregister`` needs the functions, and nothing lists them.
    """
    atexit._clear()
    if util := sys.modules.get("multiprocessing.util"):
        util._finalizer_registry.clear()
        atexit.register(util._exit_function)


def arguments_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a parser, in their order."""
    return list(parser._actions)
