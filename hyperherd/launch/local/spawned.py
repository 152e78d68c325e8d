"""A trial as an interpreter of its own: what is pickled for it, and how it starts."""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals

from hyperherd.errors import SweepError
from hyperherd.launch.local.compose import Composer
from hyperherd.launch.local.cpu import VARIABLES, ThreadLimit
from hyperherd.launch.local.trial import Work, finish, run_trial, settle


@dataclass(frozen=True)
class _Luggage:
    """What an interpreter needs before it can unpickle the work: where modules are, and what script it stands for."""

    path: list[str]
    argv: list[str]
    file: str | None
    module: str | None
    shows_output: bool
    work: bytes


def pack(work: Work, reason: str) -> bytes:
    """Return `work` for :func:`main`.

    Raises:
        SweepError: it cannot be pickled.
    """
    try:
        pickled = cloudpickle.dumps((work, Singleton.get_state()))
    except Exception as error:  # noqa: BLE001 - user code: pickling runs methods of their classes
        raise SweepError(
            f"trials cannot be forked, because {reason}; nor started afresh, because the task function cannot be "
            f"pickled: {type(error).__name__}: {error}"
        ) from None
    script = sys.modules["__main__"]
    spec = getattr(script, "__spec__", None)
    file = getattr(script, "__file__", None)
    return pickle.dumps(_Luggage(sys.path, sys.argv, file, spec and spec.name, work.shows_output, pickled))


def main() -> None:
    """Run a trial; the arguments are the descriptors of the work and of the report, which begins with the job."""
    from hyperherd.launch.local.server import HELD

    work_file, report_file = map(int, sys.argv[1:3])
    luggage: _Luggage = pickle.loads(_content(work_file))
    job, server = pickle.loads(_content(report_file))
    settle(HELD, server, shows_output=luggage.shows_output)
    _pose_as(luggage)
    setup_globals()
    work, singletons = cloudpickle.loads(luggage.work)
    Singleton.set_state(singletons)
    ThreadLimit(int(os.environ[VARIABLES[0]])).apply()
    with os.fdopen(report_file, "r+b") as report:
        report.truncate(0)
        report.seek(0)
        run_trial(work, Composer(work.context.config_loader, work.config), job, report)
    finish()


def _content(descriptor: int) -> bytes:
    """Return what is in a file that other processes share: its position is theirs too, and stays where it is."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _pose_as(luggage: _Luggage) -> None:
    """Look like the script, for those who start it again (Lightning's further ranks) or name themselves by it."""
    sys.path[:], sys.argv[:] = luggage.path, luggage.argv
    script: Any = sys.modules["__main__"]
    script.__file__ = luggage.file
    script.__spec__ = ModuleSpec(luggage.module, None) if luggage.module else None
