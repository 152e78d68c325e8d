"""`log_result` and `log_metrics` as training code calls them: in a sweep, under Hydra alone, and under nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import App

import hyperherd
from hyperherd.errors import NoTrialError
from hyperherd.metrics.reader import read_final, read_metrics
from hyperherd.paths import TrialPaths

LOGGING = """
    from hyperherd import log_metrics, log_result
    for step in range(3):
        log_result("loss", cfg.lr / (step + 1), step=step)
        log_metrics({"val/acc": 0.5, "val/loss": 1}, step)
    log_result("acc", 0.9)
    log_result("acc", 0.95)
    log_result("confusion", [[1, 2], [3, 4]])
"""


def test_in_a_sweep_both_kinds_of_values_arrive(app: App) -> None:
    app.write(LOGGING)
    sweep = app.sweep("lr=1,2")
    rows = read_metrics(sweep.dir / "1", ["loss"]).to_pylist()
    assert [(row["step"], row["value"]) for row in rows] == [(0, 2.0), (1, 1.0), (2, 2 / 3)]
    record = sweep.records[1]
    assert record.final == {"acc": 0.95, "confusion": [[1, 2], [3, 4]]}
    assert record.metrics["loss"]["last"] == 2 / 3
    assert record.metrics["loss"]["max_step"] == 0
    assert record.step == 2
    assert TrialPaths(sweep.dir / "1").parquet.exists()
    assert not list(TrialPaths(sweep.dir / "1").metrics.glob("journal-*"))


def test_under_hydra_alone_values_go_to_its_output_directory(app: App) -> None:
    app.write(LOGGING)
    done = app.run("lr=2", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert read_metrics(app.folder / "out", ["loss"]).num_rows == 3
    assert read_final(app.folder / "out")["acc"] == 0.95
    assert TrialPaths(app.folder / "out").parquet.exists()


def test_under_another_sweeper_each_job_keeps_its_own(app: App) -> None:
    app.write(LOGGING)
    done = app.run("-m", "lr=1,2", "hydra.sweep.dir=out")
    assert done.returncode == 0, done.stderr
    assert [read_metrics(app.folder / "out" / job, ["loss"])["value"][0].as_py() for job in "01"] == [1.0, 2.0]


def test_under_nothing_the_error_says_how_to_run() -> None:
    with pytest.raises(NoTrialError, match=r"@hydra\.main.*hydra/sweeper=herd"):
        hyperherd.log_result("loss", 1.0)


def test_a_child_process_logs_to_the_trial_that_started_it(app: App) -> None:
    (app.folder / "child.py").write_text("from hyperherd import log_result; log_result('from/child', 7.0, step=1)")
    app.write("import subprocess; subprocess.run([sys.executable, 'child.py'], check=True)")
    assert app.sweep("lr=1,2").records[0].metrics["from/child"]["last"] == 7.0


def test_code_written_for_the_first_hyperherd_runs_unchanged(app: App) -> None:
    app.write("""
        if os.environ.get("HYPERHERD_TRIAL_ID") is None:
            return
        from hyperherd import log_result
        for step in range(0, 300, 100):
            log_result("val_loss", 1.0 / (step + 1), step=step)
        log_result("test_accuracy", 0.95)
        log_result("epochs_completed", 50)
        assert os.path.isdir(os.environ["HYPERHERD_WORKSPACE"])
        assert os.environ["HYPERHERD_SWEEP_NAME"] and os.environ["HYPERHERD_TRIAL_NAME"]
    """)
    record = app.sweep("lr=1,2").records[1]
    assert record.final == {"test_accuracy": 0.95, "epochs_completed": 50}
    assert record.metrics["val_loss"]["last_step"] == 200


def test_the_environment_is_as_before_after_a_trial_in_the_same_process(app: App) -> None:
    app.write("""
        seen = sorted(name for name in os.environ if name.startswith("HYPERHERD") or name == "LOCAL_RANK")
        print("SEEN", seen)
        os.environ["LOCAL_RANK"] = "0"
    """)
    told = [line for line in app.sweep("lr=1,2").done.stdout.splitlines() if line.startswith("SEEN")]
    assert told[0] == told[1]
    assert "LOCAL_RANK" not in told[0]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import hyperherd, hyperherd.trial.log, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pyarrow", "numpy", "torch", "hydra", "omegaconf", "submitit"} & set(done.stdout.split())
