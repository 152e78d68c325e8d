"""`hyperherd.checkpoint()`: the newest of what an earlier attempt left whole."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import App

from hyperherd.paths import RECORDS
from hyperherd.trial import log as trial_log
from hyperherd.trial.checkpoint import checkpoint


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Path]:
    trial_log.enter(tmp_path, 1)
    yield tmp_path
    trial_log.leave()


def put(path: Path, *, age: float = 0.0, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_there_is_none_in_a_new_trial_or_outside_of_any(trial: Path) -> None:
    assert checkpoint() is None
    trial_log.leave()
    assert checkpoint() is None


def test_a_later_attempt_that_starts_from_nothing_says_so(trial: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert checkpoint(["*.pt", "last*"]) is None
    trial_log.leave()
    trial_log.enter(trial, 0)
    assert checkpoint() is None
    [record] = caplog.records
    assert (
        f"attempt 1 of this trial starts from nothing: there is no complete *.pt or last* in {trial}" in record.message
    )


def test_the_highest_step_wins_over_the_newest_file(trial: Path) -> None:
    newest = put(trial / "checkpoints/epoch=2-step=300.ckpt", age=5)
    put(trial / "lightning_logs/version_1/checkpoints/epoch=9-step=90.ckpt")
    assert checkpoint() == newest


def test_one_without_a_step_is_judged_by_its_time(trial: Path) -> None:
    old = put(trial / "best.ckpt", age=60)
    step = put(trial / "epoch=2-step=300.ckpt", age=30)
    assert checkpoint() == step
    last = put(trial / "last.ckpt", age=10)
    assert checkpoint() == last
    assert checkpoint(["best.*"]) == old
    assert checkpoint(["*.pt"]) is None


def test_what_was_cut_off_is_passed_over(trial: Path) -> None:
    whole = trial / "epoch=1-step=10.ckpt"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("data.pkl", b"x" * 1000)
    put(trial / "epoch=2-step=20.ckpt", content=whole.read_bytes()[:-30])
    put(trial / "epoch=3-step=30.ckpt", content=b"")
    assert checkpoint() == whole


def test_a_trainers_folder_counts_when_its_state_is_there(trial: Path) -> None:
    put(trial / "checkpoint-5/trainer_state.json")
    assert checkpoint() is None, "all that `herd-results clean` leaves of it"
    put(trial / "checkpoint-5/model.safetensors")
    put(trial / "checkpoint-10/model.safetensors")
    (trial / "checkpoint-20").mkdir()
    assert checkpoint() == trial / "checkpoint-5"
    put(trial / "checkpoint-10/trainer_state.json")
    put(trial / "checkpoint-10/inner.ckpt")
    assert checkpoint() == trial / "checkpoint-10"


def test_our_own_files_are_none(trial: Path) -> None:
    put(trial / RECORDS / "x.ckpt")
    assert checkpoint() is None


def test_a_trial_that_is_run_again_finds_its_own(app: App) -> None:
    app.write("""
        import hyperherd
        from pathlib import Path
        found = hyperherd.checkpoint()
        print("FOUND", found and found.name)
        folder = Path(os.environ["HYPERHERD_TRIAL_DIR"])
        if not found:
            (folder / "step=1.ckpt").write_text("x")
            raise ValueError
    """)
    sweep = app.sweep("lr=1,2", "hydra.sweeper.retry=1")
    found = [line for line in sweep.done.stdout.splitlines() if line.startswith("FOUND")]
    assert found == ["FOUND None", "FOUND None", "FOUND step=1.ckpt", "FOUND step=1.ckpt"]
