"""The books of a launch, and what they cost where trials are many."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hyperherd.launch.base import JobEnd, JobHandle, TrialJob
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.records.events import read_events
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialError, TrialRecord
from hyperherd.sweep.resuming.reconcile import events_by_trial, status_of
from hyperherd.sweep.running.collect import Collector

MANY = 300


def calls_of(work: Callable[[], object]) -> int:
    """Return how many Python functions `work` calls."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_trials_that_are_dropped_reach_the_disk_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [PlannedTrial(number, f"k{number}", "n", (), {}, dir=str(number)) for number in range(MANY)]
    collector = Collector(tmp_path, trials)
    collector.handing_over([collector.job(7)], "batch")
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), fsync(descriptor)))
    dropped = collector.drop([*range(5, MANY + 5)], "no longer wanted")
    assert dropped == [5, 6, *range(8, MANY)]
    assert len(synced) == 1
    noted = {event.number: event.message for event in read_events(tmp_path) if event.event == "cancelled"}
    assert noted == dict.fromkeys(dropped, "no longer wanted")
    assert [collector.statuses[number].reason for number in dropped] == list(noted.values())
    assert collector.drop(dropped, "again") == []
    assert len(synced) == 1


def test_a_failed_trial_whose_configuration_is_pruned_before_it_runs_again_has_failed(tmp_path: Path) -> None:
    trials = [PlannedTrial(number, f"k{number}", "n", (), {}, dir=str(number)) for number in range(2)]
    collector = Collector(tmp_path, trials)
    collector.handing_over([collector.job(0)], "first")
    error = TrialError("ValueError", "no")
    failed = TrialRecord(0, "k0", "n", (), {}, 0, TrialState.FAILED, FailureCause.EXCEPTION, error=error)
    (tmp_path / "0/.hyperherd/attempts").mkdir(parents=True)
    (tmp_path / "0/.hyperherd/attempts/0").touch()
    failed.write(tmp_path / "0")
    collector.ended(JobEnd(JobHandle(TrialJob(0, 0, ()))))
    collector.retried(0)
    collector.handing_over([collector.job(0), collector.job(1)], "again")
    meant = collector.prune_unstarted({0: "pruned", 1: "pruned"})
    assert [handle.job.number for handle in meant] == [0, 1]
    for handle in meant:
        collector.ended(JobEnd(handle, None, "cancelled before it began", "cancelled"))
    events = events_by_trial(tmp_path)
    found = [status_of(tmp_path, trial, events[trial.number]) for trial in trials]
    assert [(one.state, one.reason) for one in found] == [("failed", "ValueError: no"), ("pruned", "pruned")]


def test_cancelling_looks_at_each_trial_once() -> None:
    launcher: Any = HydraLauncher(None, lambda job: False)  # type: ignore[arg-type]
    handles = launcher.submit([TrialJob(number, 0, (f"lr={number}",)) for number in range(MANY)], "batch")
    assert calls_of(lambda: launcher.cancel(handles[1:])) < 20 * MANY
    assert [launcher._waiting, launcher._dropped] == [handles[:1], handles[1:]]
