"""Paused trials that are to run on: what else may be asked of them, and a launcher that does not take them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.records.requests import ask_to_cancel, ask_to_run_on
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.failure_policy import FailureTracker, Policy
from hyperherd.sweep.resuming.reconcile import events_by_trial, status_of
from hyperherd.sweep.running.collect import Collector
from hyperherd.sweep.running.run_loop import RunLoop

Run = tuple[int, int]


class InTurn(TrialLauncher):
    """Runs one trial after another: the first attempt of trial 0 is paused, all others complete."""

    def __init__(self, folder: Path, when: Mapping[Run, Callable[[], object]], refuses: Run | None) -> None:
        self._folder, self._when, self._refuses = folder, when, refuses
        self._waiting: list[TrialJob] = []
        self._cancelled: list[JobEnd] = []
        self.ran: list[Run] = []

    def submit(self, jobs: Sequence[TrialJob], name: str) -> list[JobHandle]:
        if self._refuses in [(job.number, job.attempt) for job in jobs]:
            raise SweepError("no such partition")
        self._waiting += jobs
        return [JobHandle(job, None, name) for job in jobs]

    def events(self) -> Iterator[JobEnd]:
        while self._waiting or self._cancelled:
            if self._cancelled:
                yield self._cancelled.pop(0)
                continue
            job = self._waiting.pop(0)
            one, trial_dir = (job.number, job.attempt), self._folder / str(job.number)
            (trial_dir / ".hyperherd/attempts").mkdir(parents=True, exist_ok=True)
            (trial_dir / f".hyperherd/attempts/{job.attempt}").touch()
            state = TrialState.PAUSED if one == (0, 0) else TrialState.COMPLETED
            TrialRecord(job.number, f"k{job.number}", "n", (), {}, job.attempt, state).write(trial_dir)
            self.ran.append(one)
            self._when.get(one, int)()
            yield JobEnd(JobHandle(job))

    def cancel(self, handles: Sequence[JobHandle]) -> None:
        self._cancelled += [JobEnd(handle, None, "on request", "cancelled") for handle in handles]
        cancelled = {handle.job.number for handle in handles}
        self._waiting = [job for job in self._waiting if job.number not in cancelled]


def ran(
    folder: Path, when: Mapping[Run, Callable[[], object]] | None = None, refuses: Run | None = None
) -> tuple[list[Run], str]:
    """Return which attempts of two trials ran, where a paused one is to run on, and how trial 0 stands in the end."""
    trials = [PlannedTrial(number, f"k{number}", "n", (), {}, dir=str(number)) for number in range(2)]
    launcher, collector = InTurn(folder, when or {}, refuses), Collector(folder, trials)
    judge = FailureTracker(Policy(failures=1), launcher, 2)
    loop = RunLoop(
        launcher, collector, judge, "s", (), promoted=lambda: dict.fromkeys(collector.paused, "it is the best")
    )
    loop.run([0, 1])
    status = status_of(folder, trials[0], events_by_trial(folder)[0])
    assert status == collector.statuses[0]
    return launcher.ran, f"{status.state}: {status.reason}" if status.reason else str(status.state)


def test_it_runs_on(tmp_path: Path) -> None:
    assert ran(tmp_path) == ([(0, 0), (1, 0), (0, 1)], "completed")


def test_one_that_is_refused_has_not_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ran(tmp_path, refuses=(0, 1)) == ([(0, 0), (1, 0)], "cancelled: no such partition")
    assert "trial 0 cannot be submitted: no such partition" in caplog.text


def test_one_that_was_cancelled_before_it_was_paused_does_not(tmp_path: Path) -> None:
    asked = {(0, 0): lambda: ask_to_cancel(tmp_path, [0])}
    assert ran(tmp_path, asked) == ([(0, 0), (1, 0)], "cancelled: cancelled on request")


def test_nothing_runs_on_when_all_that_runs_was_cancelled(tmp_path: Path) -> None:
    asked = {(0, 0): lambda: ask_to_cancel(tmp_path, [1])}
    assert ran(tmp_path, asked) == ([(0, 0)], "paused")


def test_one_that_somebody_wants_to_run_on_as_well_is_no_stranger(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        asked = {(0, 1): lambda: ask_to_run_on(tmp_path, [0])}
        assert ran(tmp_path, asked) == ([(0, 0), (1, 0), (0, 1)], "completed")
    assert "trial 0 runs on: it is the best" in caplog.text
    assert "when the sweep is started again" not in caplog.text
