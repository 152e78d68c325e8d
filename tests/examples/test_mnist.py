"""The example, run as its README says, for an epoch; and its data."""

from __future__ import annotations

import gzip
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import starting
from conftest import skip_unless_installed
from waiting import PATIENCE, until

import hyperherd
from hyperherd.metrics.reader import read_final, read_metrics
from hyperherd.records.trial import TrialRecord

skip_unless_installed("pytorch_lightning", "transformers")

EXAMPLE = Path(__file__).parents[2] / "examples" / "mnist"


def start(folder: Path, script: str, *overrides: str) -> subprocess.Popen[str]:
    """Start a script of the example on the bundled digits, its outputs below `folder`."""
    places = [f"hydra.run.dir={folder}/run", f"hydra.sweep.dir={folder}/sweep", f"data.root={folder}/none"]
    return starting.start(
        [sys.executable, script, *overrides, *places],
        cwd=EXAMPLE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, script: str, *overrides: str) -> str:
    """Run a script of the example to its end, and return what it printed."""
    process = start(folder, script, *overrides)
    told, complained = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told + complained
    assert "site-packages" not in complained, "a library warns"
    return told


def steps(trial_dir: Path, metric: str) -> list[int]:
    return read_metrics(trial_dir, [metric], shown=True)["step"].to_pylist()


@pytest.mark.slow
def test_train_and_going_on_from_its_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, "train.py", "epochs=1")
    for _ in range(2):  # the second time there is nothing left to train
        told = run(tmp_path, "train.py", "epochs=2")
        assert "data: digits, 1197 training images of 8x8" in told
        assert read_metrics(tmp_path / "run", ["train/loss"], raw=True)["step"].to_pylist() == list(range(1, 39))
        assert steps(tmp_path / "run", "train/loss") == list(range(1, 39))
        assert steps(tmp_path / "run", "val/acc") == [19, 38]
        final = read_final(tmp_path / "run")
        assert set(final) == {"data", "test/acc", "test/loss"}
        assert final["test/acc"] > 0.6


@pytest.mark.slow
def test_finetune_and_going_on_from_its_checkpoint(tmp_path: Path) -> None:
    run(tmp_path, "finetune.py", "epochs=1")
    assert steps(tmp_path / "run", "loss") == [5, 10, 15, 20, 25, 30, 35]
    assert steps(tmp_path / "run", "eval_acc") == [38]
    assert set(read_final(tmp_path / "run")) == {"data", "test_acc"}
    run(tmp_path, "finetune.py", "epochs=2")
    assert read_metrics(tmp_path / "run", ["loss"], raw=True)["step"].to_pylist() == list(range(5, 76, 5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "epochs", "metric", "checkpoint"),
    [
        ("train.py", 24, "train/loss", "checkpoints/*.ckpt"),
        ("finetune.py", 10, "loss", "checkpoint-*/trainer_state.json"),
    ],
)
def test_a_trial_that_is_killed_goes_on_where_its_checkpoint_is(
    tmp_path: Path, script: str, epochs: int, metric: str, checkpoint: str
) -> None:
    """Killed once after its first checkpoint, it comes back as its next attempt and does not begin anew."""
    overrides = ["hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.sweeper.retry={signal:1}"]
    sweep = start(tmp_path, script, "-m", f"epochs={epochs}", *overrides)
    trial_dir = tmp_path / "sweep" / "0"
    until(lambda: any(trial_dir.glob(checkpoint)), sweep)
    os.kill(TrialRecord.read(trial_dir).pid or 0, signal.SIGKILL)
    told, _ = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 0, told
    [trial] = hyperherd.load(tmp_path / "sweep")
    assert (trial.state, trial.attempt) == ("completed", 1)
    rows = read_metrics(tmp_path / "sweep" / "0", [metric], raw=True).to_pylist()
    first = min(row["step"] for row in rows if row["attempt"] == 1)
    assert first > min(row["step"] for row in rows if row["attempt"] == 0)


@pytest.mark.slow
def test_train_swept_over_every_choice(tmp_path: Path) -> None:
    run(tmp_path, "train.py", "-m", "epochs=1", "model=cnn,mlp", "optimizer=sgd,adam")
    assert [steps(tmp_path / "sweep" / str(number), "val/acc") for number in range(4)] == [[19]] * 4


@pytest.mark.slow
def test_train_swept_with_pauses(tmp_path: Path) -> None:
    """The second trial waits after an epoch, and goes on from Lightning's checkpoint when it is among the best two."""
    pruner = "hydra.sweeper.pruner={name: asha, min_steps: 19, max_steps: 28, eta: 1.5, when: pause}"
    judged = ["hydra.sweeper.objective={metric: val/acc, direction: maximize}", pruner]
    local = ["hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.launcher.max_parallel=1"]
    told = run(tmp_path, "train.py", "-m", "epochs=2", "lr=0.05,0.03,0.0001", *local, *judged)
    trials = {trial.number: trial for trial in hyperherd.load(tmp_path / "sweep")}
    assert [str(trials[number].state) for number in range(3)] == ["completed", "completed", "paused"], told
    rows = read_metrics(tmp_path / "sweep" / "1", ["train/loss"], raw=True).to_pylist()
    assert [(row["step"], row["attempt"]) for row in rows] == [(step, int(step > 19)) for step in range(1, 39)]


def test_every_key_of_the_configs_has_a_comment() -> None:
    for path in EXAMPLE.glob("conf/**/*.yaml"):
        first, *lines = path.read_text().splitlines()
        assert first.startswith("# python "), path
        bare = [line for line in lines if re.match(r"\s*[\w-]+:", line) and not line.rstrip().endswith(":")]
        assert [line for line in bare if "#" not in line] == [], path


@pytest.fixture
def data() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(EXAMPLE / "data.py")))


def write_idx(path: Path, array: np.ndarray) -> None:
    shape = b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.write_bytes(gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()))


@pytest.fixture
def mirror(tmp_path: Path, data: SimpleNamespace) -> Path:
    """A folder with files of MNIST's names, sizes and format, of small images that hold their own number."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name in data.FILES:
        count = 60000 if name.startswith("train") else 10000
        numbers = (np.arange(count) % 10).astype(np.uint8)
        write_idx(
            folder / name, numbers if "labels" in name else np.broadcast_to(numbers[:, None, None], (count, 2, 2))
        )
    return folder


def test_mnist_is_fetched_whole(
    tmp_path: Path, data: SimpleNamespace, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(data.fetch.__globals__, "MIRROR", mirror.as_uri() + "/")
    images = data.load(str(tmp_path / "data"), download=True)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == sorted(data.FILES)
    assert (images.name, images.size) == ("mnist", 2)
    assert [len(labels) for _, labels in (images.train, images.val, images.test)] == [55000, 5000, 10000]
    for pixels, labels in (images.train, images.val, images.test):
        assert (pixels[:, 0, 0, 0] * 255).round().long().equal(labels)


def test_a_broken_download_leaves_nothing(
    tmp_path: Path, data: SimpleNamespace, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = mirror / data.FILES[0]
    broken.write_bytes(broken.read_bytes()[:-20])
    monkeypatch.setitem(data.fetch.__globals__, "MIRROR", mirror.as_uri() + "/")
    with pytest.raises((OSError, EOFError)):
        data.load(str(tmp_path / "data"), download=True)
    assert list((tmp_path / "data").iterdir()) == []
