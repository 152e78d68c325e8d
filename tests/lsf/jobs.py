"""What the tests' jobs run. Pickled by value, since a job cannot import this module."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cloudpickle
from submitit.core.utils import DelayedSubmission

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def add(a: int, b: int) -> int:
    print("adding", a, b)
    print("complaining", file=sys.stderr)
    return a + b


def boom() -> None:
    raise ValueError("boom")


def touch_and_sleep(path: Path, seconds: float = 300) -> str:
    path.touch()
    time.sleep(seconds)
    return "slept"


def leave(code: int) -> None:
    os._exit(code)


def eat(megabytes: int, path: Path) -> None:
    held = b"x" * (megabytes << 20)
    path.touch()
    time.sleep(300)
    print(len(held))


def rank() -> tuple[int, int, int]:
    from submitit.core.job_environment import JobEnvironment

    env = JobEnvironment()
    print("rank", env.global_rank)
    return env.global_rank, env.local_rank, env.num_tasks


def rank_one_dies() -> int:
    from submitit.core.job_environment import JobEnvironment

    if JobEnvironment().global_rank == 1:
        os._exit(3)
    time.sleep(300)
    return 0


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("LSB_JOB", "SLURM", "SUBMITIT"))}


def command(*words: str) -> str:
    return subprocess.run(words, check=True, text=True, capture_output=True).stdout


class Resumable:
    """Counts its runs in a folder; all but the last sleep until they are told that time is up."""

    def __init__(self, folder: Path, runs: int = 2, by_rank: bool = False) -> None:
        self.folder, self.runs, self.by_rank = folder, runs, by_rank

    def __call__(self, name: str = "job") -> tuple[str, int, str]:
        name += f"-{rank()[0]}" if self.by_rank else ""
        done = len(list(self.folder.glob(f"{name}-run*")))
        (self.folder / f"{name}-run{done}").write_text(str(Path.cwd()))
        if done + 1 < self.runs:
            time.sleep(300)
        return name, done + 1, str(Path.cwd())

    def checkpoint(self, *args: Any) -> DelayedSubmission:
        return DelayedSubmission(self, *args)


class SlowCheckpoint(Resumable):
    """Takes a while to write its checkpoint, and leaves a file for each time that it begins."""

    def __init__(self, folder: Path, seconds: float = 2) -> None:
        super().__init__(folder)
        self.seconds = seconds

    def checkpoint(self, *args: Any) -> DelayedSubmission:
        (self.folder / f"checkpoint{time.time_ns()}").touch()
        time.sleep(self.seconds)
        return DelayedSubmission(self, *args)
