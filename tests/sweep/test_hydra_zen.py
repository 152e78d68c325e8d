"""Apps whose configs hydra-zen makes: conditions, what is kept, and the commands, which `launch` does not have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import starting
from conftest import App

from hyperherd import load

pytest.importorskip("hydra_zen", reason="needs hydra-zen")

SCRIPT = """
import json, os, sys
from hydra_zen import launch, make_config, make_custom_builds_fn, multirun, store, zen
from hyperherd import log_result

class Net:
    def __init__(self, width=16, depth=2):
        self.width, self.depth = width, depth

class SGD:
    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum = lr, momentum

def train(model, optimizer, lr, seed=0):
    log_result("loss", lr * model.width)
    with open(os.environ["SAW"], "a") as stream:
        print(json.dumps([lr, model.width, model.depth, optimizer.func.__name__, seed]), file=stream)
    return lr

builds = make_custom_builds_fn(populate_full_signature=True)
store(builds(Net), group="model", name="small")
store(builds(Net, width=64, depth=4), group="model", name="large")
store(builds(SGD, zen_partial=True), group="optimizer", name="sgd")
defaults = ["_self_", {"model": "small"}, {"optimizer": "sgd"}]
base = builds(train, lr=0.1, hydra_defaults=defaults)
store(base, name="train")
wide = make_config(bases=(base,), hydra_defaults=["_self_", {"override /model": "large"}], lr=0.5)
store(wide, group="experiment", package="_global_", name="wide")
"""
MAIN = """
if __name__ == "__main__":
    store.add_to_hydra_store()
    zen(train).hydra_main(config_name="train", version_base="1.3", config_path=None)
"""
LAUNCH = """
if __name__ == "__main__":
    store.add_to_hydra_store()
    overrides = {"lr": multirun([0.1, 0.2]), "model": multirun(["small", "large"]), "hydra.sweep.dir": "s"}
    overrides |= {"hydra/sweeper": "herd", "hydra/launcher": sys.argv[1]}
    config = store.get_entry(None, "train")["node"]
    returned = launch(config, zen(train), overrides, multirun=True, version_base="1.3")
    print("RETURNED", [job.return_value for job in returned[0]])
"""


@pytest.fixture
def seen(app: App, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which trials leave what they saw."""
    path = app.folder / "saw"
    monkeypatch.setenv("SAW", str(path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")  # printed commands start with `python`
    return path


@pytest.mark.slow
def test_an_app_with_a_store(app: App, seen: Path, tmp_path: Path) -> None:
    app.script.write_text(SCRIPT + MAIN)
    condition = "{when: {model.width: {gt: 20}, optimizer.momentum: 0.9, lr: 2}, exclude: true}"
    arguments = ("model=small,large", "lr=1,2", f"hydra.sweeper.conditions=[{condition}]")
    swept = app.sweep(*arguments, "hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    saw = seen.read_text().splitlines()
    assert saw == ['[1, 16, 2, "SGD", 0]', '[2, 16, 2, "SGD", 0]', '[1, 64, 4, "SGD", 0]']
    trials = load(swept.dir)
    assert trials.varying == ("model", "lr")
    seen.unlink()
    subprocess.run(trials[2].command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert seen.read_text().splitlines() == saw[2:]


def test_an_experiment_of_a_store(app: App, seen: Path) -> None:
    app.script.write_text(SCRIPT + MAIN)
    condition = "{when: {model.depth: 4, lr: 0.5, seed: 1}, exclude: true}"
    app.sweep("+experiment=wide", "seed=0,1", f"hydra.sweeper.conditions=[{condition}]")
    assert seen.read_text().splitlines() == ['[0.5, 64, 4, "SGD", 0]']


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_a_script_that_launches_itself_has_no_command(app: App, seen: Path, launcher: str) -> None:
    app.script.write_text(SCRIPT + LAUNCH)
    done = app.run(launcher)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RETURNED [0.1, 0.1, 0.2, 0.2]" in done.stdout
    reason = "app.py does not read its command line; call the function that started the sweep"
    assert f"no command runs it: {reason}" in done.stdout
    for command in (["best", "s"], ["show", "s/0"]):
        asked = [sys.executable, "-m", "hyperherd.cli", *command]
        told = starting.run(asked, cwd=app.folder, text=True)
        assert f"no command runs it: {reason}" in " ".join(told.stdout.split())
        assert "python" not in told.stdout.partition("provenance")[0]
    refused = subprocess.run(
        [sys.executable, "-m", "hyperherd.cli", "best", "s", "--seeds", "1..3", "--run"],
        cwd=app.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert refused.returncode == 2
    assert f"no command runs trial 0: {reason}" in refused.stderr
    assert len(seen.read_text().splitlines()) == 4
