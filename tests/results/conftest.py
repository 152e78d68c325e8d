from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import starting
from results.builder import SweepBuilder
from waiting import PATIENCE


@pytest.fixture
def sweep(tmp_path: Path) -> SweepBuilder:
    """An empty sweep judged by val/acc."""
    return SweepBuilder(tmp_path / "multirun" / "s")


APP = """
import hydra
from hyperherd import log_result

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    if cfg.log:
        for step in range(3):
            log_result("val/acc", 1 - cfg.optim.lr - 0.1 / (step + 1), step=step)
        log_result("test/acc", float("nan") if cfg.model.depth == 5 else 0.9)
    if cfg.optim.lr == 0.25:
        raise ValueError("too fast")

if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults: [{model: cnn}, _self_]
optim: {lr: 0.1, momentum: 0.9}
base: 3
width: 8
name: plain
log: true
layers: [1, 2]
where: ${oc.env:HOME}
"""


class HydraApp:
    """A Hydra app that never heard of our sweeper, though it may log to us."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "src" / "conf" / "model").mkdir(parents=True)
        self.script = folder / "src" / "train.py"
        self.script.write_text(APP)
        (folder / "src" / "conf" / "config.yaml").write_text(CONFIG)
        for model, depth in (("cnn", 3), ("mlp", 5)):
            (folder / "src" / "conf" / "model" / f"{model}.yaml").write_text(f"depth: {depth}\nkind: {model}\n")

    def run(self, *runs: list[str]) -> None:
        """Run the app in its folder, once for each list of arguments, at once; a job that fails is meant to."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        commands = [[sys.executable, "src/train.py", *arguments] for arguments in runs]
        for process in [starting.start(command, cwd=self.folder, **quiet) for command in commands]:
            process.wait(timeout=PATIENCE)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a multirun of six jobs by Hydra's own sweeper that log metrics, in multirun/s."""
    app = HydraApp(tmp_path_factory.mktemp("plain"))
    app.run(["-m", "hydra.sweep.dir=multirun/s", "optim.lr=1e-4,1e-1,0.25", "model=cnn,mlp", "width=${base}"])
    return app.folder


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a nested multirun in multirun/deep, and two single runs in outputs, none of which logs."""
    app = HydraApp(tmp_path_factory.mktemp("silent"))
    subdir = "hydra.sweep.subdir=${model.kind}/${optim.lr}/${hydra.job.num}"
    notes = "+note=true,on,'1e-4',nan,null,'a b',[1,x],{a:1}"
    app.run(
        ["-m", "hydra.sweep.dir=multirun/deep", subdir, "log=false", "model=cnn,mlp"],
        ["-m", "hydra.sweep.dir=multirun/odd", "log=false", notes, "name=''", "+extra=${oc.env:HOME}"],
        ["hydra.run.dir=outputs/day/12-00-00", "log=false", "optim.lr=0.5"],
        ["hydra.run.dir=outputs/day/12-00-01", "log=false"],
    )
    return app.folder
