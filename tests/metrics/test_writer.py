import json
import math
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from waiting import PATIENCE

from hyperherd.metrics.reader import read_metrics, skipped
from hyperherd.metrics.rows.sources import SourceName, open_here, this_host
from hyperherd.metrics.rows.values import NotLogged
from hyperherd.metrics.writer import MetricWriter, _encode, _encode_any
from hyperherd.paths import TrialPaths


def journals(trial_dir: Path) -> list[Path]:
    return sorted(TrialPaths(trial_dir).metrics.glob("journal-*.jsonl"))


def values(trial_dir: Path, metric: str = "m") -> list[float]:
    return read_metrics(trial_dir, [metric])["value"].to_pylist()


def run(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, timeout=PATIENCE, **options)


def test_nothing_is_on_disk_before_the_first_record(tmp_path):
    writer = MetricWriter(tmp_path / "trial", 0)
    writer.close()
    assert not list(tmp_path.iterdir())


def test_a_record_is_a_line_when_the_call_returns(tmp_path):
    writer = MetricWriter(tmp_path, 3)
    writer.log({"train/loss": 0.25, "lr": 1}, 12)
    (path,) = journals(tmp_path)
    name = SourceName.parse(path.name)
    assert (name.attempt, name.host, name.pid) == (3, this_host(), os.getpid())
    record = json.loads(path.read_bytes())
    assert isinstance(record.pop("ts"), float)
    assert record == {"step": 12, "metrics": {"train/loss": 0.25, "lr": 1}}
    writer.log({"ok": True, "big": 2**70, "text": "a\nb", "bad": float("nan")}, 13.0)
    writer.log_final({"acc": float("inf"), "table": [1, 2]})
    _, second, third = (json.loads(line) for line in path.read_bytes().splitlines())
    assert second["metrics"] == {"ok": 1, "big": float(2**70), "bad": "NaN"}
    assert second["json"] == {"ok": True, "big": 2**70, "text": "a\nb"}
    assert second["step"] == 13
    assert third["final"] == {"acc": {"$number": "Infinity"}, "table": [1, 2]}


def test_what_is_refused_writes_nothing(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    for metrics, step in [({"m": object()}, 1), ({"m": 1.0}, True), ({3: 1.0}, 1), ({"m": 1.0}, 1.5)]:
        with pytest.raises(TypeError):
            writer.log(metrics, step)
    with pytest.raises(TypeError):
        writer.log_final({"m": object()})
    assert not list(tmp_path.iterdir())


def test_what_can_be_written_is_written_and_the_rest_named(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    with pytest.raises(NotLogged, match="'odd' is of type object") as step_error:
        writer.log({"loss": 0.5, "odd": object()}, 1)
    with pytest.raises(NotLogged, match="'odd' is of type object"):
        writer.log_final({"acc": 0.5, "odd": object()})
    assert list(step_error.value.reasons) == ["odd"]
    writer.close()
    [path] = journals(tmp_path)
    first, second = (json.loads(line) for line in path.read_bytes().splitlines())
    assert first["metrics"] == {"loss": 0.5}
    assert second["final"] == {"acc": 0.5}


def test_several_records_are_one_write_with_the_times_they_were_measured(tmp_path, monkeypatch):
    writer = MetricWriter(tmp_path, 0)
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda *arguments: written.append(arguments[1]) or write(*arguments))
    with pytest.raises(NotLogged, match="'odd'"):
        writer.log_rows([({"m": 1.0}, 1, 10.0), ({"odd": object()}, 2, 11.0), ({"m": float("nan")}, 3, 12.0)])
    [path] = journals(tmp_path)
    assert [(row["ts"], row["step"]) for row in map(json.loads, path.read_bytes().splitlines())] == [
        (10.0, 1),
        (12.0, 3),
    ]
    assert len(written) == 1
    writer.log_rows([])
    assert len(written) == 1


class Moody:
    def item(self):
        raise KeyError("no")

    def __repr__(self):
        return "Moody"


Moody.__module__ = "numpy"


SCALARS = [np.float32(0.1), np.float64(0.1), np.float16(2), np.int64(3), np.uint8(9), np.array(2.5), np.array([[7]])]
OTHERS = [
    *(np.float32("nan"), np.float64("inf"), np.bool_(True), np.uint64(2**64 - 1), np.longdouble(0.5), np.str_("a")),
    *(np.zeros(2), np.datetime64(1, "s"), np.float32, Moody(), math.nan, True, "text", 2**60, None, [1.5]),
]


@pytest.mark.parametrize(
    ("odd", "is_scalar"), [*((odd, True) for odd in SCALARS), *((odd, False) for odd in OTHERS)], ids=repr
)
@pytest.mark.parametrize("phase", ["", "fold0"])
def test_the_quick_way_writes_what_the_careful_one_does(odd, is_scalar, phase):
    quick = 0
    for metrics in ({"a": 0.5, "odd": odd, "b": 3}, {"odd": odd}, {"odd": odd, "bad": object()}):
        refused = {}
        line = _encode(metrics, 4, 1.5, phase)
        assert line in (None, _encode_any(metrics, 4, 1.5, phase, refused))
        assert line is None or not refused
        quick += line is not None
    assert quick == (2 if is_scalar else 0)


def test_tensors_take_the_quick_way():
    torch = pytest.importorskip("torch")
    metrics = {"a": torch.tensor(0.1), "b": torch.tensor([3]), "c": torch.tensor(0.5, requires_grad=True), "d": 0.25}
    line = _encode(metrics, 4, 1.5, "")
    assert line == _encode_any(metrics, 4, 1.5, "", {})
    assert _encode({**metrics, "e": torch.zeros(2)}, 4, 1.5, "") is None


def test_logging_after_close_opens_a_new_journal(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    writer.log({"m": 1.0}, 1)
    (first,) = journals(tmp_path)
    assert first.name in open_here
    writer.close()
    writer.close()
    assert first.name not in open_here
    writer.log({"m": 2.0}, 2)
    assert len(journals(tmp_path)) == 2
    assert values(tmp_path) == [1.0, 2.0]


def test_threads_share_a_journal(tmp_path):
    writer = MetricWriter(tmp_path, 0)

    def log(thread: int) -> None:
        for step in range(500):
            writer.log({f"m{thread}": float(step)}, step)
            if step == 250:
                writer.close()

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    table = read_metrics(tmp_path, raw=True)
    assert table.num_rows == 2000
    assert skipped(table) == 0
    assert not any(path.name in open_here for path in journals(tmp_path))


def test_a_forked_child_has_a_journal_of_its_own(tmp_path):
    run(
        """if True:
        import os, sys
        from pathlib import Path
        from hyperherd.metrics.rows.sources import open_here
        from hyperherd.metrics.writer import MetricWriter
        writer = MetricWriter(Path(sys.argv[1]), 0)
        writer.log({"m": 0.0}, 0)
        child = os.fork()
        if not child:
            assert not open_here
            writer.log({"m": 1.0}, 1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        writer.log({"m": 2.0}, 2)
        """,
        tmp_path,
    )
    assert sorted(len(path.read_bytes().splitlines()) for path in journals(tmp_path)) == [1, 2]
    assert len({SourceName.parse(path.name).pid for path in journals(tmp_path)}) == 2
    assert values(tmp_path) == [0.0, 1.0, 2.0]


def test_a_writer_left_open_ends_silently_with_the_process(tmp_path):
    (tmp_path / "holder.py").write_text("writer = None\n")
    code = """if True:
        import sys
        from pathlib import Path
        sys.path.insert(0, ".")
        import holder
        from hyperherd.metrics.writer import MetricWriter
        holder.writer = MetricWriter(Path("trial"), 0)
        holder.itself = holder
        holder.writer.log({"m": 1.0}, 1)
        """
    assert run(code, cwd=tmp_path, stderr=subprocess.PIPE).stderr == b""
    assert values(tmp_path / "trial") == [1.0]


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = MetricWriter(Path("trial"), 0)
    monkeypatch.chdir("/")
    writer.log({"m": 1.0}, 1)
    assert values(tmp_path / "trial") == [1.0]


def test_a_folder_that_cannot_be_written_costs_values_and_nothing_else(tmp_path, caplog):
    trial = tmp_path / "trial"
    trial.write_text("a file where the folder should be")
    writer = MetricWriter(trial, 0)
    writer.log({"m": 1.0}, 1)
    writer.log({"m": 2.0}, 2)
    assert writer.lost == 2
    assert len(caplog.records) == 1
    assert "metrics are being lost" in caplog.text
    trial.unlink()
    writer.log({"m": 3.0}, 3)
    assert values(trial) == [3.0]
    writer.close()
    assert "2 metric records could not be written" in caplog.text


def test_a_descriptor_closed_by_others_costs_one_record(tmp_path, caplog):
    writer = MetricWriter(tmp_path, 0)
    writer.log({"m": 1.0}, 1)
    os.close(writer._journal.descriptor)
    writer.log({"m": 2.0}, 2)
    writer.log({"m": 3.0}, 3)
    assert values(tmp_path) == [1.0, 3.0]
    assert writer.lost == 1


def test_a_full_disk_costs_the_records_that_do_not_fit(tmp_path):
    # A limit on the size of files makes the kernel write a part of a record, as a full disk does.
    done = run(
        """if True:
        import os, resource, sys
        from pathlib import Path
        from hyperherd.metrics.writer import MetricWriter
        writer = MetricWriter(Path(sys.argv[1]), 0)
        writer.log({"m": 0.0}, 0)
        (path,) = Path(sys.argv[1]).rglob("*.jsonl")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))
        writer.log({"m": 1.0}, 1)
        assert writer.lost == 1 and path.stat().st_size > 20 and not path.read_bytes().endswith(b"\\n")
        writer.log({"m": 2.0}, 2)
        assert writer.lost == 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        writer.log({"m": 3.0}, 3)
        writer.log({"m": 4.0}, 4)
        """,
        tmp_path,
        stderr=subprocess.PIPE,
    )
    assert done.stderr.count(b"metrics are being lost") == 1
    assert done.stderr.count(b"can be written to") == done.stderr.count(b"again; 2 records lost") == 1
    table = read_metrics(tmp_path)
    assert table["value"].to_pylist() == [0.0, 3.0, 4.0]
    assert skipped(table) == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_signal_handler_may_log(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    before = signal.signal(signal.SIGALRM, lambda *_: writer.log({"signal": 1.0}, 0))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for step in range(3000):
            writer.log({"m": float(step)}, step)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    table = read_metrics(tmp_path, raw=True)
    assert skipped(table) == 0
    assert table["metric"].to_pylist().count("m") == 3000
    assert "signal" in table["metric"].to_pylist()


def test_logging_imports_nothing_heavy(tmp_path):
    run(
        """if True:
        import sys
        from pathlib import Path
        from hyperherd.metrics import reader
        from hyperherd.metrics.consolidate import merge
        from hyperherd.metrics.summary.running import RunningSummary
        from hyperherd.metrics.writer import MetricWriter
        MetricWriter(Path(sys.argv[1]), 0).log({"m": 1.0, "n": True}, 0)
        running = RunningSummary(Path(sys.argv[1]), {"metric": "m", "direction": "maximize"})
        running.refresh()
        assert running.objective["best"] == 1.0
        heavy = {"pyarrow", "numpy", "pandas", "hydra", "omegaconf", "torch"} & set(sys.modules)
        assert not heavy, heavy
        """,
        tmp_path,
    )


def test_merging_and_reading_do_not_import_pandas(tmp_path):
    # pyarrow imports it, half a second, as soon as it is handed Python values.
    run(
        """if True:
        import sys
        from pathlib import Path
        from hyperherd.metrics.consolidate.merge import merge
        from hyperherd.metrics.reader import read_final, read_metrics, read_summary
        from hyperherd.metrics.summary.running import RunningSummary
        from hyperherd.metrics.writer import MetricWriter
        trial = Path(sys.argv[1])
        objective = {"metric": "m", "direction": "maximize"}
        for attempt in range(3):
            writer = MetricWriter(trial, attempt)
            for step in range(2 * attempt, 100):
                writer.log({"m": 1.0, "n": float("nan"), "text": "a", "flag": True}, step)
                writer.log({"m": 1.0}, step)
            writer.log_final({"x": 1})
            writer.close()
            RunningSummary(trial, objective).refresh()
            if attempt < 2:
                merge(trial, objective)
            assert read_metrics(trial, ["m"]).num_rows == 100
            read_summary(trial)
            read_final(trial)
        assert "pandas" not in sys.modules
        """,
        tmp_path,
    )
