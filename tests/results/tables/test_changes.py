from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from results.builder import SweepBuilder, every_state

from hyperherd import load
from hyperherd.records.states import TrialState
from hyperherd.records.status import process_started
from hyperherd.results.tables.changes import Watcher, all_well, end_record, has_ended


def test_only_changes_are_told(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    sweep.running({"val/acc": 0.1}, params={"lr": 2}, step=1)
    sweep.running(silent=900)
    watcher = Watcher()
    first = list(watcher.changes(load(sweep.dir)))
    assert [record["state"] for record in first] == ["completed", "running", "stalled"]
    assert first[0]["value"] == 0.5
    assert first[0]["metric"] == "val/acc"
    assert list(watcher.changes(load(sweep.dir))) == []
    sweep.plan(lr=3)
    record = json.loads(sweep.file(1).read_text())
    sweep.file(1).write_text(json.dumps({**record, "step": 2}))
    assert [(record["number"], record["step"]) for record in watcher.changes(load(sweep.dir))] == [(1, 2), (3, None)]
    json.dumps(first, allow_nan=False)


def test_when_it_has_ended(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial()
    assert has_ended(load(sweep.dir))
    assert all_well(load(sweep.dir))
    sweep.plan(lr=1)
    assert has_ended(load(sweep.dir))  # nobody holds the sweep, so nobody will start it
    assert not all_well(load(sweep.dir))
    lock = sweep.dir / ".hyperherd" / "sweep.lock"
    ours = {"host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    for holder, ended in (
        (ours, False),
        ({**ours, "pid_started": 1.0}, True),
        ({**ours, "pid": 2**22 + 1}, True),
        ({**ours, "host": "elsewhere"}, False),
    ):
        lock.write_text(json.dumps(holder))
        assert has_ended(load(sweep.dir)) is ended, holder
    lock.write_text("torn")
    assert has_ended(load(sweep.dir))


@pytest.mark.parametrize("event", ["submitted", "running", "stalled"])
def test_what_may_still_change_is_waited_for(sweep: SweepBuilder, event: str) -> None:
    if event == "submitted":
        sweep.plan(lr=1)
        sweep.event(0, "submitted")
    else:
        sweep.running(silent=900 if event == "stalled" else 0)
    assert load(sweep.dir)[0].state.value == event
    assert not has_ended(load(sweep.dir))


def test_the_last_record(tmp_path: Path) -> None:
    record = end_record(load(every_state(tmp_path / "s").dir))
    assert record["event"] == "end"
    assert record["ok"] is False
    assert sum(record["counts"].values()) == 13
    assert TrialState.COMPLETED.value in record["counts"]
