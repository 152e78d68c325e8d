"""A disk that is full at any byte, and a writer that is killed there, cost what was not written and nothing else."""

from __future__ import annotations

import json
import logging
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.events import Event, EventLog, read_events
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import logbook as logbook_module
from hyperherd.trial.ending import Ending
from hyperherd.trial.logbook import Logbook

EVENTS = [Event("submitting", number, 0, time=float(number)) for number in range(3)]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes while the block runs, as on a full disk: a write may be short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _size_of(events: list[Event], folder: Path) -> int:
    EventLog(folder).write(events)
    (path,) = SweepPaths(folder).events.iterdir()
    return path.stat().st_size


def test_an_event_that_the_disk_takes_no_part_of_is_written_later(tmp_path: Path) -> None:
    """At every byte at which the disk may be full."""
    for size in range(0, _size_of(EVENTS, tmp_path / "whole"), 3):
        folder = tmp_path / str(size)
        log = EventLog(folder)
        with files_of_at_most(size):
            for event in EVENTS:
                log.write([event])
        assert [event.number for event in read_events(folder)] == list(range(len(read_events(folder))))
        log.write([Event("cancelled", 3, 0, time=3.0)])
        assert [event.number for event in read_events(folder)] == [0, 1, 2, 3]
        (path,) = SweepPaths(folder).events.iterdir()
        assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [0, 1, 2, 3]


def test_an_intent_that_cannot_be_noted_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.write(EVENTS[:1])
    (path,) = SweepPaths(tmp_path).events.iterdir()
    whole = path.read_bytes()
    for more in range(0, 30, 7):
        with files_of_at_most(len(whole) + more), pytest.raises(OSError, match="File too large"):
            log.write(EVENTS[1:], first=True)
        assert path.read_bytes() == whole


def test_a_line_torn_by_a_kill_costs_itself_alone(tmp_path: Path) -> None:
    _size_of(EVENTS, tmp_path)
    (path,) = SweepPaths(tmp_path).events.iterdir()
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        assert len(read_events(tmp_path)) - complete in (0, 1)


def _logbook(trial_dir: Path, attempt: int = 0) -> Logbook:
    sweep = SweepRecord("s", 0.0, "app.py", "app", {}, {}, objective={"metric": "loss", "direction": "minimize"})
    return Logbook(PlannedTrial(0, "k", "n", (), {}), trial_dir, attempt, sweep, trial_dir.parent)


def test_the_last_state_is_written_when_there_is_room_again(tmp_path: Path) -> None:
    book = _logbook(tmp_path)
    book.open(choices={}, config_hash="")
    has_failed = threading.Event()
    warn, book._warn = book._warn, lambda error: (warn(error), has_failed.set())  # type: ignore[method-assign]
    ended = threading.Thread(target=book.close, args=(Ending(TrialState.COMPLETED),))
    with files_of_at_most(10):
        ended.start()
        assert has_failed.wait(10)
        assert TrialRecord.read(tmp_path).state is TrialState.RUNNING
    ended.join(20)
    assert TrialRecord.read(tmp_path).state is TrialState.COMPLETED


def test_a_disk_that_stays_full_holds_up_a_trials_end_for_a_while_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook_module, "LAST_WORD_SECONDS", 0.2)
    monkeypatch.setattr(logbook_module, "HEARTBEAT_SECONDS", 0.05)
    book = _logbook(tmp_path)
    book.open(choices={}, config_hash="")
    with files_of_at_most(10):
        assert book.close(Ending(TrialState.COMPLETED)).state is TrialState.COMPLETED
    (insisting,) = [thread for thread in threading.enumerate() if thread.name == "hyperherd-last-word"]
    insisting.join(10)
    assert TrialRecord.read(tmp_path).state is TrialState.COMPLETED


@pytest.mark.parametrize("damage", ["empty", "text", "half", "middle"])
def test_metrics_that_cannot_be_read_are_moved_aside_and_the_next_attempt_goes_on(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = _logbook(tmp_path)
    first.open(choices={}, config_hash="")
    writer = MetricWriter(tmp_path, 0)
    for step in range(200):
        writer.log({"loss": step / 7}, step)
    writer.close()
    first.close(Ending(TrialState.CANCELLED))
    path = TrialPaths(tmp_path).parquet
    data = path.read_bytes()
    damaged = {"empty": b"", "text": b"not Parquet", "half": data[: len(data) // 2]}
    path.write_bytes(damaged.get(damage, data[:100] + b"\0" * (len(data) // 3) + data[100 + len(data) // 3 :]))
    (TrialPaths(tmp_path).attempts / "1").parent.mkdir(exist_ok=True)
    (TrialPaths(tmp_path).attempts / "1").write_text("{}")
    book = _logbook(tmp_path, attempt=1)
    with caplog.at_level(logging.WARNING):
        book.open(choices={}, config_hash="")
        writer = MetricWriter(tmp_path, 1)
        writer.log({"loss": 0.5}, 7)
        writer.close()
        record = book.close(Ending(TrialState.COMPLETED))
    assert record.metrics["loss"]["last"] == 0.5
    assert TrialRecord.read(tmp_path).state is TrialState.COMPLETED
    (aside,) = tmp_path.glob("metrics.parquet.unreadable-*")
    assert str(aside) in caplog.text


def test_one_bad_line_of_the_plan_costs_that_line(tmp_path: Path) -> None:
    path = SweepPaths(tmp_path).trials
    path.parent.mkdir()
    good = '{"number": %d, "key": "k", "name": "n", "overrides": [], "params": {}}\n'
    path.write_text(good % 0 + '{"number": 1}\n' + "{torn\n" + good % 2)
    problems: list[str] = []
    assert [trial.number for trial in read_planned(tmp_path, problems)] == [0, 2]
    assert len(problems) == 1
    assert "not a planned trial" in problems[0]


def test_a_sweep_record_that_lacks_a_key_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = SweepPaths(tmp_path).sweep
    path.parent.mkdir()
    path.write_text('{"format": 1, "objective": {"metric": "loss", "direction": "minimize"}}')
    record = SweepRecord.read(tmp_path)
    assert (record.name, record.script, record.base) == (tmp_path.name, "", {})
    assert record.objective == {"metric": "loss", "direction": "minimize"}
