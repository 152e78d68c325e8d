"""A loop under a real Fabric: `HyperHerdLogger` keeps what `fabric.log` is given, at the steps that it is given."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import starting

from hyperherd.metrics.reader import read_metrics

pytest.importorskip("pytorch_lightning")
import torch
from lightning_fabric import Fabric

from hyperherd_callbacks.lightning import HyperHerdLogger

Kept = dict[str, list[tuple[int, float]]]


def test_the_trial_keeps_what_fabric_logs(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    fabric = Fabric(accelerator="cpu", devices=1, loggers=HyperHerdLogger(exclude="lr"))
    for step in range(3):
        fabric.log("loss", torch.tensor(1.0 / (step + 1)), step=step)
        fabric.log_dict({"lr": 0.1, "acc": float(step)}, step=step)
    assert kept() == {"loss": [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))], "acc": [(0, 0.0), (1, 1.0), (2, 2.0)]}


def test_calls_without_a_step_do_not_replace_one_another(trial_dir: Path, kept: Callable[[], Kept]) -> None:
    fabric = Fabric(accelerator="cpu", devices=1, loggers=HyperHerdLogger())
    fabric.log("loss", 3.0)
    fabric.log("loss", 2.0)
    fabric.log("loss", 1.0, step=10)
    fabric.log("acc", 0.5)
    assert kept() == {"loss": [(1, 3.0), (2, 2.0), (10, 1.0)], "acc": [(11, 0.5)]}


LOOP = """
    import sys
    from lightning_fabric import Fabric
    import hyperherd
    from hyperherd_callbacks.lightning import HyperHerdLogger

    def main():
        fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", loggers=HyperHerdLogger())
        with hyperherd.start_trial(sys.argv[1]):
            fabric.launch()
            for step in range(3):
                fabric.log("rank", float(fabric.global_rank), step=step)

    main()
"""


@pytest.mark.slow
def test_of_two_processes_one_writes(tmp_path: Path) -> None:
    script = tmp_path / "loop.py"
    script.write_text(textwrap.dedent(LOOP))
    done = starting.run([sys.executable, str(script), "t"], text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_metrics(tmp_path / "t", raw=True)["value"].to_pylist() == [0.0, 0.0, 0.0]
    assert not (tmp_path / "t" / ".hyperherd" / "ranks").exists()
