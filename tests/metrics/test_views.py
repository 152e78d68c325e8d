"""What readers can ask for: since a time, other programs' files, arrays."""

import json
import subprocess
import sys

import numpy as np
import pytest
from waiting import PATIENCE

import hyperherd
from hyperherd.errors import NoTrialError, ResultsError
from hyperherd.metrics.arrays import list_arrays, read_array, save_array
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.consolidate.roll import make_part
from hyperherd.metrics.reader import has_metrics, read_metrics, read_summary, skipped
from hyperherd.metrics.rows import journal
from hyperherd.metrics.rows.sources import SourceName
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths


def log(trial, **metrics):
    writer = MetricWriter(trial, 0)
    for name, points in metrics.items():
        for step, value in points.items():
            writer.log({name: value}, step)
    writer.close()


def timed_journal(trial, attempt, times):
    path = TrialPaths(trial).metrics / str(SourceName(attempt, "node", 1, "a"))
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"ts": float(time), "step": time, "metrics": {"m": 0.5, "n": 1}} for time in times]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("form", ["journal", "part", "merged"])
def test_rows_since_a_time(tmp_path, form):
    path = timed_journal(tmp_path, 0, range(1, 1001))
    if form == "part":
        make_part(path.parent, [path.name], 0)
    if form == "merged":
        (TrialPaths(tmp_path).attempts).mkdir()
        (TrialPaths(tmp_path).attempts / "1").touch()
        merge(tmp_path)
    assert read_metrics(tmp_path, ["m"], since=990)["step"].to_pylist() == list(range(990, 1001))
    assert read_metrics(tmp_path, since=999.5, raw=True).num_rows == 2
    assert read_metrics(tmp_path, since=1001).num_rows == 0
    assert read_metrics(tmp_path, since=0).num_rows == 2000


def test_rows_since_a_time_cost_what_is_new(tmp_path, monkeypatch):
    timed_journal(tmp_path, 0, range(1, 20_001))
    monkeypatch.setattr(journal, "BLOCK", 4096)
    parsed = []
    parse = journal.parse
    monkeypatch.setattr(journal, "parse", lambda block: parsed.append(len(block)) or parse(block))
    assert read_metrics(tmp_path, ["m"], since=19_990)["step"].to_pylist() == list(range(19_990, 20_001))
    assert sum(parsed) < 3 * 4096


def test_which_rows_stand_is_known_from_older_ones_too(tmp_path):
    for attempt, times in enumerate([range(1, 100), range(90, 110)]):
        timed_journal(tmp_path, attempt, times)
    table = read_metrics(tmp_path, ["m"], since=80)
    assert table["attempt"].to_pylist() == [0] * 10 + [1] * 20
    assert read_metrics(tmp_path, ["m"], since=80)["step"].to_pylist() == list(range(80, 110))


def test_files_of_other_programs_in_all_their_places(tmp_path):
    sweep, trial = tmp_path / "sweep", tmp_path / "sweep" / "a" / "b"
    stream = sweep / ".hyperherd" / "results" / "3" / "stream"
    for path, line in {
        trial / "metrics.jsonl": {"step": 1, "flat": 1},
        trial / "logs" / "metrics.jsonl": {"ts": 2.5, "step": 1, "metrics": {"nested": 2}},
        stream / "val_acc.jsonl": {"step": 1, "value": 3, "ts": 2.5},
        stream / "train" / "loss.jsonl": {"step": 1, "value": 4, "ts": 2.5},
        TrialPaths(trial).trial: {"number": 3},
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(line) + "\n")
    log(trial, ours={1: 5.0})
    for _ in range(2):
        table = read_metrics(trial)
        found = dict(zip(table["metric"].to_pylist(), table["value"].to_pylist(), strict=True))
        assert found == {"flat": 1, "nested": 2, "val_acc": 3, "train/loss": 4, "ours": 5}
        assert skipped(table) == 0
        assert read_summary(trial)["rows"] == 5
        merge(trial)
    assert (stream / "val_acc.jsonl").exists()
    assert has_metrics(trial)
    assert not has_metrics(sweep / "other")


def test_what_other_programs_wrote_is_never_superseded_by_a_restart(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "theirs": 1}\n')
    for attempt in range(2):
        writer = MetricWriter(tmp_path, attempt)
        writer.log({"ours": 1.0, **({"gone": 1.0} if not attempt else {})}, 0)
        writer.close()
    assert read_metrics(tmp_path)["metric"].to_pylist() == ["ours", "theirs"]


def test_arrays_come_back(tmp_path):
    log(tmp_path, m={1: 1.0})
    for name in ("confusion", "val/größe", "..", "a b"):
        save_array(tmp_path, name, [[1, 2], [3, 4]], 10)
        save_array(tmp_path, name, np.eye(2, dtype=np.float32), 2)
        save_array(tmp_path, name, np.float64(3))
    save_array(tmp_path, "confusion", np.zeros(3), 10)
    assert list_arrays(tmp_path)["val/größe"] == [2, 10, None]
    assert set(list_arrays(tmp_path)) == {"confusion", "val/größe", "..", "a b"}
    assert read_array(tmp_path, "confusion", 10).tolist() == [0, 0, 0]
    assert read_array(tmp_path, "..", 2).dtype == np.float32
    assert read_array(tmp_path, "a b").shape == ()
    with pytest.raises(FileNotFoundError):
        read_array(tmp_path, "confusion", 3)
    with pytest.raises(TypeError, match="Python objects"):
        save_array(tmp_path, "x", [object()])
    with pytest.raises(TypeError):
        save_array(tmp_path, "x", [1], 1.5)


def test_an_array_that_cannot_be_kept_costs_itself_and_one_warning(tmp_path, caplog):
    (tmp_path / ".hyperherd").write_text("a file where the folder should be")
    save_array(tmp_path, "x", [1], 1)
    save_array(tmp_path, "x", [1], 2)
    assert caplog.text.count("cannot be saved") == 1


def test_an_array_without_numpy_is_one_warning_and_a_clear_error(tmp_path, caplog, monkeypatch):
    save_array(tmp_path, "kept", [1], 1)
    monkeypatch.setitem(sys.modules, "numpy", None)  # what an import finds where it is not installed
    save_array(tmp_path, "x", [1], 1)
    save_array(tmp_path, "x", [1], 2)
    assert caplog.messages == ["the array 'x' is not saved: NumPy is not installed (pip install numpy)"]
    assert list_arrays(tmp_path) == {"kept": [1]}
    with pytest.raises(ResultsError, match=r"reading the array .*kept/1\.npy needs NumPy: pip install numpy"):
        read_array(tmp_path, "kept", 1)


def test_the_public_names(tmp_path):
    with pytest.raises(NoTrialError):
        hyperherd.log_array("x", [1])
    code = """if True:
        import os, sys
        import hyperherd
        assert "numpy" not in sys.modules
        hyperherd.log_result("m", 1.0, 5)
        hyperherd.resumed(3, ["m"])
        assert "numpy" not in sys.modules
        hyperherd.log_array("x", [1, 2], 5)
        """
    environment = {"HYPERHERD_TRIAL_DIR": str(tmp_path), "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=PATIENCE)
    assert read_array(tmp_path, "x", 5).tolist() == [1, 2]
