"""What a sweep costs while it waits: the loop that collects ends, and the live table, beside many running trials.

    python benchmarks/watching.py                              # 5,000 trials, 1,000 of them running, for 60 s
    python benchmarks/watching.py --trials 500 --running 100 --seconds 20

A second process keeps the records of the running trials as trials do: each writes a heartbeat with two metrics every
30 s, one trial ends in every second and another begins. The sweep is the real loop (`RunLoop`, `Collector`, `watched`)
over a launcher that reports those ends and otherwise lets the loop turn once a second; its table goes to a terminal.
Each figure is a share of one core: CPU time of this process over the seconds.
"""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.paths import SweepPaths
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.failure_policy import FailureTracker, Policy
from hyperherd.sweep.running.collect import Collector
from hyperherd.sweep.running.live_table import watched
from hyperherd.sweep.running.run_loop import RunLoop

HEARTBEAT = 30.0
MOST = 0.05
"""The share of a core that is aimed at."""


def planned(trials: int) -> list[PlannedTrial]:
    return [
        PlannedTrial(number, f"{number:016x}", f"lr-{number}", (f"lr={number}",), {"lr": number}, str(number))
        for number in range(trials)
    ]


def record(trial: PlannedTrial, state: TrialState, step: int) -> TrialRecord:
    now = time.time()
    value = {"last": 1.0 / (step + 1), "best": 0.0, "min": 0.0, "max": 1.0, "step": step, "count": step + 1}
    return TrialRecord(
        trial.number, trial.key, trial.name, trial.overrides, trial.params, 0, state,
        started=now - step, heartbeat=now, beats=step, host="elsewhere", pid=1, step=step, max_step=1000,
        ended=now if state.ended else None, metrics={"val/loss": value, "val/acc": value}, step_seconds=1.0,
    )  # fmt: skip


def write_sweep(sweep_dir: Path, trials: int) -> None:
    SweepRecord("s", time.time(), "app.py", "app", {}, {}).write(sweep_dir)
    write_planned(sweep_dir, planned(trials))


def keep_writing(sweep_dir: Path, trials: int, running: int) -> None:
    """Be all the trials; the first end comes when all the others have begun, and is printed, as each that follows."""
    everything = planned(trials)
    alive = list(range(running))
    for number in alive:
        record(everything[number], TrialState.RUNNING, 1).write(sweep_dir / str(number), durable=False)
    print("begun", flush=True)
    step, turn, began = 1, 0, time.monotonic()
    while True:
        time.sleep(max(0.0, began + turn * HEARTBEAT / running - time.monotonic()))
        turn, step = turn + 1, step + (turn % running == 0)
        place = turn % running
        number = alive[place]
        if turn % max(1, int(running / HEARTBEAT)) == 0 and max(alive) + 1 < trials:
            record(everything[number], TrialState.COMPLETED, step).write(sweep_dir / str(number), durable=False)
            print(number, flush=True)
            number = alive[place] = max(alive) + 1
        record(everything[number], TrialState.RUNNING, step).write(sweep_dir / str(number), durable=False)


class Waiting(TrialLauncher):
    """Takes all trials, and reports the ends that the other process prints."""

    def __init__(self, writer: subprocess.Popen[str], seconds: float) -> None:
        self._handles: dict[int, JobHandle] = {}
        self._ends: list[int] = []
        self._until = time.monotonic() + seconds
        threading.Thread(target=self._listen, args=(writer,), daemon=True).start()

    def _listen(self, writer: subprocess.Popen[str]) -> None:
        for line in writer.stdout or ():
            self._ends.append(int(line))

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        handles = [JobHandle(job) for job in jobs]
        self._handles.update({handle.job.number: handle for handle in handles})
        return handles

    def events(self) -> Iterator[JobEnd | None]:
        while time.monotonic() < self._until:
            time.sleep(1.0)
            ends, self._ends = self._ends, []
            yield from (JobEnd(self._handles.pop(number)) for number in ends)
            yield None

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        raise AssertionError("nothing is cancelled here")


def share(sweep_dir: Path, writer: subprocess.Popen[str], trials: int, seconds: float, *, table: bool) -> float:
    """Return the share of a core that the loop takes; with the table, which goes to standard output, or without."""
    everything = planned(trials)
    launcher = Waiting(writer, seconds)
    collector = Collector(sweep_dir, everything)
    judge = FailureTracker(Policy(), launcher, trials)
    with watched(launcher, sweep_dir, everything, "val/loss") as refresh:
        loop = RunLoop(launcher, collector, judge, "app", (refresh,) if table else ())
        loop._add(range(trials))  # handing them over is not what is measured
        refresh()
        before, began = time.process_time(), time.monotonic()
        loop._take_ends()
        taken = (time.process_time() - before) / (time.monotonic() - began)
    assert sum(status.state.done for status in collector.statuses.values()) > seconds / 2, "no trial has ended"
    return taken


def on_a_terminal() -> None:
    """Let standard output be a terminal that takes whatever is written."""
    ours, theirs = pty.openpty()
    os.dup2(theirs, 1)
    threading.Thread(target=lambda: all(iter(lambda: os.read(ours, 1 << 16), b"")), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--running", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of the two figures")
    parser.add_argument("--writer", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.writer:
        keep_writing(Path(given.writer), given.trials, given.running)
    shown = os.dup(1)
    on_a_terminal()
    for what in ("the loop alone", "with the live table"):
        with tempfile.TemporaryDirectory() as folder:
            sweep_dir = Path(folder) / "s"
            write_sweep(sweep_dir, given.trials)
            SweepPaths(sweep_dir).requests.mkdir(parents=True)
            options = ["--trials", str(given.trials), "--running", str(given.running), "--writer", str(sweep_dir)]
            writer = subprocess.Popen([sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True)
            assert writer.stdout is not None
            writer.stdout.readline()
            found = share(sweep_dir, writer, given.trials, given.seconds, table=what != "the loop alone")
            writer.kill()
            writer.wait()
        line = (
            f"{given.trials:,} trials, {given.running:,} running, {what:<20} {found:6.1%} of a core (aim: {MOST:.0%})"
        )
        os.write(shown, f"{line}\n".encode())


if __name__ == "__main__":
    main()
