"""Going on with a folder that somebody else could have written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from composing import CONFIG, FILES, write_app
from conftest import App

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.sweep import SweepRecord
from hyperherd.sweep.planning.planned_overrides import check_overrides

GO_ON = ("-m", "hydra/sweeper=herd", "hydra.sweeper.resume=multirun/s")


@pytest.mark.slow
def test_a_folder_that_others_can_write(app: App) -> None:
    sweep = app.sweep("lr=0.1,0.2")
    plan = SweepPaths(sweep.dir).trials
    plan.chmod(0o666)
    for arguments in (GO_ON, ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=0.1,0.3")):
        done = app.run(*arguments)
        assert done.returncode == 1
        assert f"everybody can write to {plan}" in done.stderr
        assert "(mode 0666)" in done.stderr
        assert "hydra.sweeper.shared=true" in done.stderr
    assert len(sweep.records) == 2
    again = app.sweep("lr=0.1,0.3", "hydra.sweeper.shared=true")
    assert len(again.records) == 3


@pytest.mark.slow
def test_a_folder_of_another_user(app: App, nobody: int) -> None:
    sweep = app.sweep("lr=0.1,0.2")
    os.chown(sweep.dir, nobody, -1)
    done = app.run(*GO_ON)
    assert done.returncode == 1
    assert f"{sweep.dir} belongs to nobody (mode " in done.stderr
    assert app.run(*GO_ON, "hydra.sweeper.shared=true").returncode == 0


def test_what_is_taken_from_a_folder_is_printed(app: App) -> None:
    sweep = app.sweep("lr=0.1,0.2", "width=3")
    done = app.run(*GO_ON)
    assert done.returncode == 0, done.stderr
    told = f"resuming {sweep.dir} with 2 planned trials and the fixed overrides width=3"
    assert told in done.stdout


def test_a_config_does_not_trust_for_its_user(app: App) -> None:
    app.write("pass", "lr: 0.1\nhydra: {sweeper: {shared: true}}\n")
    done = app.run("-m", "hydra/sweeper=herd", "lr=1,2")
    assert done.returncode == 1
    assert "hydra.sweeper.shared is true in a config file, where it is not accepted" in done.stderr


def test_records_elsewhere_are_not_written(app: App, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (app.folder / "multirun/s").mkdir(parents=True)
    (app.folder / "multirun/s/.hyperherd").symlink_to(elsewhere)
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", "lr=0.1,0.2")
    assert done.returncode == 1
    assert "is a link that leaves" in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_planned_overrides_of_a_shared_folder(app: App) -> None:
    """Trusting who can write to a folder does not mean to run whatever its plan could be made to hold."""
    sweep = app.sweep("lr=0.1,0.2")
    plan = SweepPaths(sweep.dir).trials
    lines = [json.loads(line) for line in plan.read_text().splitlines()]
    lines[1]["overrides"] = ["lr=${oc.env:HOME}"]
    plan.write_text("".join(json.dumps(line) + "\n" for line in lines))
    plan.chmod(0o666)
    done = app.run(*GO_ON, "hydra.sweeper.shared=true")
    assert done.returncode == 1
    assert "plans the override lr=${oc.env:HOME}, which calls a resolver" in done.stderr


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> object:
    files = {**FILES, "config": CONFIG.replace("typed, frozen, ", "") + "net: {_target_: torch.nn.Linear}\n"}
    return write_app(tmp_path_factory.mktemp("app"), files)


@pytest.mark.parametrize(
    "text",
    [
        "lr=0.1",
        "+model=b",
        "data@train=large",
        "lr=${n.a}",
        "name='${n.a}-${lr}'",
        "name='${options.${which}}'",
        "name=hydra.launcher",
        "+hydration=3",
        "net={_target_:torch.nn.Linear,width:3}",
        "net._target_=torch.nn.Linear",
        "~lr",
    ],
)
def test_overrides_that_only_set_values(composed: object, text: str) -> None:
    check_overrides(composed, Path("/s"), [text])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hydra.launcher.max_parallel=3", "changes Hydra's own configuration"),
        ("++hydra.run.dir=/tmp", "changes Hydra's own configuration"),
        ("hydra/launcher=herd_slurm", "changes Hydra's own configuration"),
        ("+hydra={run:{dir:x}}", "changes Hydra's own configuration"),
        ("+data@hydra.launcher=small", "changes Hydra's own configuration"),
        ("~hydra.callbacks", "changes Hydra's own configuration"),
        ("lr=${oc.env:HOME}", "calls a resolver"),
        ("lr=${eval:'1'}", "calls a resolver"),
        ("name='${n.${oc.env:HOME}}'", "calls a resolver"),
        ("lr={a:[1,'${oc.decode:x}']}", "calls a resolver"),
        ("net={_target_:os.system,command:ls}", "instantiates 'os.system'"),
        ("net._target_=os.system", "instantiates 'os.system'"),
        ("+a={b:[{c:{_target_:os.system}}]}", "instantiates 'os.system'"),
        ("lr=1,2", "is itself a sweep"),
        ("lr=[", "cannot be parsed"),
    ],
)
def test_overrides_that_run_more_than_the_script(composed: object, text: str, why: str) -> None:
    with pytest.raises(SweepError, match=f"plans the override .*which {why}"):
        check_overrides(composed, Path("/s"), ["lr=0.1", text])  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_latest_sweep_is_the_latest_that_is_trusted(app: App, nobody: int) -> None:
    """Anybody can plant a folder that says it is the newest; it must not keep its neighbours from being found."""
    mine = app.sweep("lr=0.1,0.2", to="multirun/mine")
    planted = app.folder / "multirun" / "planted"
    shutil.copytree(mine.dir, planted)
    record = SweepRecord.read(planted)
    replace(record, created=record.created + 3600).write(planted)
    os.chown(planted, nobody, -1)
    latest = ("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/new", "hydra.sweeper.resume=latest")
    done = app.run(*latest)
    assert done.returncode == 0, done.stderr
    told = f"resume=latest: resuming {mine.dir}; skipped 1 newer sweep: {planted} belongs to nobody (mode "
    assert sum(told in line for line in done.stdout.splitlines()) == 1, done.stdout
    assert f"resuming {planted} with " in app.run(*latest, "hydra.sweeper.shared=true").stdout
    os.chown(mine.dir, nobody, -1)
    done = app.run(*latest)
    assert done.returncode == 1
    assert f"hydra.sweeper.resume: {planted} belongs to nobody (mode " in done.stderr
