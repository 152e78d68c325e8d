"""One notion of a configuration: parameters, then group choices, then the config; for tables, seeds, effects, diff."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import starting
from results.builder import SweepBuilder, kept_trial

from hyperherd import Trials, load
from hyperherd.results.files.index.index import SMALLEST
from hyperherd.results.statistics.importance.effects import effects


@pytest.fixture
def two(tmp_path: Path) -> Trials:
    """Two sweeps that search lr and differ in a fixed override; their paths, times and derived values differ too."""
    for name, epochs in (("a", 5), ("b", 50)):
        sweep = SweepBuilder(tmp_path / name)
        for number, lr in enumerate((0.1, 0.2)):
            config = {
                "lr": lr,
                "epochs": epochs,
                "wd": "${lr}",
                "steps": f"${{{'lr' if name == 'a' else 'epochs'}}}",
                "out": str(sweep.dir / str(number)),
                "stamp": f"2026-01-0{number + 1} 10:0{number}:00",
                "token": name,
                "model": {"width": 8},
            }
            kept_trial(sweep, lr + epochs, {"lr": lr}, config, model="small")
    return load(tmp_path)


def test_what_differs_in_the_configs_is_a_column(two: Trials) -> None:
    assert two.varying == ("lr", "epochs")
    assert {trial.params["lr"] for trial in two.filter("epochs=50")} == {0.1, 0.2}
    assert two.table()["epochs"].to_pylist() == [5, 5, 50, 50]


def test_effects_and_configurations_know_it(two: Trials) -> None:
    found = {effect.parameter: effect for effect in effects(two).parameters}
    assert found.keys() == {"lr", "epochs"}
    assert found["epochs"].contrasts[0].pairs == 2
    assert len(two.seeds()) == 4


def test_another_interpolation_is_another_configuration_without_a_column(tmp_path: Path) -> None:
    for name, text in (("a", "${lr}"), ("b", "${half:${lr}}")):
        kept_trial(SweepBuilder(tmp_path / name), 0.5, {"lr": 1}, {"lr": 1, "wd": text})
    trials = load(tmp_path)
    assert (trials.varying, len(trials.seeds())) == ((), 2)


def test_a_seed_that_was_fixed_is_a_seed(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        sweep = SweepBuilder(tmp_path / name)
        for lr in (0.1, 0.2):
            kept_trial(sweep, lr, {"lr": lr}, {"lr": lr, "seed": seed})
    groups = load(tmp_path).seeds()
    assert [(group.settings, group.planned) for group in groups] == [({"lr": 0.2}, 2), ({"lr": 0.1}, 2)]


def test_choices_count_whether_searched_fixed_or_default(tmp_path: Path) -> None:
    widths = {"small": 4, "large": 8}

    def write(name: str, options: tuple[str, ...], *, searched: bool) -> None:
        sweep = SweepBuilder(tmp_path / name)
        for option in options:
            params = {"lr": 0.1, **({"model": option} if searched else {})}
            kept_trial(sweep, 0.5, params, {"lr": 0.1, "model": {"width": widths[option]}}, model=option)

    write("a", ("small", "large"), searched=True)
    write("b", ("large",), searched=False)
    trials = load(tmp_path)
    assert trials.varying == ("model",)  # and not model.width, which follows
    assert trials.table()["model"].to_pylist() == ["small", "large", "large"]
    assert len(trials.filter("model=large")) == 2
    assert trials.filter("model=large").constant == {"lr": 0.1, "model": "large"}
    assert len(trials.seeds()) == 2


def test_a_group_that_follows_from_a_searched_one_is_no_column(sweep: SweepBuilder) -> None:
    for option, optimizer in (("fast", "sgd"), ("slow", "adam")):
        config = {"optimizer": {"name": optimizer}}
        kept_trial(sweep, 0.5, {"experiment": option}, config, experiment=option, optimizer=optimizer)
    trials = load(sweep.dir)
    assert trials.varying == ("experiment",)
    assert [trial.number for trial in trials.filter("optimizer=adam")] == [1]


def test_what_was_not_run_is_taken_to_be_as_planned(two: Trials, tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "c")
    kept_trial(sweep, 0.1, {"lr": 0.1, "seed": 0}, {"lr": 0.1, "seed": 0, "epochs": 5})
    sweep.plan(lr=0.1, seed=1)
    groups = load(tmp_path / "a", tmp_path / "c").seeds()
    assert sorted(group.planned for group in groups) == [1, 1, 2]


def test_the_index_keeps_choices_and_hashes(tmp_path: Path) -> None:
    import os

    sweep = SweepBuilder(tmp_path / "s")
    for number in range(SMALLEST):
        option = ("small", "large")[number % 2]
        kept_trial(sweep, 0.5, {"lr": number}, {"lr": number, "model": {"width": number % 2}}, model=option)
        os.utime(sweep.file(number), (1, 1))
    one_by_one = [load(sweep.dir / str(number))[0] for number in (2, 3)]
    first = load(sweep.dir)
    again = load(sweep.dir)
    assert type(again[2]) is not type(one_by_one[0])
    told = [(t.choices, t.config_hash) for t in one_by_one]
    assert [(t.choices, t.config_hash) for t in again[2:4]] == told
    assert [(t.choices, t.config_hash) for t in again] == [(t.choices, t.config_hash) for t in first]
    assert again[3].choices == {"model": "large"}


def test_choices_of_plain_hydra_come_from_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    for name in ("small", "large"):
        (tmp_path / "conf" / "model" / f"{name}.yaml").write_text(f"name: {name}\n")
    (tmp_path / "conf" / "config.yaml").write_text("defaults: [{model: large}, _self_]\nlr: 1\n")
    (tmp_path / "app.py").write_text(
        "import hydra\n@hydra.main(version_base=None, config_path='conf', config_name='config')\n"
        "def main(cfg):\n    pass\nmain()\n"
    )
    for number, arguments in enumerate((["model=small,large"], ["lr=1,2", "hydra.output_subdir=x"])):
        command = [sys.executable, "app.py", "-m", *arguments, f"hydra.sweep.dir=m/{number}"]
        starting.run(command, cwd=tmp_path).check_returncode()
    trials = load(tmp_path / "m")
    assert [trial.choices["model"] for trial in trials] == ["small", "large", "large", "large"]
    assert len(trials.filter("model=large")) == 3
    assert [trial.choices for trial in load(tmp_path / "m" / "1" / "0")] == [{"model": "large"}]
