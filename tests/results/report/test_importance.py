"""What matters among the selected trials of a report is what the command line says of the same filter."""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, kept_trial
from results.report.javascript import in_node, needs_node
from results.statistics.importance import designs
from results.statistics.importance.designs import Params

from hyperherd import load
from hyperherd.records.disk.files import strict
from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.pages.effects_line import p_text
from hyperherd.results.report.findings import told_effects
from hyperherd.results.report.gather import gather
from hyperherd.results.statistics.distributions import fisher, kurtosis, normal_scores, telling_share
from hyperherd.results.statistics.importance.effects import effects

pytestmark = needs_node

OF_EACH = """
prepare(asked.data);
return asked.filters.map((text) => {
  selection.terms = parseFilter(text);
  select_();
  const steps = effectsInSteps(selectedTrials());
  for (;;) { const step = steps.next(); if (step.done) return step.value; }
});
"""
DESIGNS = (
    *(designs.mixed_search(count, params) for count, params in ((12, 3), (40, 5), (60, 9))),
    designs.random_search(40, 3),
    designs.random_search(12, 3, seeds=3),
    designs.grid(4, 3, 2, missing=0.2),
    designs.grid(3, 3, seeds=3, missing=0.1),
    designs.grid(4, 2, seeds=2, numeric=True),
    designs.grid(2, 2, 2, 2),
    designs.log_search(30, 2),
    designs.two_levels(16, 6),
    designs.two_levels(12, 20),
    designs.seeded(designs.mixed_search(15, 4), 3),
)
NOISES = (designs.normal, designs.heavy, designs.skewed, designs.rounded, lambda _: 0.0)


def effect_of(value: Any) -> float:
    """What a value of a parameter does to the objective."""
    if isinstance(value, bool | str):
        return sum(map(ord, str(value))) % 7 / 2
    return math.log10(value) if 0 < value < 1e-2 or value >= 10 else float(value)


def pool(seed: int) -> Trials:
    """Return a sweep with effects of some parameters, twins, repeated and dead trials, and values of all sizes."""
    draw = random.Random(seed)
    points = DESIGNS[seed % len(DESIGNS)](draw)
    noise = draw.choice(NOISES)
    names = [name for name in points[0] if name != "seed" and draw.random() < 0.5]
    scale, size = draw.choice([1.0, 1.0, 1e-9, 1e200]), draw.choice([0.0, 0.3, 1.0])
    has_twin, joint = draw.random() < 0.2, draw.random() < 0.3
    rows: list[tuple[Params, float | None]] = []
    states = {}
    for place, point in enumerate(points + draw.sample(points, min(2, len(points)))):
        effects = [effect_of(point[name]) for name in names if name in point]
        value = sum(effects) + (effects[0] * effects[1] if joint and len(effects) > 1 else 0.0) + size * noise(draw)
        params = {**point, "twin": point["p0"]} if has_twin else dict(point)
        dies = draw.random() < (0.4 if str(point["p0"]) in ("sgd", "v0") else 0.05)
        if dies:
            states[place] = draw.choice([TrialState.FAILED, TrialState.LOST, TrialState.RUNNING, TrialState.PRUNED])
        value = math.nan if draw.random() < 0.03 else round(value, draw.choice([1, 12]))
        rows.append((params, scale * value))
    return designs.as_trials(rows, draw.choice(["maximize", "minimize"]), states)


def filters(trials: Trials, draw: random.Random) -> list[str]:
    """Return what selects all, any trials, those with a value of a parameter, and next to none."""
    some = sorted(draw.sample(range(len(trials)), draw.randint(1, len(trials))))
    name, value = draw.choice([item for item in trials[0].params.items() if item[0] != "seed"])
    text = str(value).lower() if isinstance(value, bool) else value
    few = draw.sample(range(len(trials)), 4)
    return ["", f"number={','.join(map(str, some))}", f"{name}={text}", f"number={','.join(map(str, few))}"]


def asked_of(trials: Trials, texts: list[str]) -> dict[str, Any]:
    data, _ = gather(trials, "")
    return {"data": strict(data), "filters": texts}


def same(found: Any, expected: Any) -> bool:
    """Return whether two answers have the same words, and numbers that differ by rounding alone."""
    if isinstance(expected, dict):
        return all(same(found[name], value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float):
        return bool(found == pytest.approx(expected, rel=1e-6, abs=1e-9 if abs(expected) < 1 else 0))
    return bool(found == expected)


def check(seeds: range) -> int:
    """Compare the two for many pools, each with several filters; return how many parameters were found to matter."""
    pools = [pool(seed) for seed in seeds]
    texts = [filters(trials, random.Random(seed)) for seed, trials in zip(seeds, pools, strict=True)]
    answers = in_node(OF_EACH, list(map(asked_of, pools, texts)))
    matter = 0
    for seed, trials, asked, found in zip(seeds, pools, texts, answers, strict=True):
        assert isinstance(found, list), (seed, found)
        for text, answer in zip(asked, found, strict=True):
            expected = told_effects(effects(trials.filter(*text.split())))
            assert same(answer, expected), (seed, text, answer, expected)
            matter += sum(item["matters"] for item in expected["parameters"])
    return matter


def test_effects_of_a_selection_are_those_of_the_same_filter() -> None:
    assert check(range(len(DESIGNS))) > 25  # of many more: see below


def different_sweeps(root: Path, seed: int) -> Trials:
    """Return sweeps that search different things, of which the rest stands in their configs, two with other scripts."""
    draw = random.Random(seed)
    for name, searched in {
        "a": ("lr", "opt", "seed"),
        "b": ("wd", "lr"),
        "c": ("opt", "model.width"),
        "d": ("wd",),
    }.items():
        sweep = SweepBuilder(root / name / "s", seed_key="seed" if name == "a" else None)
        record = json.loads((sweep.dir / ".hyperherd" / "sweep.json").read_text())
        record["script"] = "/x/other.py" if name == "d" and seed % 2 else "/x/train.py"
        (sweep.dir / ".hyperherd" / "sweep.json").write_text(json.dumps(record))
        for number in range(10):
            every = {"lr": draw.choice([0.1, 0.2]), "wd": draw.choice([0, 1e-3]), "opt": draw.choice(["sgd", "adam"])}
            every |= {"model.width": draw.choice([8, 16, 32]), "seed": draw.randrange(3)}
            params = {key: every[key] for key in searched if key == searched[0] or draw.random() < 0.8}
            opt = params.get("opt", "sgd" if name == "b" else "adam")
            config = {
                "lr": 0.1 if name == "c" else 0.3,
                "wd": 0,
                "seed": draw.choice([0, 1]),
                "epochs": 5 * (number // 5),
            }
            config |= {"out": str(sweep.dir / str(number)), "steps": draw.choice(["${epochs}", 7]), "token": name}
            value = every["lr"] + (2 if opt == "sgd" else 0) + draw.gauss(0, 0.3)
            acc = None if draw.random() < 0.1 else value
            choices = {"opt": opt, "sched": "step" if opt == "sgd" or number == 3 else "cos", "data": name}
            kept_trial(sweep, acc, params, {**config, "model": {"width": params.get("model.width", 8)}}, **choices)
        if name == "b":  # of whose config nothing is left
            sweep.trial({"val/acc": draw.random()}, params={"wd": 1})
    return load(root)


def check_sweeps(root: Path, seed: int) -> set[str]:
    """Compare the two for many selections of trials of several sweeps; return what was found to vary."""
    trials = different_sweeps(root, seed)
    draw = random.Random(seed)
    texts = ["", "opt=sgd", "lr=0.1", "seed=0", "epochs=5", "wd=0", "data=a,c", "script=train.py", "sched=step"]
    dirs = [str(sweep.dir) for sweep in trials.sweeps]
    for _ in range(30):
        chosen = sorted(draw.sample(range(11), draw.randint(2, 9)))
        folders = "|".join(f"{one}/" for one in draw.sample(dirs, draw.randint(1, 3)))
        texts.append(f"dir~{folders} number={','.join(map(str, chosen))}")
    (answers,) = in_node(OF_EACH, [asked_of(trials, texts)])
    varying: set[str] = set()
    for text, answer in zip(texts, answers, strict=True):
        expected = told_effects(effects(trials.filter(*text.split())))
        assert same(answer, expected), (seed, text, answer, expected)
        varying |= {item["name"] for item in expected["parameters"]}
    return varying


def test_settings_of_a_selection_are_those_of_the_same_filter(tmp_path: Path) -> None:
    """Which parameters, choices and keys of configs tell trials apart depends on which trials are selected."""
    found = check_sweeps(tmp_path, 1)
    assert found >= {"lr", "wd", "opt", "sched", "data", "epochs", "model.width", "script"}


def test_the_distributions_of_effects_are_those_of_python() -> None:
    shares = [(level, between, within) for level in (0.05, 0.001) for between in (1, 4) for within in (1, 3, 40)]
    found = in_node("return tellingShare(...asked);", [list(item) for item in shares])
    assert found == pytest.approx([telling_share(*item) for item in shares], rel=1e-9)
    draw = random.Random(0)
    tied = [draw.gauss(0, 1) for _ in range(300)] + [1.5] * 40 + [-9.0]
    scores, shape, sums = in_node(
        "return { normalScores, kurtosis, sumOf }[asked[0]](asked[1]);",
        [[name, tied] for name in ("normalScores", "kurtosis", "sumOf")],
    )
    assert scores == pytest.approx(normal_scores(tied), rel=1e-12)
    assert shape == pytest.approx(kurtosis(tied), rel=1e-12)
    assert sums == math.fsum(tied)
    hard = [[draw.uniform(-1, 1) * 10 ** draw.randint(-20, 20) for _ in range(30)] for _ in range(200)]
    hard += [[1e100, 1.0, -1e100], [1.0, 2**-53, 2**-106], [1.0, 2**-53, -(2**-106)], []]
    assert list(map(float, in_node("return sumOf(asked);", hard))) == list(map(math.fsum, hard))
    ps = [0.0625, 0.1875, *(place / 8 for place in range(1, 8)), 0.505, 0.555, 0.1, 0.0995, 0.2, 1.0, 5e-4]
    assert in_node("return pText(asked);", [*ps, None]) == list(map(p_text, [*ps, None]))
    tables = [(1, 3, 2, 30), (3, 3, 4, 40), (0, 5, 3, 20), (2, 4, 2, 9)]
    found = in_node("return fisher(...asked, false);", [list(table) for table in tables])
    assert found == pytest.approx([fisher(*table) for table in tables], rel=1e-9)


if __name__ == "__main__":  # PYTHONPATH=tests python tests/results/report/test_importance.py POOLS SWEEPS
    print(check(range(int(sys.argv[1]))), "parameters matter, the same in both")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(int(sys.argv[2])):
            check_sweeps(Path(folder, str(seed)), seed)
