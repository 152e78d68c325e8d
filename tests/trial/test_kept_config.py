"""What a trial keeps of its config: resolved as it saw it, without the trial noticing, and without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import App, Sweep
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from hyperherd import load
from hyperherd.records.config import KeptConfig
from hyperherd.trial.kept_config import MOST_BYTES, keep_config

CONFIG = """
defaults: [{model: small}, {optional db@backup: null}, _self_]
lr: 0.1
wd: ${lr}
both: "${wd}-${model.width}"
home: ${oc.env:HOME}
below: ["${home}/x", 1]
twice: ${twice:${lr}}
twice_home: ${twice:${home}}
environment: ${environment:}
count: ${count:}
random: ${random:}
fails: ${fails:}
year: ${now:%Y}
here: ${hydra:runtime.output_dir}
tracker: {api_key: sesame, name: x, copy: "${tracker.api_key}"}
whole: ${tracker}
absent: ???
"""
RESOLVERS = """
import itertools, random
counter = itertools.count()
def fails():
    raise SystemExit("a resolver that ends the process")
OmegaConf.register_new_resolver("twice", lambda value: value * 2)
OmegaConf.register_new_resolver("environment", lambda: os.environ.get("HOME", "nowhere"))
OmegaConf.register_new_resolver("count", lambda: next(counter))
OmegaConf.register_new_resolver("random", random.random)
OmegaConf.register_new_resolver("fails", fails)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    app = App(tmp_path_factory.mktemp("kept"))
    app.write("print('SAW', cfg.count)", CONFIG)
    (app.folder / "conf" / "model").mkdir()
    for name, width in (("small", 4), ("large", 8)):
        (app.folder / "conf" / "model" / f"{name}.yaml").write_text(f"width: {width}\n")
    app.script.write_text(app.script.read_text().replace("@hydra.main", RESOLVERS + "@hydra.main"))
    return app.sweep("lr=0.5", "model=small,large", "+extra=1", "hydra.output_subdir=null", "hydra/launcher=herd_local")


def test_the_config_is_kept_resolved(swept: Sweep) -> None:
    kept = [KeptConfig.read(swept.dir / str(number)) for number in (0, 1)]
    assert [(item.choices, item.config["both"]) for item in kept] == [
        ({"db@backup": None, "model": "small"}, "0.5-4"),
        ({"db@backup": None, "model": "large"}, "0.5-8"),
    ]
    config = kept[0].config
    assert (config["wd"], config["twice"], config["extra"], config["absent"]) == (0.5, 1.0, 1, "???")
    assert config["here"] == str(swept.dir / "0")
    assert kept[0].interpolations["both"] == "${wd}-${model.width}"


def test_what_belongs_to_the_machine_the_moment_or_chance_stays_as_written(swept: Sweep) -> None:
    config = KeptConfig.read(swept.dir / "0").config
    assert config["below"] == ["${home}/x", 1]
    as_written = ("home", "twice_home", "environment", "count", "random", "fails", "year")
    assert {name: config[name] for name in as_written} == {
        "home": "${oc.env:HOME}",
        "twice_home": "${twice:${home}}",
        "environment": "${environment:}",
        "count": "${count:}",
        "random": "${random:}",
        "fails": "${fails:}",
        "year": "${now:%Y}",
    }


def test_secrets_stay_as_written(swept: Sweep) -> None:
    config = KeptConfig.read(swept.dir / "0").config
    assert config["tracker"] == {"api_key": "sesame", "name": "x", "copy": "${tracker.api_key}"}
    assert "sesame" not in json.dumps({**config, "tracker": None})


def test_the_trial_does_not_notice(swept: Sweep) -> None:
    assert (swept.dir / "0" / ".hyperherd" / "logs" / "attempt-0.out").read_text().startswith("SAW 0\n")


def test_readers_see_what_the_trial_saw(swept: Sweep) -> None:
    trials = load(swept.dir)
    assert [trial.config["both"] for trial in trials] == ["0.5-4", "0.5-8"]
    assert [trial.choices["model"] for trial in trials.filter("model=large")] == ["large"]
    with pytest.warns(UserWarning, match=r"home is not resolved in 2 of these trials.*\$\{oc.env:HOME\}"):
        assert not trials.filter("home=/root")


def test_a_large_config_is_kept_without_its_largest_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hydra: Any = OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", hydra)
    config = OmegaConf.create({"lr": 1, "words": ["x" * 100] * (MOST_BYTES // 100), "wd": "${lr}"})
    keep_config(config, tmp_path)
    kept = KeptConfig.read(tmp_path)
    assert (kept.config, kept.left_out) == ({"lr": 1, "wd": 1}, ["words"])


def test_a_config_that_refers_to_itself_costs_the_trial_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hydra: Any = OmegaConf.create({"hydra": {"runtime": {"choices": {}}}})
    monkeypatch.setattr(HydraConfig.instance(), "cfg", hydra)
    keep_config(OmegaConf.create({"a": {"b": "${a}"}, "c": "${d}", "d": "${c}", "lr": 1}), tmp_path)
    kept = KeptConfig.read(tmp_path)
    assert (kept.config["c"], kept.config["lr"]) == ("${d}", 1)
