"""User code may do anything to its process: that costs one trial at most, and never the sweep's last words."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import misbehaving
import pytest
from conftest import App, Sweep
from waiting import PATIENCE

BODY = """
    import misbehaving, signal, stat
    from hyperherd import log_result
    print("printed by", cfg.act, flush=True)
    assert sys.argv and sys.path and os.getcwd() and not signal.getitimer(signal.ITIMER_REAL)[0]
    assert stat.S_IMODE(os.stat(HydraConfig.get().runtime.output_dir).st_mode) & 0o700 == 0o700
    assert "PATH" in os.environ and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    log_result("loss", 1.0, step=0)
    return misbehaving.ALL[cfg.act]()
"""


@pytest.fixture
def odd_app(app: App) -> App:
    app.write(BODY, "act: x\n")
    shutil.copy(str(misbehaving.__file__), app.folder)
    return app


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["basic"],
        ["joblib", "hydra.launcher.n_jobs=1"],
        ["joblib", "hydra.launcher.n_jobs=2"],
        ["herd_local", "hydra.launcher.max_parallel=2"],
    ],
    ids=["basic", "joblib-1", "joblib-2", "herd_local"],
)
def test_each_misbehaviour_costs_one_row_at_most(odd_app: App, launcher: list[str]) -> None:
    acts = list(misbehaving.ALL)
    sweep = odd_app.sweep(f"act={','.join(acts)}", f"hydra/launcher={launcher[0]}", *launcher[1:], code=1)
    failing = {act.__name__: name for act, name in misbehaving.FAILING.items()}
    found = {str(trial.params["act"]): sweep.records.get(trial.number) for trial in sweep.planned}
    errors = {act: record.error.type for act, record in found.items() if record is not None and record.error}
    assert errors == failing
    assert {act: str(record and record.state) for act, record in found.items()} == {
        act: "failed" if act in failing else "completed" for act in acts
    }
    assert f"{len(acts) - len(failing)} completed, {len(failing)} failed" in sweep.done.stdout
    assert all(len(record.error.message) < 30_000 for record in sweep.records.values() if record.error)
    for trial in sweep.planned:
        printed = sweep.dir / str(trial.dir) / ".hyperherd" / "logs" / "attempt-0.out"
        assert f"printed by {trial.params['act']}" in printed.read_text(errors="replace")


def test_the_end_is_shown_where_logging_is_disabled(app: App) -> None:
    app.write("if cfg.lr == 2: raise ValueError('boom')")
    off = ("hydra/hydra_logging=disabled", "hydra/job_logging=disabled")
    told = app.sweep("lr=1,2", *off, code=1).done.stdout
    assert "1 completed, 1 failed" in told
    assert "ValueError: boom" in told


@pytest.mark.parametrize(
    "stdout",
    [
        "None",
        "type('Tee', (), {'write': lambda self, text: sys.__stdout__.write(text), 'flush': sys.__stdout__.flush})()",
        "open(os.devnull, 'w')",
    ],
)
def test_a_script_may_replace_stdout_before_the_sweep(app: App, stdout: str) -> None:
    app.write("if cfg.lr == 2: raise ValueError('boom')")
    app.script.write_text(app.script.read_text().replace("import hydra\n", f"import hydra\nsys.stdout = {stdout}\n", 1))
    assert app.sweep("lr=1,2", code=1).states == {0: "completed", 1: "failed"}


def test_what_is_left_in_the_process_does_not_reach_the_next_trial(app: App) -> None:
    """Handlers, filters, masks and paths: what a second trial would meet, or log twice."""
    app.write("""
        import logging, warnings, signal
        mark = logging.getLogger("train")
        mark.addHandler(logging.FileHandler(os.environ["LOG"]))
        mark.error("once")
        seen = [os.umask(0o77), len(warnings.filters), sys.path[0], dict(os.environ).get("LEFT"), len(mark.handlers)]
        print("SEEN", json.dumps(seen), flush=True)
        warnings.simplefilter("ignore")
        sys.path.insert(0, "elsewhere")
        os.environ["LEFT"] = "1"
    """)
    log = app.folder / "train.log"
    told = app.sweep("lr=1,2,3", LOG=str(log)).done.stdout
    seen = {line for line in told.splitlines() if line.startswith("SEEN")}
    assert len(seen) == 1, seen
    assert log.read_text() == "once\n" * 3


def test_the_reopened_stdout_is_shown_and_kept(app: App) -> None:
    app.write("print('HERE', cfg.lr, flush=True); sys.stdout.close()")
    sweep = app.sweep("lr=1,2")
    assert [line for line in sweep.done.stdout.splitlines() if line.startswith("HERE")] == ["HERE 1", "HERE 2"]
    assert "2 completed" in sweep.done.stdout
    assert "Logging error" not in sweep.done.stderr


def test_what_main_returns_is_kept_whatever_was_logged(app: App) -> None:
    app.write("""
        from hyperherd import log_result
        log_result("train/loss", 1.0, step=0)
        return {1: cfg.lr * 2, 2: [cfg.lr, 5], 3: None, 4: "text"}[cfg.lr]
    """)
    sweep: Sweep = app.sweep("lr=1,2,3,4")
    kept = {number: record.final.get("return_value", "nothing") for number, record in sweep.records.items()}
    assert kept == {0: 2, 1: [2, 5], 2: "nothing", 3: "text"}
    assert all("train/loss" in record.metrics for record in sweep.records.values())


def test_a_full_process_table_costs_the_log_alone(app: App, tmp_path: Path) -> None:
    """Nothing can be started to copy the output: the trial runs all the same."""
    app.write("print('ran', flush=True)")
    folder = tmp_path / "empty"
    folder.mkdir()
    script = app.script.read_text()
    app.script.write_text(f"import os\nos.environ['PATH'] = {os.fspath(folder)!r}\n" + script)
    sweep = app.sweep("lr=1,2")
    assert sweep.states == {0: "completed", 1: "completed"}


def test_the_encoding_is_changed_where_output_goes_to_a_file(app: App) -> None:
    app.write("""
        sys.stdout.reconfigure(encoding="utf-16-le")
        sys.stderr.reconfigure(encoding="utf-8", errors="replace")
        print("ä", cfg.lr)
    """)
    path = app.folder / "printed"
    with path.open("wb") as file:
        command = app.command("-m", "lr=1,2", "hydra/sweeper=herd", "hydra.sweep.dir=m")
        subprocess.run(command, cwd=app.folder, stdout=file, stderr=file, timeout=PATIENCE, check=True)
    printed = path.read_bytes()
    assert all(f"ä {number}".encode("utf-16-le") in printed for number in (1, 2))
    assert b"2 completed" in printed
