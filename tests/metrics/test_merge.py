import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from metrics.dying import DYING
from waiting import PATIENCE

from hyperherd.errors import FormatError
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.consolidate.merge_rows import merge_rows
from hyperherd.metrics.reader import read_final, read_metrics, read_summary, skipped
from hyperherd.metrics.rows.sources import list_sources, this_host
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.atomic import FileOps

OBJECTIVE = {"metric": "m", "direction": "maximize"}


def log(trial: Path, steps: range, attempt: int = 0) -> MetricWriter:
    writer = MetricWriter(trial, attempt)
    for step in steps:
        writer.log({"m": float(step)}, step)
    return writer


def journal(trial: Path, name: str, *steps: int) -> Path:
    path = TrialPaths(trial).metrics / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"ts": 1.5, "step": step, "metrics": {"m": step}}) + "\n" for step in steps))
    return path


def names(trial: Path) -> list[str]:
    return sorted(path.name for path in TrialPaths(trial).metrics.glob("*"))


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.mark.parametrize("final", [{"acc": {"$number": "NaN"}, "text": "é" * 99, "big": 2**70}, {"a": None}, {}])
def test_final_values_alone_are_merged_as_with_pyarrow(tmp_path: Path, final: dict[str, object]) -> None:
    trial, pid = tmp_path / "with", dead_pid()
    folder = TrialPaths(trial).metrics
    folder.mkdir(parents=True)
    for attempt in (0, 1):
        line = json.dumps({"ts": 1.5 + attempt, "final": {**final, "attempt": attempt}})
        (folder / f"journal-{attempt}-{this_host()}-{pid}-a.jsonl").write_text(line + "\n{torn\n")
    shutil.copytree(trial, tmp_path / "without")
    merge_rows(TrialPaths(trial), list_sources(folder), OBJECTIVE, FileOps())
    merge(tmp_path / "without", OBJECTIVE)
    expected, found = (pq.ParquetFile(tmp_path / way / "metrics.parquet") for way in ("with", "without"))
    assert found.schema_arrow.equals(expected.schema_arrow, check_metadata=True)
    assert found.schema.equals(expected.schema)
    assert found.read().equals(expected.read())
    assert json.loads(found.metadata.metadata[b"hyperherd.final"])["attempt"]["value"] == 1
    assert json.loads(found.metadata.metadata[b"hyperherd.summary"])["skipped"] == 2
    assert names(tmp_path / "without") == []


def test_final_values_alone_need_no_pyarrow(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hyperherd.metrics.consolidate.merge import merge;"
        "from hyperherd.metrics.summary.running import RunningSummary;"
        "from hyperherd.metrics.writer import MetricWriter;"
        "trial = Path(sys.argv[1]); writer = MetricWriter(trial, 0); writer.log_final({'x': 1}); writer.close();"
        "summary = RunningSummary(trial, None); summary.merged(merge(trial)); summary.refresh();"
        "assert summary.final == {'x': 1} and 'pyarrow' not in sys.modules, summary.final"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert read_final(tmp_path) == {"x": 1}


def test_the_files_after_a_merge(tmp_path):
    log(tmp_path, range(3)).close()
    writer = MetricWriter(tmp_path, 0)
    writer.log({"m": 2**60 + 1, "flag": True}, 3)
    writer.log_final({"acc": float("nan"), "format": 99, "text": "é"})
    writer.close()
    journals = names(tmp_path)
    merge(tmp_path, OBJECTIVE)
    paths = TrialPaths(tmp_path)
    assert names(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hyperherd", "metrics.parquet"]
    assert json.loads(paths.summary.read_bytes()) == {"acc": "NaN", "format": 99, "text": "é"}
    schema = pq.read_schema(paths.parquet)
    assert [f"{field.name} {field.type}" for field in schema] == [
        "step int64",
        "metric dictionary<values=string, indices=int32, ordered=0>",
        "value double",
        "time timestamp[us, tz=UTC]",
        "attempt int16",
        "json string",
    ]
    footer = {
        key.decode(): json.loads(value) for key, value in schema.metadata.items() if key.startswith(b"hyperherd.")
    }
    assert footer["hyperherd.format"] == 1
    assert sorted(footer["hyperherd.sources"]) == journals
    assert footer["hyperherd.final"]["acc"]["value"] == {"$number": "NaN"}
    summary = footer["hyperherd.summary"]
    assert (summary["rows"], summary["skipped"], summary["objective"]["best_step"]) == (5, 0, 3)
    assert summary["metrics"]["flag"]["last"] == 1.0
    rows = pq.read_table(paths.parquet).to_pylist()
    assert [(row["metric"], row["step"]) for row in rows] == [("flag", 3), ("m", 0), ("m", 1), ("m", 2), ("m", 3)]
    assert [row["json"] for row in rows] == ["true", None, None, None, str(2**60 + 1)]


def test_without_anything_to_merge_nothing_is_touched(tmp_path):
    merge(tmp_path)
    assert not list(tmp_path.iterdir())
    log(tmp_path, range(3)).close()
    merge(tmp_path)
    before = TrialPaths(tmp_path).parquet.stat()
    merge(tmp_path)
    assert TrialPaths(tmp_path).parquet.stat() == before


def test_an_open_journal_is_left_alone(tmp_path):
    log(tmp_path, range(2)).close()
    writer = log(tmp_path, range(2, 4))
    merge(tmp_path)
    assert len(names(tmp_path)) == 1
    writer.log({"m": 4.0}, 4)
    assert read_metrics(tmp_path)["step"].to_pylist() == [0, 1, 2, 3, 4]
    writer.close()
    merge(tmp_path)
    assert names(tmp_path) == []
    assert read_metrics(tmp_path)["step"].to_pylist() == [0, 1, 2, 3, 4]


def test_whose_journals_are_merged(tmp_path):
    host, elsewhere = this_host(), "another-host-2"
    journal(tmp_path, f"journal-1-{host}-{dead_pid()}-aa.jsonl", 1)
    alive = journal(tmp_path, f"journal-0-{host}-{os.getppid()}-bb.jsonl", 2)
    journal(tmp_path, f"journal-0-{elsewhere}-1-cc.jsonl", 3)
    newest_elsewhere = journal(tmp_path, f"journal-1-{elsewhere}-1-dd.jsonl", 4)
    merge(tmp_path)
    assert names(tmp_path) == sorted([alive.name, newest_elsewhere.name])
    (TrialPaths(tmp_path).attempts / "2").parent.mkdir()
    (TrialPaths(tmp_path).attempts / "2").touch()  # Attempt 2 has begun, so attempt 1 is over on any host.
    merge(tmp_path)
    assert names(tmp_path) == [alive.name]
    assert read_metrics(tmp_path, raw=True)["step"].to_pylist() == [1, 2, 3, 4]


def test_what_is_no_journal_is_left_alone(tmp_path):
    log(tmp_path, range(2)).close()
    others = ["other.jsonl", ".nfs0001", ".journal-0-h-1-aa.jsonl.tmp", "journal-x.jsonl", "notes.txt"]
    for name in others:
        (TrialPaths(tmp_path).metrics / name).write_text('{"step": 9, "value": 1}\n')
    merge(tmp_path)
    assert names(tmp_path) == sorted(others)


def test_a_journal_merged_long_ago_that_comes_back_is_not_read_again(tmp_path):
    # A reader on another host may still see it, and a deletion may not survive the loss of power.
    log(tmp_path, range(2)).close()
    (path,) = TrialPaths(tmp_path).metrics.iterdir()
    content = path.read_bytes()
    for attempt in (1, 2):
        merge(tmp_path)
        log(tmp_path, range(2 * attempt, 2 * attempt + 2), attempt).close()
    merge(tmp_path)
    path.parent.mkdir()
    path.write_bytes(content)
    for _ in range(2):
        assert read_metrics(tmp_path, raw=True)["step"].to_pylist() == [0, 1, 2, 3, 4, 5]
        merge(tmp_path)
    assert names(tmp_path) == []


def test_the_objective_stays_unless_another_is_given(tmp_path):
    log(tmp_path, range(2)).close()
    merge(tmp_path, OBJECTIVE)
    log(tmp_path, range(5, 7), attempt=1).close()
    merge(tmp_path)
    assert read_summary(tmp_path)["objective"]["best"] == 6
    assert read_summary(tmp_path, {"metric": "m", "direction": "minimize"})["objective"]["best"] == 0


def test_skipped_lines_and_finals_add_up_over_merges(tmp_path):
    pid = dead_pid()
    for attempt in range(3):
        path = journal(tmp_path, f"journal-{attempt}-{this_host()}-{pid}-{attempt}a.jsonl", attempt)
        with path.open("a") as stream:
            stream.write(json.dumps({"ts": 9 - attempt, "final": {"x": attempt, f"only{attempt}": 1}}) + '\n{"ts": 1')
        merge(tmp_path)
    assert skipped(read_metrics(tmp_path)) == 3
    assert read_final(tmp_path) == {"x": 2, "only0": 1, "only1": 1, "only2": 1}
    assert json.loads(TrialPaths(tmp_path).summary.read_bytes()) == read_final(tmp_path)


def test_a_broken_metrics_file_is_named_and_costs_no_journal(tmp_path):
    TrialPaths(tmp_path).parquet.write_bytes(b"PAR1 no")
    log(tmp_path, range(2)).close()
    with pytest.raises(FormatError, match=r"metrics\.parquet is not a Parquet file"):
        merge(tmp_path)
    assert len(names(tmp_path)) == 1


class FullDisk(FileOps):
    def sync(self, stream):
        raise OSError(28, "No space left on device")


def test_a_full_disk_costs_no_row(tmp_path):
    log(tmp_path, range(3)).close()
    with pytest.raises(OSError, match="No space left"):
        merge(tmp_path, files=FullDisk())
    assert [path.name for path in tmp_path.iterdir()] == [".hyperherd"]
    assert read_metrics(tmp_path)["step"].to_pylist() == [0, 1, 2]


CRASH = (
    DYING
    + """
from pathlib import Path
import pyarrow.parquet
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.consolidate.merge_rows import merge_rows

for operation, folder in enumerate(sys.argv[1:]):
    child = os.fork()
    if not child:
        merge(Path(folder), files=Dying(operation))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
)


def test_a_kill_between_any_two_operations_costs_no_row_and_doubles_none(tmp_path):
    trial = tmp_path / "trial"
    log(trial, range(5)).close()
    merge(trial)
    pid = dead_pid()
    for attempt in (1, 2):
        path = journal(trial, f"journal-{attempt}-{this_host()}-{pid}-{attempt}a.jsonl", *range(3 * attempt, 8))
        with path.open("a") as stream:
            stream.write(json.dumps({"ts": 2.0, "final": {"x": attempt}}) + "\n")
    expected = read_metrics(trial, raw=True).to_pylist()
    assert len(expected) == 5 + 5 + 2
    copies = [tmp_path / str(operation) for operation in range(12)]
    for copy in copies:
        shutil.copytree(trial, copy)
    crash = subprocess.run(
        [sys.executable, "-c", CRASH, *copies], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    codes = [int(line) for line in crash.stdout.split()]
    assert codes == sorted(codes, reverse=True)
    assert codes.count(9) == 10  # Two files written, synced, renamed, their folders synced; two journals deleted.
    for copy in copies:
        for _ in range(2):  # As the kill left it, and after the next attempt's merge.
            assert read_metrics(copy, raw=True).to_pylist() == expected
            assert read_final(copy) == {"x": 2}
            merge(copy)
        assert names(copy) == []
        assert sorted(path.name for path in copy.iterdir()) == [".hyperherd", "metrics.parquet"]
        assert json.loads(TrialPaths(copy).summary.read_bytes()) == {"x": 2}
