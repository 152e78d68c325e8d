"""Workers without a scheduler: how long one claims trials, and how its machine is shared out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob, TrialLauncher
from hyperherd.launch.cluster.settings import ClusterSettings
from hyperherd.launch.workers.job import WorkerTimes
from hyperherd.launch.workers.launcher import WorkersLauncher
from hyperherd.launch.workers.lingering import Lingering
from hyperherd.launch.workers.loop import Shift, Worker
from hyperherd.launch.workers.sharing import pool_options
from hyperherd.launch.workers.silence import Silence
from hyperherd.launch.workers.submission import WorkerJobs
from hyperherd.records.lock import SweepLock
from hyperherd.records.requests import ask_to_stop
from hyperherd.records.sweep import PlannedTrial, write_planned
from hyperherd.records.workers.growth import end_growth, is_growing, note_growth
from hyperherd.records.workers.ledger import Ledger, Roster
from hyperherd.records.workers.queue import Attempt, following_name, is_to_end, put_in_queue


def test_a_worker_claims_trials_while_there_is_time_for_one_as_long_as_the_longest() -> None:
    now = time.monotonic()
    assert Shift(None, 0.0).has_time(1e9)
    assert Shift(now + 100, 0.0).has_time(90)
    assert not Shift(now + 100, 0.0).has_time(110)
    assert not Shift(now + 100, 110.0).has_time(0)


@pytest.mark.parametrize(
    ("limit", "warned", "claims"),
    [(3600.0, 120.0, 3600 - 120 - 60 - 5), (60.0, 120.0, 60 - 30 - 15 - 5), (120.0, 5.0, 120 - 5 - 30 - 5)],
)
def test_a_worker_is_gone_before_it_could_be_warned(limit: float, warned: float, claims: float) -> None:
    assert WorkerTimes(limit, warned, 7.0).shift(1000.0) == Shift(1000.0 + claims, 7.0)
    assert WorkerTimes(None, warned, 7.0).shift(1000.0) == Shift(None, 7.0)


def test_a_worker_with_nothing_to_do_waits_while_its_sweep_says_that_more_follows(tmp_path: Path) -> None:
    now, lock = [100.0], SweepLock(tmp_path)
    lock.take()
    waits = Lingering(tmp_path, awaits_growth=True, clock=lambda: now[0])
    of_its_own = Lingering(tmp_path, awaits_growth=False, clock=lambda: now[0])
    note_growth(tmp_path)
    answers = []
    for _ in range(60):
        now[0] += 1
        answers.append((waits(), of_its_own()))
    assert answers == [(True, True)] * 30 + [(True, False)] * 30
    end_growth(tmp_path)
    later = []
    for _ in range(31):
        now[0] += 1
        later.append(waits())
    assert later == [True] * 29 + [False] * 2
    note_growth(tmp_path)
    assert waits()
    lock.release()  # as of a sweep that was killed: what it left is not believed
    assert not waits()


class NoJobs:
    """In place of a scheduler: no workers but those that somebody starts by hand."""

    name = "herd_slurm"

    def jobs(self, count: int, resources: object) -> list[TrialJob]:
        return []

    def batches(self, jobs: list[TrialJob]) -> list[list[TrialJob]]:
        return []

    def cancel(self, handles: list[JobHandle]) -> None:
        assert not handles


def test_a_trial_that_is_cancelled_when_its_worker_puts_it_back_does_not_run_again(tmp_path: Path) -> None:
    settings = SimpleNamespace(workers=1, trials_per_worker=1, parallelism=1)
    launcher = WorkersLauncher(cast(WorkerJobs, NoJobs()), tmp_path, cast(ClusterSettings, settings))
    handles = launcher.submit([TrialJob(0, 0, ())], "batch")
    ledger, following = Ledger(tmp_path), Attempt(0, 1)
    ledger.began(None)
    ledger.claimed(Attempt(0, 0))
    put_in_queue(tmp_path, following_name(ledger.worker, following), "", [following])
    launcher.cancel(handles)
    ledger.back(Attempt(0, 0), "it was told to end")
    end = next(launcher.events())
    assert isinstance(end, JobEnd)
    assert (end.verdict, end.reason) == ("cancelled", "cancelled when its worker ended")
    assert is_to_end(tmp_path, following)


def test_where_it_cannot_be_noted_that_more_follows_no_sweep_ends(tmp_path: Path) -> None:
    (tmp_path / ".hyperherd").mkdir()
    (tmp_path / ".hyperherd/workers").touch()
    note_growth(tmp_path)
    assert not is_growing(tmp_path)
    end_growth(tmp_path)


@pytest.mark.parametrize("may_claim", [True, False])
def test_a_worker_starts_nothing_of_a_sweep_that_was_stopped_or_is_gone(tmp_path: Path, may_claim: bool) -> None:
    write_planned(tmp_path, [PlannedTrial(0, "k", "", (), {}, dir="0")])
    put_in_queue(tmp_path, "a", "", [Attempt(0, 0)])
    if may_claim:
        ask_to_stop(tmp_path, "herd-results stop was called")
    pool = cast(TrialLauncher, None)  # it gets nothing
    worker = Worker(tmp_path, pool, may_claim=lambda: may_claim, lingers=lambda: True)
    worker.run()
    assert worker.states == []
    assert not (tmp_path / "0").exists()


def test_a_trial_is_gone_with_its_worker_and_when_it_is_silent_for_long(tmp_path: Path) -> None:
    ledger, roster, now, sign = Ledger(tmp_path), Roster(tmp_path), [0.0], [object()]
    ledger.began(None)
    roster.news()
    attempt, silence = Attempt(0, 0), Silence(roster, lambda: now[0])
    silence.sign_of_life = lambda number: sign[0]
    for seconds in (0.0, 100.0, 170.0):
        now[0] = seconds
        assert not silence.is_gone(attempt, ledger.worker)
    sign[0] = object()
    for seconds, is_gone in ((190.0, False), (360.0, False), (380.0, True)):
        now[0] = seconds
        assert silence.is_gone(attempt, ledger.worker) is is_gone
    assert silence.lives(attempt, ledger.worker)
    roster.workers[ledger.worker] = replace(roster.workers[ledger.worker], pid=4194304)
    sign[0] = object()
    assert not silence.is_gone(attempt, ledger.worker)  # the trial has not ended yet
    assert not silence.lives(attempt, ledger.worker)
    silence.sign_of_life = lambda number: None
    assert silence.is_gone(attempt, ledger.worker)


@pytest.mark.parametrize(
    ("mask", "at_once", "expected"),
    [
        ("", 4, (4, 2, None, 1)),
        ("0,1", 1, (1, 8, 2, 1)),
        ("0,1", 2, (2, 4, 1, 1)),
        ("0,1,2,3", 2, (2, 4, 2, 1)),
        ("0,1", 4, (4, 2, 1, 2)),
        ("0,1", 3, (3, 2, 1, 2)),
    ],
)
def test_cores_and_gpus_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, mask: str, at_once: int, expected: tuple[int, int, int | None, int]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    options = pool_options(at_once, 8)
    names = ("max_parallel", "threads", "gpus_per_trial", "trials_per_gpu")
    assert tuple(options[name] for name in names) == expected
