"""Seeds under the names that people give them, what may be one, and seeds that change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.results.pages.overview import notes
from hyperherd.results.statistics.seeds import seed_notes
from hyperherd.results.trials.seed_names import is_seed, may_be_seed

SEEDS = (
    "seed SEED Seed data_seed init_seed model.init_seed random_seed randomSeed random_state clf.random_state rng_seed"
)
SEEDS += " seed_everything data.seed seed_idx torch_seed"
LIKELY = "fold data.fold cv_fold fold_idx rng model.rng repeat repetition replicate run_id seeds rep"
OTHERS = (
    "lr num_seeds seed_length seed_type seeded folding repeats_penalty random repeat_prob seedling state trial model"
)


@pytest.mark.parametrize("name", SEEDS.split())
def test_names_of_seeds(name: str) -> None:
    assert is_seed(name)


@pytest.mark.parametrize("name", LIKELY.split())
def test_names_that_may_be_of_seeds(name: str) -> None:
    assert may_be_seed(name)
    assert not is_seed(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_names_of_other_parameters(name: str) -> None:
    assert not may_be_seed(name)


def swept(root: Path, name: str, seed_key: str | None = None) -> Path:
    """Write a sweep of two models, each with three values of a parameter."""
    sweep = SweepBuilder(root, seed_key=seed_key)
    for model in ("a", "b"):
        for value in range(3):
            metrics = {"val/acc": 0.1 * value, "val/loss": 0.3 * value}
            sweep.trial(metrics, params={"model": model, name: value})
    return sweep.dir


@pytest.mark.parametrize("name", ["random_state", "seed_everything", "SEED", "data_seed", "model.init_seed"])
def test_a_seed_folds_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    groups = load(swept(tmp_path / "s", name)).seeds()
    assert groups.keys == (name,)
    assert [group.planned for group in groups] == [3, 3]
    assert notes(groups.trials, groups) == []


@pytest.mark.parametrize("name", ["fold", "rng", "repeat"])
def test_what_may_be_a_seed_is_hinted_at_until_someone_says(tmp_path: Path, name: str) -> None:
    trials = load(swept(tmp_path / "s", name))
    told = f"{name} perhaps repeats a configuration: --seed-key {name} if so"
    assert f"note: {told}" in repr(trials)
    assert notes(trials) == [told]
    assert seed_notes(trials, trials.seeds(keys=[name])) == []


def test_beside_the_sweeps_own_key_another_seed_is_hinted_at(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", seed_key="seed")
    for seed in range(2):
        for data_seed in range(2):
            sweep.trial({"val/acc": seed + data_seed}, params={"seed": seed, "data_seed": data_seed})
    trials = load(sweep.dir)
    told = "data_seed perhaps repeats a configuration: --seed-key seed,data_seed if so"
    assert f"note: {told}" in repr(trials.seeds())


def written(root: Path, accs: dict[str, list[float]], losses: dict[str, list[float]]) -> Path:
    sweep = SweepBuilder(root)
    for method, values in accs.items():
        for seed, acc in enumerate(values):
            metrics = {"val/acc": acc, "val/loss": losses[method][seed], "val/time": float(seed)}
            sweep.trial(metrics, params={"method": method, "lr": 0.1, "seed": seed})
    return sweep.dir


def test_a_method_that_ignores_its_seed_is_named(tmp_path: Path) -> None:
    accs = {"knn": [0.8] * 3, "net": [0.7, 0.8, 0.9], "forest": [1.0] * 3}
    losses = {"knn": [0.4] * 3, "net": [0.5, 0.4, 0.3], "forest": [0.01, 0.02, 0.03]}
    groups = load(written(tmp_path / "s", accs, losses)).seeds()
    told = (
        "val/acc is the same for every seed in 1 of 3 configurations (method=knn): does what runs there use its seed?"
    )
    assert f"note: {told}" in repr(groups)
    assert notes(groups.trials, groups) == [told]


def test_a_script_that_ignores_its_seed_is_named(tmp_path: Path) -> None:
    same = {"a": [0.8] * 2, "b": [0.7] * 2}
    groups = load(written(tmp_path / "s", same, same)).seeds()
    assert seed_notes(groups.trials, groups) == [
        "val/acc is the same for every seed in every configuration: does what runs there use its seed?"
    ]


def test_two_equal_values_may_be_chance(tmp_path: Path) -> None:
    accs = {"a": [0.8, 0.8], "b": [0.7, 0.6]}
    groups = load(written(tmp_path / "s", accs, accs)).seeds()
    assert seed_notes(groups.trials, groups) == []
