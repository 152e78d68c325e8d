"""The tracker under a real Accelerator."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import PATIENCE

from hyperherd import log_metrics
from hyperherd.metrics.reader import read_metrics
from hyperherd.trial.notes import noted
from hyperherd_callbacks import accelerate

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
from accelerate import Accelerator  # noqa: E402
from accelerate.state import AcceleratorState  # noqa: E402

from hyperherd_callbacks.accelerate import HyperHerdTracker  # noqa: E402

Kept = dict[str, list[tuple[int, float]]]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """The state of an Accelerator is one for the process."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def make(**options: object) -> Accelerator:
    accelerator = Accelerator(cpu=True, log_with=HyperHerdTracker(**options))
    accelerator.init_trackers("project", config={"lr": 0.1, "hub_token": "hunter2"})
    return accelerator


def test_the_trial_keeps_what_the_loop_logs(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    accelerator = make()
    for step in range(3):
        accelerator.log({"loss": float(step), "odd": object()}, step=step)
    accelerator.end_training()
    assert kept() == {"loss": [(0, 0.0), (1, 1.0), (2, 2.0)]}
    assert noted()["training"] == {"trainer": "accelerate", "arguments": {"lr": 0.1, "hub_token": "<masked>"}}


def test_calls_without_a_step_do_not_replace_one_another(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    accelerator = make(exclude="lr")
    accelerator.log({"loss": 1.0, "lr": 0.1})
    accelerator.log({"loss": 2.0})
    accelerator.log({"loss": 3.0}, step=10)
    accelerator.log({"acc": 0.5})
    assert kept() == {"loss": [(1, 1.0), (2, 2.0), (10, 3.0)], "acc": [(11, 0.5)]}


def test_each_training_is_a_phase(trial_dir: Path) -> None:
    for options in ({}, {}, {"prefix": "fold0/"}):
        AcceleratorState._reset_state(reset_partial_state=True)
        accelerator = make(**options)
        accelerator.log({"loss": 1.0}, step=1)
        accelerator.end_training()
    log_metrics({"after": 1.0}, 2)
    rows = {(row["metric"], row["phase"] or "") for row in read_metrics(trial_dir, raw=True).to_pylist()}
    assert rows == {("loss", ""), ("loss", "train-2"), ("loss", "fold0"), ("after", "")}


def test_a_failure_of_ours_does_not_end_the_loop(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    accelerator = make()
    accelerator.log({"loss": 1.0}, step="one")  # type: ignore[arg-type]
    accelerator.log({"loss": 2.0}, step=2)
    assert kept() == {"loss": [(2, 2.0)]}


def test_outside_of_a_trial_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make().log({"loss": 1.0}, step=1)
    assert list(tmp_path.iterdir()) == []


def test_it_is_pickled_by_name() -> None:
    assert type(pickle.loads(pickle.dumps(HyperHerdTracker()))) is HyperHerdTracker


def test_without_accelerate_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate.tracking", None)
    with pytest.raises(ImportError, match=r"hydra-hyperherd\[transformers\]"):
        accelerate._base()


LOOP = """
    import sys
    from accelerate import Accelerator
    import hyperherd
    from hyperherd_callbacks.accelerate import HyperHerdTracker

    with hyperherd.start_trial(sys.argv[1]):
        accelerator = Accelerator(cpu=True, log_with=HyperHerdTracker())
        accelerator.init_trackers("project")
        for step in range(3):
            accelerator.log({"rank": float(accelerator.process_index)}, step=step)
        accelerator.end_training()
"""


@pytest.mark.slow
def test_of_two_processes_one_writes(tmp_path: Path) -> None:
    script = tmp_path / "loop.py"
    script.write_text(textwrap.dedent(LOOP))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([*torchrun, script, tmp_path / "t"], check=True, timeout=PATIENCE, cwd=tmp_path)
    assert read_metrics(tmp_path / "t", raw=True)["value"].to_pylist() == [0.0, 0.0, 0.0]
    assert not (tmp_path / "t" / ".hyperherd" / "ranks").exists()
