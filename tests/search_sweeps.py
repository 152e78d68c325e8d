"""Searches that tests run: what they have in common, and what must be true of them under every launcher."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from conftest import App, Sweep
from waiting import PATIENCE, until
from worker_sweeps import living

from hyperherd.sweep.searching.asked import by_point

BODY = """
from hyperherd import log_result
def note(what):
    with open(os.environ.get("LOG", os.devnull), "a") as log:
        log.write(f"{HydraConfig.get().job.num} {what}\\n")
note("began")
if (gate := os.environ.get("WAIT_FOR")) and cfg.lr > 0.5:
    while not os.path.exists(gate):
        time.sleep(0.02)
time.sleep(float(os.environ.get("SECONDS", 0)))
if os.environ.get("FAIL") and cfg.lr > 0.8:
    raise ValueError("diverged")
log_result("loss", (cfg.lr - 0.3) ** 2)
note("ended")
"""
CONFIG = "lr: 0.1\nseed: 0\n"
SPACE = ("lr=interval(0.0,1.0)", "hydra.sweeper.objective={metric: loss, direction: minimize}")


def sampler(trials: int, **given: Any) -> str:
    more = "".join(f", {name}: {value}" for name, value in given.items())
    return f"hydra.sweeper.sampler={{name: tpe, trials: {trials}, startup: 3, seed: 1{more}}}"


def check_that_no_slot_is_idle(app: App, *launcher: str, by_hand: bool = False) -> None:
    """Check that all other trials run beside one that takes as long as they do together; two run at once.

    Only the one that was asked for by name is above 0.5, and it waits for the others.

    Args:
        app: which.
        launcher: its overrides.
        by_hand: whether the second place is that of a worker which somebody starts when the first is taken.
    """
    gate, log = app.folder / "gate", app.folder / "log"
    conditions = "hydra.sweeper.conditions=[{when: {expr: 'lr > 0.5 and lr != 0.75'}, exclude: true}]"
    command = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *SPACE, *launcher, conditions)
    app.write(BODY, CONFIG)
    environment = {"WAIT_FOR": str(gate), "LOG": str(log)}
    process = app.start(*command, sampler(6, enqueue="[{lr: 0.75}]"), **environment)
    worker = None
    if by_hand:
        until(lambda: _began(log), process)
        work = [sys.executable, "-m", "hyperherd.cli", "work", str(app.folder / "s")]
        worker = subprocess.Popen(work, cwd=app.folder, env={**os.environ, **environment})
    until(lambda: set(_began(log)) == set(range(6)), process)
    assert "0 ended" not in log.read_text()
    gate.touch()
    out, _ = process.communicate()
    assert process.returncode == 0, out
    assert "6 completed" in out
    assert worker is None or worker.wait(PATIENCE) == 0


def check_search_kills(
    folder: Path, kills: int, seed: int, *launcher: str, longest: float = 4.0, workers: bool = False
) -> Counter[str]:
    """Kill a search at random instants, let it end, and check that it is whole; return how often what was killed.

    Args:
        folder: of its app.
        kills: how many at most.
        seed: of the instants and the victims.
        launcher: its overrides.
        longest: seconds between two kills.
        workers: whether workers are killed, too.
    """
    folder.mkdir(parents=True)
    app = App(folder).write(BODY, CONFIG)
    rng, log, trials = random.Random(seed), folder / "log", 12
    command = (*SPACE, *launcher, sampler(trials))
    environment = {"LOG": str(log), "SECONDS": "1" if workers else "0.3"}
    killed, done = Counter[str](), dict[int, int]()
    started = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *command)
    process, sweep = app.start(*started, **environment), Sweep(cast(Any, None), folder / "multirun" / "s")
    for _ in range(kills):
        time.sleep(rng.uniform(1.0, longest))
        if process.poll() is not None:
            break
        victims = []
        if workers and rng.random() < 0.6:
            while not (victims := living(sweep.dir)) and process.poll() is None:
                time.sleep(0.1)
        if victims:
            killed["worker"] += 1
            with suppress(ProcessLookupError):
                os.kill(rng.choice(victims), rng.choice([signal.SIGKILL, signal.SIGTERM]))
        else:
            killed["sweep"] += 1
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        done |= _done(sweep, log)
        if not victims:
            process = app.start(*started, **environment)
    process.communicate()
    sweep = app.sweep(*command, **environment)
    check_that_search_is_whole(sweep, trials)
    began = _began(log)
    assert {number: began[number] for number in done} == done  # what was done has not begun again
    assert set(began) == set(range(trials))
    assert all(began[number] <= record.attempt + 1 for number, record in sweep.records.items())
    return killed


def _began(log: Path) -> Counter[int]:
    """Return how often each trial has begun."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(int(line.split()[0]) for line in lines if line.endswith("began"))


def _done(sweep: Sweep, log: Path) -> dict[int, int]:
    """Return the trials that are done by their own record, with how often each has begun."""
    return {number: _began(log)[number] for number, state in sweep.states.items() if state == "completed"}


def check_that_search_is_whole(sweep: Sweep, trials: int) -> None:
    """Check that no trial is lost or there twice, and that the records say how each was chosen."""
    assert [trial.number for trial in sweep.planned] == list(range(trials))
    assert len({trial.key for trial in sweep.planned}) == trials
    assert sweep.states == dict.fromkeys(range(trials), "completed")
    points = by_point(sweep.planned)
    assert list(points) == list(range(trials))
    told = [point for asked, _ in points.values() for point in asked.after]
    assert len(told) == len(set(told))
