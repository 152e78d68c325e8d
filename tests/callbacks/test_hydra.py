"""`hydra/callbacks=herd`: any job of Hydra leaves what a trial of a sweep of ours leaves, once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from conftest import App, wait_for

from hyperherd import load
from hyperherd.records.trial import TrialRecord

HERD = "hydra/callbacks=herd"
BODY = """
    from hyperherd import log_metrics
    log_metrics({"val/loss": cfg.lr}, 1)
    print("hello")
    if cfg.model == "raise":
        raise ValueError("diverged")
    if cfg.model == "exit":
        sys.exit(3)
    if cfg.model == "wait":
        print("waiting", flush=True)
        time.sleep(600)
    return cfg.lr
"""
RICH = {"config.json", "provenance.json", "summary.json", "trial.json", "attempts/0", "logs/attempt-0.out"}


@pytest.fixture
def trained(app: App) -> App:
    return app.write(BODY)


def record(folder: Path) -> TrialRecord:
    return TrialRecord.read(folder)


def test_a_single_run_leaves_a_whole_trial(trained: App) -> None:
    done = trained.run(HERD, "hydra.run.dir=run", "lr=0.3", "++model='a b'", "+more=[1,'x',{a: 2}]", "~width")
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout
    folder = trained.folder / "run"
    found = record(folder)
    assert (found.state, found.sweep, found.number) == ("completed", None, 0)
    assert found.params == {"lr": 0.3, "model": "a b", "more": [1, "x", {"a": 2}]}
    assert found.final == {"return_value": 0.3}
    assert found.metrics["val/loss"]["last"] == 0.3
    assert all((folder / ".hyperherd" / name).exists() for name in RICH)
    assert (folder / "metrics.parquet").exists()
    assert (folder / ".hyperherd" / "logs" / "attempt-0.out").read_text() == "hello\n"
    [trial] = load(folder)
    assert trial.config["lr"] == 0.3


def test_a_sweep_of_hydra_leaves_a_trial_for_each_job(trained: App) -> None:
    objective = ["hydra.callbacks.herd.objective=val/loss", "hydra.callbacks.herd.direction=maximize"]
    done = trained.run("-m", HERD, "hydra.sweep.dir=m", "lr=0.3,0.1", *objective)
    assert done.returncode == 0, done.stderr
    trials = load(trained.folder / "m")
    assert [
        (trial.number, trial.state.value, trial.params) for trial in sorted(trials, key=lambda trial: trial.number)
    ] == [
        (0, "completed", {"lr": 0.3}),
        (1, "completed", {"lr": 0.1}),
    ]
    assert trials.objective is not None
    assert (trials.objective.metric, trials.objective.direction) == ("val/loss", "maximize")
    assert record(trained.folder / "m" / "1").sweep == str(trained.folder / "m")


def test_a_sweep_of_optunas_leaves_a_trial_for_each_job(trained: App) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    space = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", "lr=interval(0.1,0.5)"]
    done = trained.run("-m", HERD, "hydra.sweep.dir=m", *space)
    assert done.returncode == 0, done.stderr
    trials = load(trained.folder / "m")
    assert [trial.state.value for trial in trials] == ["completed"] * 3
    assert all(trial.final["return_value"] == trial.params["lr"] == trial["val/loss"][0] for trial in trials)


@pytest.mark.parametrize(
    ("model", "code", "state", "cause"),
    [("raise", 1, "failed", "exception"), ("exit", 3, "failed", "exit")],
)
def test_a_job_that_fails_is_a_failed_trial(trained: App, model: str, code: int, state: str, cause: str) -> None:
    done = trained.run(HERD, "hydra.run.dir=run", f"model={model}")
    assert done.returncode == code
    found = record(trained.folder / "run")
    assert (found.state, found.cause) == (state, cause)
    assert found.metrics["val/loss"]["last"] == 0.1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 1)])
def test_a_job_that_is_interrupted_is_a_cancelled_trial(trained: App, number: int, code: int) -> None:
    process = trained.start(HERD, "hydra.run.dir=run", "model=wait")
    wait_for(process, "waiting")
    process.send_signal(number)
    process.communicate()
    assert process.returncode in (code, 130)
    assert record(trained.folder / "run").state == "cancelled"


def test_a_second_run_in_one_directory_is_the_next_attempt(trained: App) -> None:
    for lr in (0.1, 0.2):
        done = trained.run(HERD, "hydra.run.dir=run", f"lr={lr}")
        assert done.returncode == 0, done.stderr
    found = record(trained.folder / "run")
    assert (found.attempt, found.params, found.state) == (1, {"lr": 0.2}, "completed")
    assert load(trained.folder / "run")[0]["val/loss"] == [0.2]


def test_beside_our_sweeper_it_does_nothing(trained: App) -> None:
    sweep = trained.sweep("lr=0.1,0.2", HERD)
    assert sweep.states == {0: "completed", 1: "completed"}
    assert [record.attempt for record in sweep.records.values()] == [0, 0]
    assert "Traceback" not in sweep.done.stderr
    assert "UserWarning" not in sweep.done.stderr


def test_output_is_not_copied_unless_wanted(trained: App) -> None:
    done = trained.run(HERD, "hydra.run.dir=run", "hydra.callbacks.herd.copy_output=false")
    assert done.returncode == 0, done.stderr
    assert not (trained.folder / "run" / ".hyperherd" / "logs").exists()


def test_a_further_rank_writes_no_state(trained: App) -> None:
    done = trained.run(HERD, "hydra.run.dir=run", LOCAL_RANK="1", RANK="1", WORLD_SIZE="2")
    assert done.returncode == 0, done.stderr
    assert not (trained.folder / "run" / ".hyperherd" / "trial.json").exists()
    assert not (trained.folder / "run" / ".hyperherd" / "metrics").exists()


def test_what_callbacks_note_is_in_the_provenance(app: App) -> None:
    app.write(
        """
        from hyperherd.trial.notes import note
        note("training", {"trainer": "mine"})
        note("checkpoint", {"path": "best.ckpt", "score": 0.5, "metric": "m", "direction": "minimize"})
        open(HydraConfig.get().runtime.output_dir + "/best.ckpt", "w").write("x")
        """
    )
    assert app.run(HERD, "hydra.run.dir=run").returncode == 0
    found = json.loads((app.folder / "run" / ".hyperherd" / "provenance.json").read_text())
    assert (found["training"]["trainer"], found["checkpoint"]["path"]) == ("mine", "best.ckpt")
