"""Going on with a sweep whose config was changed: refused by name, unless that is allowed; a changed script is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.paths import TrialPaths
from hyperherd.results.statistics.mixtures import mixtures

CONFIG = """
defaults: [{model: small}, _self_]
lr: 0.1
weight_decay: 0.0
steps: ${lr}
api_key: first
hydra: {verbose: false}
"""


@pytest.fixture
def begun(app: App) -> App:
    """A sweep over lr and model of which half has run."""
    app.write("from hyperherd import log_result; log_result('loss', cfg.lr + cfg.weight_decay)", CONFIG)
    (app.folder / "conf" / "model").mkdir()
    for name in ("small", "large"):
        (app.folder / "conf" / "model" / f"{name}.yaml").write_text(f"name: {name}\nwidth: 1\n")
    app.sweep("lr=1,2", "model=small,large", "hydra.sweeper.only='0,1'")
    return app


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.slow
def test_a_changed_config_is_refused_key_by_key(begun: App) -> None:
    config = begun.folder / "conf" / "config.yaml"
    _edit(config, "weight_decay: 0.0", "weight_decay: -10.0\nmomentum: 0.9")
    _edit(config, "${lr}", "${weight_decay}")
    _edit(config, "first", "second")
    _edit(config, "verbose: false", "verbose: true")
    refused = begun.sweep("lr=1,2", "model=small,large", code=1)
    told = refused.done.stderr
    assert "weight_decay: 0.0 -> -10.0" in told
    assert "momentum: (absent) -> 0.9" in told
    assert 'steps: "${lr}" -> "${weight_decay}"' in told
    assert "api_key" in told
    assert "second" not in told
    assert "verbose" not in told
    assert "hydra.sweeper.allow_drift=true" in told
    assert set(refused.states) == {0, 1}


@pytest.mark.slow
def test_an_option_of_a_searched_group_counts(begun: App) -> None:
    _edit(begun.folder / "conf" / "model" / "large.yaml", "width: 1", "width: 9")
    refused = begun.sweep("lr=1,2", "model=small,large", code=1)
    assert "model.width: 1 -> 9" in refused.done.stderr


@pytest.mark.slow
def test_drift_that_is_allowed_is_said_and_shown(begun: App) -> None:
    _edit(begun.folder / "conf" / "config.yaml", "weight_decay: 0.0", "weight_decay: 10.0")
    mixed = begun.sweep("lr=1,2", "model=small,large", "hydra.sweeper.allow_drift=true")
    assert "weight_decay: 0.0 -> 10.0" in mixed.done.stdout
    trials = load(mixed.dir)
    assert trials.varying == ("lr", "model", "weight_decay")
    assert len(trials.seeds()) == 4
    assert mixtures(trials) == ["the config of sweep s was changed between its trials: weight_decay"]


@pytest.mark.slow
def test_what_is_searched_and_trials_from_before_are_no_drift(begun: App) -> None:
    _edit(begun.folder / "conf" / "config.yaml", "lr: 0.1", "lr: 0.7")
    assert len(begun.sweep("lr=1,2", "model=small,large", "hydra.sweeper.only='2'").states) == 3
    _edit(begun.folder / "conf" / "config.yaml", "weight_decay: 0.0", "weight_decay: 10.0")
    for number in range(3):
        TrialPaths(begun.folder / "multirun" / "s" / str(number)).config.unlink()
    assert len(begun.sweep("lr=1,2", "model=small,large").states) == 4


@pytest.fixture
def project(app: App) -> App:
    """An app with two modules of its own, one of which only the task function imports."""
    app.write("import later; print('VALUE', helper.VALUE, later.VALUE)", "lr: 0.1")
    app.script.write_text(app.script.read_text().replace("import hydra\n", "import hydra, helper\n"))
    (app.folder / "helper.py").write_text("VALUE = 1\n")
    (app.folder / "later.py").write_text("VALUE = 1\n")
    return app


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "herd_local"])
def test_changed_code_is_named_and_recorded(project: App, launcher: str) -> None:
    project.sweep("lr=1,2", f"hydra/launcher={launcher}", "hydra.sweeper.only='0'")
    for name in ("helper.py", "later.py"):
        (project.folder / name).write_text("VALUE = 2\n")
    refused = project.sweep("lr=1,2", "hydra.sweeper.on_code_change=refuse", code=1)
    assert "code has changed since trials of this sweep ran: helper.py, later.py" in refused.done.stderr
    gone_on = project.sweep("lr=1,2", f"hydra/launcher={launcher}")
    lines = [line for line in gone_on.done.stdout.splitlines() if "code has changed" in line]
    assert len(lines) == 1
    assert "helper.py, later.py" in lines[0]
    trials = load(gone_on.dir)
    assert trials[0].provenance["code"].keys() == {"app.py", "helper.py", "later.py"}
    assert [text for text in mixtures(trials) if "different code" in text and "helper.py" in text]
    assert "code has changed" not in project.sweep("lr=1,2,3", f"hydra/launcher={launcher}").done.stdout


def test_a_forked_trial_records_the_code_that_it_runs(project: App) -> None:
    project.script.write_text(
        project.script.read_text().replace(
            "import later", "open(HydraConfig.get().runtime.cwd + '/helper.py', 'w').write('VALUE = 2'); import later"
        )
    )
    swept = project.sweep("lr=1,2", "hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    codes = [trial.provenance["code"] for trial in load(swept.dir)]
    assert "VALUE 1 1" in (swept.dir / "1" / ".hyperherd" / "logs" / "attempt-0.out").read_text()
    assert codes[0]["helper.py"] == codes[1]["helper.py"]


def test_versions_that_differ_are_said(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for number, torch in enumerate(("2.1", "2.2")):
        sweep.trial({"val/acc": 0.5}, params={"lr": number}, config_hash="x", versions={"code": "a", "torch": torch})
    assert mixtures(load(tmp_path)) == ["these trials ran with different versions of torch: 2.1, 2.2"]
