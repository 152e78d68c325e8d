"""What somebody who waits sees: on a terminal a table that is painted over, elsewhere lines."""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path

import pytest
from conftest import App
from terminal import left, on_a_terminal

from hyperherd.launch.base import WaitingJob
from hyperherd.paths import TrialPaths
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialError, TrialRecord
from hyperherd.results.text.format import display_width
from hyperherd.sweep.running.live_table import Progress, _Above, _painted, _Table, lines, seconds_left

LIVE = [
    "hydra/sweeper=herd",
    "hydra/launcher=herd_local",
    "hydra.launcher.max_parallel=2",
    "hydra.sweep.dir=multirun/s",
]


@pytest.mark.slow
def test_a_terminal_shows_the_trials_that_run_and_keeps_only_the_news(app: App) -> None:
    app.write("""
        from hyperherd import log_result
        for step in range(14):
            log_result("val/acc", step / 20, step=step)
            print(f"\\r{step}/14 BAR", end="", file=sys.stderr, flush=True)  # as tqdm and rich paint theirs
            time.sleep(0.3)
        if cfg.lr == 1: raise ValueError("boom \\x1b[2J")
    """)
    written, code = on_a_terminal(app.command("-m", *LIVE, "lr=1,2,3"), app.folder)
    assert code == 1
    assert re.search(r"running.* of 3; \d+s.*\n( +\d  lr=.*\n)* +\d  lr=\d  step \d+  val/acc 0\.", written), written
    screen = left(written)
    assert "trial 0 (lr-1) failed" in screen
    assert "ValueError: boom" in screen
    assert "\x1b[2J" not in written
    assert "BAR" not in written
    assert "\r13/14 BAR" in TrialPaths(app.folder / "multirun/s/0").log(0, "err").read_bytes().decode()
    assert "running" not in screen.split("sweep ")[-1]
    assert "started" not in screen
    assert "2 completed, 1 failed" in screen


def test_a_table_gives_way_to_what_is_written_above_it() -> None:
    terminal = io.StringIO()
    table = _Table(terminal)
    above = _Above(table)
    table.show(["one", "two"])
    above.write("news\n")
    table.show(["three"])
    above.write("half")
    above.write(" a line\n")
    table.show([])
    assert left(terminal.getvalue()) == "news\nhalf a line\n"


def test_failures_in_a_queue_come_above_the_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    progress = _progress(tmp_path, _trial(0), trials=1)
    terminal = io.StringIO()
    with _painted(progress, terminal, tells_failures=True) as paint:
        paint()
        _trial(0, state=TrialState.FAILED, error=TrialError("E", "m")).write(tmp_path / "0")
        paint()
    assert [record.message for record in caplog.records] == ["trial 0 (lr-0) failed: E: m"]
    assert left(terminal.getvalue()) == ""


def test_why_jobs_wait_is_a_line_of_the_table(tmp_path: Path) -> None:
    progress = _progress(tmp_path, _trial(0), trials=4)
    progress.waiting = lambda: {
        1: WaitingJob("7_1", "Priority"),
        2: WaitingJob("7_2", "Priority"),
        3: WaitingJob("8", "JobHeldAdmin", is_stuck=True),
    }
    last = list(lines(progress, 100))[-1]
    assert last == "  in the queue: 2 Priority (job 7_1, ...); 1 JobHeldAdmin (job 8)"
    assert len(list(lines(progress, 100, 4))) <= 3


def _trial(number: int, **changes: object) -> TrialRecord:
    now = time.time()
    base = TrialRecord(number, "k", f"lr-{number}", (), {"lr": number}, 0, TrialState.RUNNING, started=now - 10)
    base = base.with_(heartbeat=now)
    return base.with_(**changes)


def _progress(folder: Path, *records: TrialRecord, trials: int, metric: str | None = None) -> Progress:
    planned = [PlannedTrial(number, "k", "n", (), {}, dir=str(number)) for number in range(trials)]
    progress = Progress(folder, planned, [metric] if metric else [])
    for record in records:
        (folder / str(record.number)).mkdir(exist_ok=True)
        record.write(folder / str(record.number))
    progress.read()
    return progress


def test_a_record_of_before_the_launch_is_not_shown_and_a_clock_that_is_behind_hides_none(tmp_path: Path) -> None:
    behind = time.time() - 3600
    for number in (0, 1):
        (tmp_path / str(number)).mkdir()
        _trial(number, state=TrialState.FAILED).write(tmp_path / str(number))
        os.utime(tmp_path / str(number) / ".hyperherd" / "trial.json", (behind, behind))
    progress = _progress(tmp_path, trials=2)
    assert progress.records == {}
    _trial(1, attempt=1).write(tmp_path / "1")
    os.utime(tmp_path / "1" / ".hyperherd" / "trial.json", (behind + 1, behind + 1))
    assert [(record.number, record.attempt) for record in progress.read()] == [(1, 1)]


def test_what_is_left_follows_from_what_has_ended(tmp_path: Path) -> None:
    now = time.time()
    ended = _trial(0, state=TrialState.COMPLETED, started=now - 60, ended=now)
    progress = _progress(tmp_path, ended, _trial(1), _trial(2), trials=7)
    assert progress.pace.seconds_left == pytest.approx((2 * 50 + 4 * 60) / 2, abs=1)
    assert progress.pace.share == pytest.approx(1 / 7)
    assert _progress(tmp_path / "1", trials=1).pace.seconds_left is None


def test_a_trial_that_says_how_far_it_is_says_how_long_it_takes(tmp_path: Path) -> None:
    record = _trial(
        0, step=30, max_step=90, step_seconds=2.0, metrics={"train/loss": {"last": 2}, "val/acc": {"last": 1}}
    )
    (head, line) = lines(_progress(tmp_path, record, trials=1), 80)
    assert re.match(r"\[#\.{19}\] [78] %, about 2m00s left; 1 running of 1; ", head), head
    assert line == "     0  lr=0  step 30/90  val/acc 1  2m00s left"
    assert "train/loss 2" in list(lines(_progress(tmp_path, record, trials=1, metric="train/loss"), 80))[1]


def test_the_time_left_is_known_from_the_first_running_trial_on_and_counts_down(tmp_path: Path) -> None:
    now = time.time()
    # The clock of its host is two minutes ahead.
    record = _trial(0, step=30, max_step=90, step_seconds=2.0, started=now + 60, heartbeat=now + 120)
    assert seconds_left(record, 20) == pytest.approx(100)
    assert seconds_left(record, 25) == pytest.approx(95)
    assert seconds_left(record, 500) == 0
    pace = _progress(tmp_path, record, trials=3).pace
    assert pace.seconds_left == pytest.approx(120 + 2 * 180, abs=2)
    assert pace.line(unicode=True).startswith("[██░")


@pytest.mark.parametrize("max_step", [-1, 0, None])
def test_an_unknown_number_of_steps_is_no_time_left(tmp_path: Path, max_step: int | None) -> None:
    record = _trial(0, step=30, max_step=max_step, step_seconds=2.0)
    assert seconds_left(record, 0) is None
    (head, line) = lines(_progress(tmp_path, record, trials=1), 80)
    assert "left" not in head + line
    assert line.endswith("step 30")


def test_no_line_reaches_the_edge_and_names_are_inert(tmp_path: Path) -> None:
    record = _trial(0, params={"lr": "宽" * 80 + "\x1b]0;title\x07"})
    for line in lines(_progress(tmp_path, record, trials=1), 60):
        assert display_width(line) < 60
        assert "\x1b" not in line


def test_the_table_fits_on_a_low_terminal(tmp_path: Path) -> None:
    """What has scrolled away cannot be painted over."""
    progress = _progress(tmp_path, *map(_trial, range(12)), trials=12)
    for height in range(2, 30):
        assert len(list(lines(progress, 60, height))) == min(12, height - 1)
    assert list(lines(progress, 60, 6))[-1].strip() == "9 more running"


def test_what_an_earlier_sweep_left_is_not_told_again(tmp_path: Path) -> None:
    failed = _trial(0, state=TrialState.FAILED, error=TrialError("E", "m"))
    progress = _progress(tmp_path, failed, trials=1)
    assert progress.counts == {"failed": 1}
    later = Progress(tmp_path, progress.trials)
    later.began = time.time() + 60
    assert later.read() == []
    assert later.counts == {"waiting": 1}


def test_that_a_trial_was_paused_before_is_not_told_when_it_runs_on(tmp_path: Path) -> None:
    [held] = _progress(tmp_path, _trial(0, state=TrialState.PAUSED), trials=1).trials
    trials: list[PlannedTrial] = []
    progress = Progress(tmp_path, trials, held=[held])
    trials.append(held)
    assert progress.read() == []
    _trial(0, attempt=1).write(tmp_path / "0")
    assert [(record.state, record.attempt) for record in progress.read()] == [("running", 1)]
