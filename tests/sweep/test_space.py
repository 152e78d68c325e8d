"""The search space as a user writes it, in a config and on the command line, through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import App

import hyperherd
from hyperherd.errors import HyperherdError

CONFIG = "lr: 0.1\nmodel: cnn\nwidth: 8\nflag: false\nseed: 0\ntrainer: {warmup: 0, epochs: 1}\n"


def planned(app: App, *arguments: str, **sweeper: Any) -> list[tuple[str, ...]]:
    """Return the overrides of the trials that would be run."""
    return [trial.overrides for trial in preview(app, *arguments, **sweeper).trials]


def preview(app: App, *arguments: str, **sweeper: Any) -> Any:
    config = yaml.safe_load(CONFIG)
    config["defaults"] = ["_self_", {"override hydra/sweeper": "herd"}]
    config["hydra"] = {"sweeper": sweeper}
    app.write("pass", yaml.safe_dump(config, sort_keys=False))
    return hyperherd.plan(arguments, config_dir=app.folder / "conf")


def test_ranges_labels_and_abbreviations(app: App) -> None:
    params = {
        "lr": {"low": 1e-3, "high": 1e-1, "scale": "log", "steps": 3, "abbrev": "eta"},
        "model": {"values": ["cnn", "vit"], "labels": ["small", "large"]},
    }
    found = preview(app, params=params)
    assert [trial.params["lr"] for trial in found.trials] == [0.001, 0.001, 0.01, 0.01, 0.1, 0.1]
    assert found.trials[1].name == "eta-0.001_model-large"


def test_one_at_a_time_and_a_grid_of_names_take_the_rest_from_the_config(app: App) -> None:
    params = {"lr": [0.1, 0.2], "width": [8, 16]}
    assert planned(app, params=params, grid="one_at_a_time") == [
        ("lr=0.1", "width=8"),
        ("lr=0.2", "width=8"),
        ("lr=0.1", "width=16"),
    ]
    assert planned(app, params=params, grid=["lr"]) == [("lr=0.1", "width=8"), ("lr=0.2", "width=8")]


def test_zip_grids_and_seeds(app: App) -> None:
    grids = [
        {"params": {"model": "cnn", "width": [8, 16], "trainer.epochs": [1, 2]}, "zip": [["width", "trainer.epochs"]]},
        {"params": {"model": "vit"}, "conditions": [{"when": {"lr": {"gt": 0.1}}, "force": {"lr": 0.1}}]},
    ]
    assert planned(app, "lr=0.1,0.2", grids=grids, seeds=2)[-6:] == [
        ("model=cnn", "width=16", "trainer.epochs=2", "lr=0.1", "seed=0"),
        ("model=cnn", "width=16", "trainer.epochs=2", "lr=0.1", "seed=1"),
        ("model=cnn", "width=16", "trainer.epochs=2", "lr=0.2", "seed=0"),
        ("model=cnn", "width=16", "trainer.epochs=2", "lr=0.2", "seed=1"),
        ("model=vit", "lr=0.1", "seed=0"),
        ("model=vit", "lr=0.1", "seed=1"),
    ]


def test_a_sample_from_an_interval_on_the_command_line(app: App) -> None:
    found = preview(app, "lr=tag(log,interval(0.001,1))", "model=cnn,vit", sample=6)
    assert len(found.trials) == 6
    assert all(0.001 <= trial.params["lr"] <= 1 for trial in found.trials)
    assert found.trials == preview(app, "lr=tag(log,interval(0.001,1))", "model=cnn,vit", sample=6).trials


def test_replace_drop_and_set_become_overrides(app: App) -> None:
    conditions = [
        {"when": {"model": "vit"}, "replace": {"width": [32], "+patch": [4, 8]}},
        {"when": {"model": "cnn"}, "drop": ["width"], "set": {"trainer.warmup": {"expr": "trainer.epochs * 10"}}},
        {"when": {"patch": 8}, "set": {"new.key": "a, b"}, "resources": {"mem_gb": 64}},
    ]
    found = preview(app, "model=cnn,vit", "width=8,16", conditions=conditions)
    assert [trial.overrides for trial in found.trials] == [
        ("model=cnn", "++trainer.warmup=10"),
        ("model=vit", "width=32", "+patch=4"),
        ("model=vit", "width=32", "+patch=8", "++new.key='a, b'"),
    ]
    assert found.trials[2].resources == {"mem_gb": 64}
    assert "mem_gb=64" in str(found)


def test_config_groups_are_spelled_as_the_defaults_list_wants_them(app: App) -> None:
    for name in ("adam", "sgd"):
        for group in ("optimizer", "extra"):
            (app.folder / "conf" / group).mkdir(parents=True, exist_ok=True)
            (app.folder / "conf" / group / f"{name}.yaml").write_text(f"name: {name}\nlr: 1\n")
    config = {"defaults": ["_self_", {"optimizer": "adam"}, {"override hydra/sweeper": "herd"}], "lr": 1}
    conditions = [
        {"when": {"optimizer": "sgd"}, "set": {"extra": "sgd"}},
        {"when": {"optimizer": "adam", "optimizer.lr": 1}, "force": {"lr": 3}},
    ]
    config["hydra"] = {"sweeper": {"params": {"optimizer": "glob(*)", "lr": [1]}, "conditions": conditions}}
    app.write("pass", yaml.safe_dump(config, sort_keys=False))
    found = hyperherd.plan([], config_dir=app.folder / "conf")
    assert [trial.overrides for trial in found.trials] == [
        ("optimizer=adam", "lr=3"),
        ("optimizer=sgd", "lr=1", "+extra=sgd"),
    ]


def test_conditions_beside_an_override_that_only_a_job_can_resolve(app: App) -> None:
    condition = {"when": {"model": "vit"}, "exclude": True}
    config = yaml.safe_load(CONFIG) | {"hydra": {"sweeper": {"conditions": [condition]}}}
    app.write("pass", yaml.safe_dump(config))
    sweep = app.sweep("model=cnn,vit", "hydra.sweep.subdir='job-${hydra.job.id}'")
    assert [trial.overrides for trial in sweep.planned] == [("model=cnn",)]
    assert [path.name for path in sweep.dir.glob("job-*")] == ["job-0"]


def test_set_against_a_fixed_override_is_an_error_unless_equal(app: App) -> None:
    conditions = [{"name": "warm", "when": {"model": "vit"}, "set": {"width": 16}}]
    assert planned(app, "model=cnn,vit", "width=16", conditions=conditions)[1] == ("model=vit", "width=16")
    with pytest.raises(HyperherdError, match=r"\(warm\).*: set width to 16 contradicts width=8 on the command line"):
        planned(app, "model=cnn,vit", "width=8", conditions=conditions)


def test_static_overrides_of_the_config_give_way_to_set_and_to_the_command_line(app: App) -> None:
    options: dict[str, Any] = {
        "static_overrides": ["width=32", "flag=true"],
        "conditions": [{"when": {"model": "vit", "width": 32}, "set": {"width": 64}}],
    }
    assert planned(app, "model=cnn,vit", **options) == [
        ("model=cnn", "width=32", "flag=true"),
        ("model=vit", "flag=true", "++width=64"),
    ]
    assert planned(app, "model=cnn,vit", "width=8", **options)[0] == ("model=cnn", "width=8", "flag=true")


def test_a_search_space_of_the_first_hyperherd_pastes_in(app: App) -> None:
    block = yaml.safe_load("""
        parameters:
          lr: {type: continuous, low: 0.001, high: 0.1, scale: log, steps: 3, default: 0.01}
          model: {type: discrete, values: [cnn, vit], abbrev: m, default: cnn}
        static_overrides: ["width=4"]
        constraints:
          - {name: no slow vit, when: {model: vit, lr: {le: 0.001}}, exclude: {lr: [0.001]}}
          - {when: {model: vit}, set: {trainer.warmup: {expr: "100 if lr > 0.005 else 0"}}}
    """)
    assert planned(app, **block) == [
        ("lr=0.01", "model=cnn", "width=4"),
        ("lr=0.001", "model=cnn", "width=4"),
        ("lr=0.1", "model=cnn", "width=4"),
        ("lr=0.01", "model=vit", "width=4", "++trainer.warmup=100"),
    ]
    assert len(planned(app, **{**block, "grid": "all"})) == 5


def test_the_name_of_a_trial_is_given_to_the_script_when_asked(app: App) -> None:
    assert planned(app, "lr=1,2", name_key="model")[0] == ("model=lr-1", "lr=1")


def test_a_dry_run_shows_everything_and_writes_nothing(app: App) -> None:
    app.write("pass", CONFIG)
    before = sorted(app.folder.rglob("*"))
    conditions = "hydra.sweeper.conditions=[{when:{width:3},exclude:true},{when:{width:4},force:{width:5}}]"
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.dry_run=true", "width=range(0,60)", conditions)
    assert done.returncode == 0, done.stderr
    assert "58 trials would run in" in done.stdout
    assert "condition 0, on the command line: matched 1: excluded 1" in done.stdout
    assert "merged 1 duplicate trial" in done.stdout
    assert "... 18 more" in done.stdout
    assert "  57  width=59  ->  multirun/" in done.stdout
    assert sorted(app.folder.rglob("*")) == before


def test_a_dry_run_finds_what_a_run_would_refuse(app: App) -> None:
    done = app.run("-m", "hydra/sweeper=herd", "hydra.sweeper.dry_run=true", "boo=1,2")
    assert done.returncode == 1
    assert "trial 0 (boo=1) does not compose" in done.stderr


def test_errors_name_the_file_a_condition_comes_from(app: App) -> None:
    (app.folder / "conf" / "experiment").mkdir(parents=True)
    (app.folder / "conf/experiment/wide.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {conditions: [{when: {widht: 1}, exclude: true}]}}\n"
    )
    done = app.run("-m", "hydra/sweeper=herd", "+experiment=wide", "lr=1,2")
    assert "condition 0, in conf/experiment/wide.yaml: there is no parameter or config value 'widht'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lr=1,2", "+lr=3,4"], "has both lr=1,2 and +lr=3,4, which differ only in their prefix"),
        (["hydra.sweeper.params={lr:[1],+lr:[2]}"], "+lr is given twice, with different prefixes"),
        (["lr=range(0,2000000)"], "the grid has 2,000,000 points"),
        (["lr=1,2", "hydra.sweeper.order=sorted"], "hydra.sweeper.order is 'sorted'"),
        (["lr=1,2", "hydra.sweeper.validate=quick"], "hydra.sweeper.validate is 'quick'"),
        (["lr=1,2", "hydra.sweeper.zip=[lr,width]"], "zip is a list of lists of parameters"),
        (["lr=1,2", "hydra.sweeper.zip=[[lr,wdth]]"], "zip: there is no parameter 'wdth'"),
        (["lr=1,2", "hydra.sweeper.grid=some"], "hydra.sweeper.grid is 'some'"),
        (["hydra.sweeper.grids=[{param:{lr:[1]}}]"], "grids[0] is a map with params"),
        (["lr=1,2", "hydra.sweeper.sample=0"], "hydra.sweeper.sample is 0"),
        (["lr=a,b", "hydra.sweeper.conditions=[{when:{lr:{gt:1}},exclude:true}]"], "lr: gt 1 needs a number"),
        (
            ["lr=1,2", "hydra.sweeper.seeds=2", "hydra.sweeper.seed_key=sead"],
            "does not compose: Could not override 'sead'",
        ),
        (
            ["hydra.sweeper.params={lr:[1]}", "hydra.sweeper.parameters={lr:{values:[1]}}"],
            "hydra.sweeper has both params and parameters",
        ),
    ],
)
def test_what_can_be_known_wrong_is_said_before_anything_runs(app: App, arguments: list[str], message: str) -> None:
    sweep = app.sweep(*arguments, code=1)
    assert message in sweep.done.stderr
    assert not sweep.dir.exists()


@pytest.mark.slow
def test_the_config_of_a_trial_is_the_one_its_overrides_compose(app: App) -> None:
    conditions = "hydra.sweeper.conditions=[{when:{lr:2},set:{new.key:'{a: [1, x y]}',width:null}}]"
    app.write("print('GOT', json.dumps(OmegaConf.to_container(cfg), sort_keys=True))", CONFIG)
    sweep = app.sweep("lr=1,2", "model=cnn,'a,b'", conditions)
    got = [line for line in sweep.done.stdout.splitlines() if line.startswith("GOT")]
    assert len(got) == 4
    for trial, line in zip(sweep.planned, got, strict=True):
        alone = app.run(*trial.overrides).stdout
        assert line in alone.splitlines()


def test_what_was_written_is_kept_with_the_sweep(app: App) -> None:
    sweep = app.sweep("lr=1,2", "hydra.sweeper.note='third try'", "hydra.sweeper.order=random")
    kept = json.loads(Path(sweep.dir, ".hyperherd/sweep.json").read_text())
    assert kept["note"] == "third try"
    assert kept["space"]["order"] == "random"
    assert kept["space"]["overrides"] == ["lr=1,2"]
