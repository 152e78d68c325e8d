import json
import os
import shutil
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from metrics.dying import DYING
from waiting import PATIENCE

from hyperherd.cli.main import main
from hyperherd.errors import FormatError, SweepError
from hyperherd.metrics.consolidate.compact import compact
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import has_metrics, read_final, read_metrics, read_summary
from hyperherd.metrics.store.sweep_file import compacted_path
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import SweepPaths, TrialPaths
from hyperherd.records.disk.atomic import FileOps
from hyperherd.records.events import Event

OBJECTIVE = {"metric": "m", "direction": "maximize"}


def log(trial, steps, attempt=0):
    writer = MetricWriter(trial, attempt)
    for step in steps:
        writer.log({"m": float(step), "n": 1.0}, step)
    writer.log_final({"x": attempt})
    writer.close()


@pytest.fixture
def sweep(tmp_path):
    """Three trials: one of ours, one that was killed, one that only Hydra knows."""
    sweep = tmp_path / "sweep"
    SweepPaths(sweep).records.mkdir(parents=True)
    for number, name in enumerate(["a/0", "a/1", "plain"]):
        log(sweep / name, range(5 * (number + 1)))
        if name != "a/1":
            merge(sweep / name, OBJECTIVE)
        if number < 2:
            book = {"number": number, "key": "k", "name": "n", "overrides": [], "params": {}, "attempt": 0}
            TrialPaths(sweep / name).trial.write_text(
                json.dumps({**book, "state": "completed", "started": 1.0, "ended": 2.0, "format": 1})
            )
    return sweep


def trials(sweep):
    return {0: sweep / "a/0", 1: sweep / "a/1", 2: sweep / "plain"}


def everything(sweep):
    rows = [read_metrics(path, raw=True).to_pylist() for path in trials(sweep).values()]
    return rows, [(read_final(path), read_summary(path, OBJECTIVE)) for path in trials(sweep).values()]


@pytest.mark.parametrize("delete", [False, True])
def test_what_is_read_is_the_same(sweep, delete):
    before = everything(sweep)
    for _ in range(2):
        done = compact(sweep, delete=delete)
        assert (done.trials, done.rows) == (3, 60)
        assert everything(sweep) == before
    assert [path.exists() for path in (TrialPaths(path).parquet for path in trials(sweep).values())] == [not delete] * 3
    assert read_metrics(sweep / "plain", ["m"], since=time.time() + 9).num_rows == 0
    assert all(map(has_metrics, trials(sweep).values()))
    assert not has_metrics(sweep / "other")
    table = pq.read_table(compacted_path(sweep))
    assert table.column_names == ["number", "step", "metric", "value", "time", "attempt", "json"]
    assert table["number"].to_pylist() == sorted(table["number"].to_pylist())


def test_a_trial_that_goes_on_afterwards(sweep):
    compact(sweep, delete=True)
    trial = sweep / "a/1"
    log(trial, range(8, 12), attempt=1)
    for _ in range(2):
        assert read_metrics(trial, ["m"])["step"].to_pylist() == list(range(12))
        assert read_metrics(trial, ["m"])["attempt"].to_pylist() == [0] * 8 + [1] * 4
        running = RunningSummary(trial, OBJECTIVE)
        running.refresh()
        assert running.metrics["m"]["count"] == 12
        assert running.objective["best"] == 11
        merge(trial)
    assert TrialPaths(trial).parquet.exists()
    compact(sweep, delete=True)
    assert read_metrics(trial, ["m"])["step"].to_pylist() == list(range(12))


def test_a_sweep_that_still_runs_is_refused(sweep):
    trial = TrialPaths(sweep / "a/1").trial
    book = trial.read_text()
    running = {**json.loads(book), "state": "running", "ended": None, "heartbeat": time.time(), "host": "elsewhere"}
    trial.write_text(json.dumps(running))
    with pytest.raises(SweepError, match=r"trial 1 in .* is running"):
        compact(sweep)
    trial.write_text(book)
    SweepPaths(sweep).lock.write_text(json.dumps({"host": os.uname().nodename, "pid": os.getpid()}))
    with pytest.raises(SweepError, match="is still running"):
        compact(sweep)
    SweepPaths(sweep).lock.unlink()
    writer = MetricWriter(sweep / "plain", 0)
    writer.log({"m": 1.0}, 50)
    with pytest.raises(SweepError, match="a running process may still be writing metrics"):
        compact(sweep)
    writer.close()
    assert not compacted_path(sweep).exists()
    compact(sweep)


def test_each_event_is_looked_at_a_fixed_number_of_times(sweep, monkeypatch):
    """However many trials available: with 4,000 of them and their events, the look at each pair took 20 s."""
    seen = []

    class Counted(Event):
        def __getattribute__(self, name):
            if name == "number":
                seen.append(name)
            return super().__getattribute__(name)

    for number in range(40):
        book = {"number": number, "key": "k", "name": "n", "overrides": [], "params": {}, "attempt": 0}
        TrialPaths(sweep / f"b/{number}").trial.parent.mkdir(parents=True)
        TrialPaths(sweep / f"b/{number}").trial.write_text(json.dumps({**book, "state": "completed", "format": 1}))
    events = [Counted("submitted", number, 0) for number in range(40)]
    monkeypatch.setattr("hyperherd.metrics.consolidate.compact.read_events", lambda folder: events)
    compact(sweep)
    assert len(seen) <= 3 * len(events)


@pytest.mark.slow
def test_a_kill_between_any_two_operations(sweep, tmp_path):
    for trial in trials(sweep).values():
        merge(trial)
    expected = everything(sweep)
    code = (
        DYING
        + """if True:
        from pathlib import Path
        from hyperherd.metrics.consolidate.compact import compact
        for operation, folder in enumerate(sys.argv[1:]):
            child = os.fork()
            if not child:
                compact(Path(folder), delete=True, files=Dying(operation))
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    copies = [tmp_path / str(operation) for operation in range(9)]
    for copy in copies:
        shutil.copytree(sweep, copy)
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, copies)]
    died = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout.split()
    assert died.count(b"9") == 7  # Created, synced, renamed, the folder synced; three originals deleted.
    for copy in copies:
        assert everything(copy) == expected
        compact(copy, delete=True)
        assert everything(copy) == expected
        assert sorted(path.name for path in SweepPaths(copy).records.iterdir()) == ["metrics.parquet"]


def test_a_full_disk_costs_nothing(sweep):
    class FullDisk(FileOps):
        def sync(self, stream):
            raise OSError(28, "No space left on device")

    for trial in trials(sweep).values():
        merge(trial)
    before = everything(sweep)
    with pytest.raises(OSError, match="No space left"):
        compact(sweep, delete=True, files=FullDisk())
    assert everything(sweep) == before
    assert not list(SweepPaths(sweep).records.iterdir())


def test_from_the_command_line(sweep, capsys):
    assert main(["compact", str(sweep), "--delete"]) == 0
    assert "wrote 60 rows of 3 trials to" in capsys.readouterr().out
    assert main(["compact", str(sweep / "nothing")]) == 1
    assert "contains no trials" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["../other/0", "{other}/0", "link"])
def test_an_earlier_file_that_names_what_is_elsewhere(sweep, tmp_path, place):
    """A file is data: whatever trials it names, nothing outside of its own sweep is read, merged or deleted."""
    other = tmp_path / "other" / "0"
    log(other, range(5))
    merge(other, OBJECTIVE)
    compact(sweep)
    path = compacted_path(sweep)
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    known = json.loads(metadata[b"hyperherd.trials"])
    known[place.format(other=other.parent)] = known["a/0"]
    (sweep / "link").symlink_to(other)
    pq.write_table(table.replace_schema_metadata({**metadata, b"hyperherd.trials": json.dumps(known)}), path)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=r"link that leaves|record of"):
        compact(sweep, delete=True)
    assert (other / "metrics.parquet").is_file()
    assert (sweep / "a/0/metrics.parquet").is_file()
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", [".hyperherd", ".hyperherd/metrics"])
def test_a_trial_whose_records_are_a_link_elsewhere(sweep, tmp_path, name):
    other = tmp_path / "other"
    log(other, range(5))
    shutil.rmtree(sweep / "a/1" / name)
    (sweep / "a/1" / name).symlink_to(other / name)
    with pytest.raises(FormatError, match="is a link that leaves"):
        compact(sweep, delete=True)
    assert list((other / ".hyperherd/metrics").glob("journal-*"))
    assert (sweep / "a/0/metrics.parquet").is_file()
