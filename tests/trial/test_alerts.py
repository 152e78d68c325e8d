"""`hyperherd.alert`: what is acknowledged is kept, what comes too often is counted, and the disk stays empty."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import App

import hyperherd
from hyperherd.cli.main import main
from hyperherd.errors import NoTrialError
from hyperherd.paths import TrialPaths
from hyperherd.records.alerts import LONGEST, MOST_BYTES, alert_files, read_alerts
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log
from hyperherd.trial.alerts import AlertBook


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    trial_log.leave()
    yield
    trial_log.leave()


def test_alerts_stand_in_the_record_the_table_the_page_and_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hyperherd.start_trial(tmp_path / "runs" / "1", params={"lr": 0.1}) as trial:
        assert hyperherd.alert("half way")
        assert trial.alert("loss is \x1b[31mNaN\n", "error")
        assert hyperherd.alert(ValueError("odd"), "warning")  # type: ignore[arg-type] - what is caught is often passed on
    assert TrialRecord.read(tmp_path / "runs" / "1").alerts == {"error": 1, "warning": 1, "info": 1}
    assert main([str(tmp_path / "runs"), "-f", "table"]) == 0
    assert r"alert 0  error: loss is \x1b[31mNaN (and 2 more alerts: herd-results show)" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "runs" / "1")]) == 0
    assert r"error: loss is \x1b[31mNaN" in capsys.readouterr().out
    assert main([str(tmp_path / "runs"), "-f", "json"]) == 0
    [record] = json.loads(capsys.readouterr().out)["trials"]
    assert [(one["level"], one["text"]) for one in record["alerts"]] == [
        ("info", "half way"),
        ("error", "loss is \x1b[31mNaN\n"),
        ("warning", "odd"),
    ]


def test_a_trial_without_alerts_leaves_no_trace_of_them(tmp_path: Path) -> None:
    with hyperherd.start_trial(tmp_path / "1") as trial:
        trial.log({"a": 1.0})
    assert "alerts" not in json.loads(TrialPaths(tmp_path / "1").trial.read_text())
    assert not TrialPaths(tmp_path / "1").alerts.exists()


def test_what_comes_too_often_is_dropped_and_counted(tmp_path: Path) -> None:
    now = [100.0]
    book = AlertBook(tmp_path, 0, clock=lambda: now[0])
    assert [book.add(f"step {step}", "info") for step in range(1000)] == [True] * 10 + [False] * 990
    assert book.add("but this is worse", "error")
    now[0] += 60
    assert [book.add(f"later {step}", "info") for step in range(3)] == [True, False, False]
    book.close()
    found = read_alerts(tmp_path)
    assert [alert.text for alert in found[10:]] == [
        "but this is worse",
        "later 0",
        "2 more came too often and were not kept",
    ]
    assert sum(alert.dropped for alert in found) == 992


def test_no_more_than_the_bound_is_taken_of_the_disk(tmp_path: Path) -> None:
    now = [0.0]
    book = AlertBook(tmp_path, 0, clock=lambda: now[0])
    for level in ("info", "error"):
        while book.add("ä" * 5000, level):
            now[0] += 60
        assert len(read_alerts(tmp_path)[-1].text) == LONGEST
    taken = sum(size for _, size in alert_files(tmp_path).values())
    assert MOST_BYTES - 20_000 < taken <= MOST_BYTES
    assert {alert.level for alert in read_alerts(tmp_path)} == {"info", "error"}  # errors have room of their own


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import hyperherd, os, signal\n"
        "with hyperherd.start_trial('t'):\n"
        "    if os.fork() == 0:\n"
        "        print(hyperherd.alert('of a child'), flush=True); os._exit(0)\n"
        "    os.wait()\n"
        "    print(hyperherd.alert('the last word', 'error'), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "True\nTrue\n"), done.stderr
    assert len(alert_files(tmp_path / "t")) == 2
    [trial] = hyperherd.load(tmp_path / "t")
    assert [alert.text for alert in trial.alerts] == ["of a child", "the last word"]
    assert trial.alert_counts == {"error": 1, "info": 1}
    assert main([str(tmp_path / "t"), "-f", "table"]) == 0
    assert "error: the last word" in capsys.readouterr().out


def test_a_single_run_and_its_ranks_have_alerts_too(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    app.write("""
        import hyperherd, subprocess
        assert hyperherd.alert("alone")
        for rank in ("1", "2"):
            code = "import hyperherd; assert hyperherd.alert('of a rank', 'warning')"
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "3",
                     "HYPERHERD_TRIAL_DIR": HydraConfig.get().runtime.output_dir}
            subprocess.run([sys.executable, "-c", code], env={**os.environ, **place}, check=True)
    """)
    done = app.run("hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    [trial] = hyperherd.load(app.folder / "out")
    assert [(alert.text, alert.rank) for alert in trial.alerts] == [("alone", 0), ("of a rank", 1), ("of a rank", 2)]
    assert main([str(app.folder / "out"), "-f", "table"]) == 0
    assert "warning: of a rank (and 2 more alerts" in capsys.readouterr().out


def test_outside_of_any_trial_and_with_a_level_that_is_none_it_is_an_error() -> None:
    with pytest.raises(NoTrialError):
        hyperherd.alert("to nobody")
    with pytest.raises(ValueError, match=r"'warn' \(did you mean 'warning'\?\); expected one of info, warning, error"):
        hyperherd.alert("text", "warn")


def test_a_full_disk_costs_the_alert_and_not_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    TrialPaths(tmp_path).records.mkdir()
    TrialPaths(tmp_path).alerts.write_text("no folder")
    book = AlertBook(tmp_path, 0)
    assert [book.add("a", "error"), book.add("b", "error")] == [False, False]
    assert [record.message.partition(":")[0] for record in caplog.records] == ["alerts cannot be kept"]


@pytest.mark.parametrize(
    "line",
    [
        '{"time": 1, "level": "fatal", "text": "a", "attempt": 0}',
        '{"time": 1, "level": ["info"], "text": "a", "attempt": 0}',
        '{"time": "1", "level": "info", "text": "a", "attempt": 0}',
        '{"time": 1, "level": "info", "text": {"a": 1}, "attempt": 0}',
        '{"time": 1, "level": "info", "text": "a"}',
        "[1]",
        '{"time": 1, "level": "in',
    ],
)
def test_a_line_that_is_no_alert_costs_itself(tmp_path: Path, line: str) -> None:
    AlertBook(tmp_path, 0).add("whole", "info")
    [(path, _)] = alert_files(tmp_path).values()
    path.write_text(line + "\n" + path.read_text())
    assert [alert.text for alert in read_alerts(tmp_path)] == ["whole"]


def test_a_link_out_of_the_trial_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "private.jsonl").write_text('{"time": 1, "level": "info", "text": "secret", "attempt": 0}\n')
    TrialPaths(tmp_path / "t").alerts.mkdir(parents=True)
    (TrialPaths(tmp_path / "t").alerts / "0-h-1-a.jsonl").symlink_to(tmp_path / "private.jsonl")
    assert read_alerts(tmp_path / "t") == []
