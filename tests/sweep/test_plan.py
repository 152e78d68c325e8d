"""The plan is checked as a whole: what trials are said to have is what their overrides do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import hyperherd
from hyperherd.errors import HyperherdError
from hyperherd.sweep.preview import Preview

CONFIG = "lr: 0.1\nseed: 0\nopt: {lr: 1, wd: 2, name: a}\nlayers: [1]\nspan: 1..2\nnothing: null\n"


@pytest.fixture
def preview(tmp_path: Path) -> Any:
    def planned(*arguments: str, config: str = CONFIG, **sweeper: Any) -> Preview:
        config = {"defaults": ["_self_"], "hydra": {"sweeper": sweeper}, **yaml.safe_load(config)}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        return hyperherd.plan(["hydra/sweeper=herd", *arguments], config_dir=tmp_path)

    return planned


@pytest.mark.parametrize(
    ("arguments", "options", "fixed"),
    [
        (["seed=0"], {"seeds": 3}, "seed=0"),
        (["++seed=5"], {"seeds": 3}, "++seed=5"),
        ([], {"seeds": 3, "static_overrides": ["seed=4"]}, "seed=4"),
        (["opt={wd: 7}"], {"seeds": 3, "seed_key": "opt.wd"}, "opt={wd: 7}"),
    ],
)
def test_a_fixed_seed_wins_over_seeds(preview: Any, arguments: list[str], options: dict[str, Any], fixed: str) -> None:
    found = preview(*arguments, params={"lr": [1, 2]}, **options)
    assert [trial.overrides for trial in found.trials] == [("lr=1", fixed), ("lr=2", fixed)]
    assert [trial.params for trial in found.trials] == [{"lr": 1}, {"lr": 2}]
    key = options.get("seed_key", "seed")
    assert found.plan.notes == (f"{fixed} fixes {key}: hydra.sweeper.seeds=3 is ignored, no trial is repeated",)


def test_seeds_swept_on_the_command_line_replace_those_of_the_config(preview: Any) -> None:
    found = preview("seed=7,8", params={"lr": [1]}, seeds=3)
    assert [trial.params["seed"] for trial in found.trials] == [7, 8]
    assert found.plan.notes == ("seed=7,8 on the command line replaces hydra.sweeper.seeds=3",)


def test_a_fixed_name_wins_over_name_key(preview: Any) -> None:
    assert preview("opt.name=mine", "lr=1,2", name_key="opt.name").trials[0].overrides == ("opt.name=mine", "lr=1")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (["~lr"], {"params": {"lr": [1, 2]}}, "~lr deletes lr, which is searched"),
        (["~opt"], {"params": {"opt.lr": [1, 2]}}, "~opt deletes opt.lr, which is searched"),
        (["~seed"], {"params": {"lr": [1]}, "seeds": 2}, "~seed deletes seed, which is searched"),
        (
            ["lr=1,2", "~opt"],
            {"conditions": [{"when": {"lr": 1}, "replace": {"opt.lr": [1]}}]},
            "~opt deletes opt.lr, which is",
        ),
        ([], {"params": {"lr": [1]}, "static_overrides": ["~lr"]}, "~lr deletes lr, which is searched"),
        (["~lr=1,2"], {}, "~lr=1,2 deletes lr, which cannot be swept"),
        (["opt.lr=5"], {"params": {"opt": [{"lr": 1}, {"lr": 2}]}}, "opt={lr:1} is overridden by opt.lr=5"),
        (["opt.lr=1,2", "opt={lr: 3}"], {}, "opt.lr=1 is overridden by opt={lr: 3}, which sets opt.lr again"),
        (
            ["opt.lr=1,2"],
            {"conditions": [{"when": {"opt.lr": 1}, "set": {"opt": {"lr": 9}}}]},
            r"opt.lr=1 is overridden by ++opt={lr:9}",
        ),
    ],
)
def test_what_undoes_what_is_searched_is_an_error(
    preview: Any, arguments: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(HyperherdError) as caught:
        preview(*arguments, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "overrides"),
    [
        (["~lr", "+lr=1,2"], {}, [("~lr", "+lr=1"), ("~lr", "+lr=2")]),
        (["opt={lr: 3}"], {"params": {"opt.lr": [1, 2]}}, [("opt={lr: 3}",)]),
        (["opt={lr: 3}", "opt.lr=1,2"], {}, [("opt={lr: 3}", "opt.lr=1"), ("opt={lr: 3}", "opt.lr=2")]),
        (
            ["opt.wd=5"],
            {"params": {"opt": [{"lr": 1}, {"lr": 2}]}},
            [("opt={lr:1}", "opt.wd=5"), ("opt={lr:2}", "opt.wd=5")],
        ),
    ],
)
def test_overrides_that_meet_and_hold(
    preview: Any, arguments: list[str], options: dict[str, Any], overrides: list[tuple[str, ...]]
) -> None:
    assert [trial.overrides for trial in preview(*arguments, **options).trials] == overrides


def test_trials_that_come_to_the_same_are_one(preview: Any) -> None:
    grids = [{"params": {"lr": [0.1, 0.2]}}, {"params": {"lr": [0.1], "opt.wd": [2, 3]}}]
    assert [trial.params for trial in preview(grids=grids).trials] == [
        {"lr": 0.1},
        {"lr": 0.2},
        {"lr": 0.1, "opt.wd": 3},
    ]


@pytest.mark.parametrize(
    ("arguments", "params", "note"),
    [
        (["lr=[0.1,0.2]"], {}, "lr=[0.1,0.2] is one value for all trials; to sweep several, write lr=0.1,0.2"),
        (["lr=1..3"], {}, "lr=1..3 is one value for all trials; to sweep several, write lr=range(1,4)"),
        (["lr="], {}, "lr= is one value for all trials; to sweep several, write lr=a,b"),
        (["lr=null"], {}, "lr=null is one value for all trials; to sweep several, write lr=a,b"),
        ([], {"lr": None}, "hydra.sweeper.params.lr is one value, null; to sweep several, write lr: a,b"),
        ([], {"lr": ""}, "hydra.sweeper.params.lr is one value, ''; to sweep several, write lr: a,b"),
        (
            [],
            {"lr": "[0.1, 0.2]"},
            "hydra.sweeper.params.lr is one value, ['0.1', '0.2']; to sweep several, write lr: 0.1,0.2",
        ),
        (
            [],
            {"lr": {"values": "1..3"}},
            "hydra.sweeper.params.lr is one value, '1..3'; to sweep several, write lr: range(1,4)",
        ),
        (["layers=[1,2]"], {}, None),
        (["span=3..4"], {}, None),
        (["nothing=null"], {}, None),
        (["opt.name=null"], {}, None),
        ([], {"layers": "[1,2]"}, None),
        ([], {"lr": 0.3}, None),
        ([], {"layers": [[1, 2]]}, None),
    ],
)
def test_one_value_where_several_look_meant_is_noted(
    preview: Any, arguments: list[str], params: dict[str, Any], note: str | None
) -> None:
    found = preview(*arguments, params=params)
    assert len(found.trials) == 1
    assert found.plan.notes == (() if note is None else (note,))


@pytest.mark.parametrize(
    ("arguments", "options", "right"),
    [
        ([], {"params": {"lr": {"min": 0.1, "max": 1}}}, "here it is written {low: 0.1, high: 1}"),
        ([], {"params": {"lr": {"min": 1, "max": 9, "distribution": "log_uniform"}}}, "{low: 1, high: 9, scale: log}"),
        ([], {"params": {"opt": {"lr": [1, 2]}}}, "write opt.lr as names of their own"),
        ([], {"params": {"opt": {"lr": {"values": [1]}, "wd": 1}}}, "write opt.lr, opt.wd as"),
        (["lr=1,2"], {"conditions": [{"when": {"lr": {"gte": 1}}, "exclude": True}]}, "did you mean 'ge'"),
        (["lr=1,2"], {"conditions": [{"when": {"lr": {"lte": 1}}, "exclude": True}]}, "did you mean 'le'"),
        (["lr=1,2"], {"conditions": [{"when": {"lr": {">=": 1}}, "exclude": True}]}, "did you mean 'ge'"),
        (["lr=1,2"], {"conditions": [{"if": {"lr": 1}, "exclude": True}]}, "unknown key 'if' (did you mean 'when'?)"),
        (["lr=1,2"], {"conditions": [{"when": {"lrr": 1}, "exclude": True}]}, "'lrr' (did you mean 'lr'?)"),
        (["lrr=1,2"], {}, "Could not override 'lrr' (did you mean 'lr'?)"),
        (["lr=1,2", "+hydra.sweeper.sampel=3"], {}, "hydra.sweeper has no key 'sampel' (did you mean 'sample'?)"),
        (["lr=1,2", "+hydra.sweeper.n_trials=3"], {}, "(did you mean 'max_trials'?)"),
        (["lr=glob(smal)"], {}, "glob(...) chooses among the options of a config group, and lr is not one"),
    ],
)
def test_slips_are_answered_with_what_is_right(
    preview: Any, arguments: list[str], options: dict[str, Any], right: str
) -> None:
    with pytest.raises(HyperherdError) as caught:
        preview(*arguments, **options)
    assert right in str(caught.value)


def test_a_glob_without_a_match_names_the_options(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for name in ("small", "large"):
        (tmp_path / "model" / f"{name}.yaml").write_text("n: 1\n")
    (tmp_path / "config.yaml").write_text("defaults: [model: small, _self_]\n")
    with pytest.raises(HyperherdError) as caught:
        hyperherd.plan(["model=glob(smal)"], config_dir=tmp_path)
    assert "glob(smal) matches no option of model (did you mean 'small'?); there are large, small" in str(caught.value)


@pytest.mark.parametrize("subdir", [".", "x/..", ".hyperherd/x"])
def test_a_trial_never_runs_among_the_files_of_the_sweep(preview: Any, subdir: str) -> None:
    with pytest.raises(HyperherdError, match=r"where the sweep keeps its own files.*\$\{hydra.job.num\}"):
        preview("lr=1,2", f"hydra.sweep.subdir={subdir}")


def test_plan_raises_hyperherd_errors_alone_and_knows_hydras_own_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("lr: 1\nhydra: {sweep: {dir: '${hydra:runtime.cwd}/${hydra:job.name}'}}\n")
    assert hyperherd.plan(["lr=1,2"], config_dir=tmp_path).sweep_dir == Path.cwd() / "app"
    for arguments, folder in ((["lr=1,2", "no=1"], tmp_path), (["lr=1,2"], tmp_path / "no"), (["lr=[1"], tmp_path)):
        with pytest.raises(HyperherdError):
            hyperherd.plan(arguments, config_dir=folder)
    with pytest.raises(HyperherdError):
        hyperherd.plan(["lr=1,2", "hydra.sweep.dir=${oc.env:NO_SUCH}"], config_dir=tmp_path)


@pytest.mark.parametrize("taken", [["-c", "conf.toml"], ["-f", "kernel.json", "-cn", "other"], ["--config", "x"]])
def test_the_command_line_of_another_program_is_not_read(
    preview: Any, monkeypatch: pytest.MonkeyPatch, taken: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pytest", *taken])
    assert len(preview("lr=1,2").trials) == 2


@pytest.mark.parametrize(
    ("sweeper", "told"),
    [
        ({"snapshot": True}, "BasicLauncher runs the project as it is when a trial starts"),
        ({"notify": "nowhere.txt"}, "is neither an address nor a file that can be read: nowhere.txt"),
    ],
)
def test_what_a_sweep_would_refuse_is_refused_in_a_preview(preview: Any, sweeper: dict[str, Any], told: str) -> None:
    with pytest.raises(HyperherdError, match=told):
        preview("lr=1,2", **sweeper)
