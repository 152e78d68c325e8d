from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import App
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.results.pages.diff import diff_page, diff_record
from hyperherd.results.statistics.diff import Diff, diff
from hyperherd.results.text.layout import Screen
from hyperherd.results.values import Gap, flat


def names(items: Any) -> dict[str, tuple[Any, Any]]:
    return {item.name: (item.a, item.b) for item in items}


@pytest.fixture
def compared(app: App) -> Diff:
    """Two trials of two real sweeps of an app that changed in between."""
    app.write(
        'from hyperherd import log_result; log_result("val/acc", cfg.lr); log_result("loss", -cfg.lr, step=1)',
        "lr: 0.1\nopt: {name: sgd, momentum: 0.9, betas: [1, 2]}\nwidth: 8\n",
    )
    a = app.sweep("lr=0.1,0.2", to="multirun/a")
    config = app.folder / "conf" / "config.yaml"
    config.write_text("lr: 0.1\nopt: {name: adam, betas: [1, 3]}\nwidth: 8\nextra: ${width}\n")
    b = app.sweep("lr=0.5,0.6", "+seed=1", to="multirun/b")
    provenance = b.dir / "0" / ".hyperherd" / "provenance.json"
    record = json.loads(provenance.read_text())
    record["packages"]["torch"] = "9.9"
    record["git"] = {"commit": "abc", "dirty": True}
    provenance.write_text(json.dumps(record))
    return load(a.dir, b.dir).diff(*(load(sweep.dir)[0] for sweep in (a, b)))


@pytest.mark.slow
def test_what_differs_between_two_sweeps(compared: Diff) -> None:
    assert names(compared.params) == {"lr": (0.1, 0.5)}
    assert names(compared.config) == {
        "opt.name": ("sgd", "adam"),
        "opt.momentum": (0.9, Gap.NOT_APPLICABLE),
        "opt.betas": ([1, 2], [1, 3]),
        "extra": (Gap.NOT_APPLICABLE, 8),
        "seed": (Gap.NOT_APPLICABLE, 1),
    }
    assert names(compared.code) == {"commit": (Gap.NOT_APPLICABLE, "abc"), "dirty": (Gap.NOT_APPLICABLE, True)}
    assert names(compared.environment).keys() == {"packages.torch"}
    assert compared.unknown == ()
    metrics = {item.name: (item.delta, item.better) for item in compared.metrics}
    assert metrics == {"loss": (pytest.approx(-0.4), "b"), "val/acc": (pytest.approx(0.4), "b")}


@pytest.mark.slow
def test_for_people_and_for_programs(compared: Diff) -> None:
    page = diff_page(compared, Screen(width=100))
    assert "opt.momentum" in page
    assert "+0.4" in page
    record = json.loads(json.dumps(diff_record(compared)))
    assert {"name": "extra", "b": 8} in record["config"]
    assert record["metrics"][0]["delta"] == pytest.approx(-0.4)
    assert list(record) == [*["schema", "a", "b", "params", "config", "code", "environment", "metrics", "unknown"]]


def test_two_trials_of_one_sweep_by_their_numbers(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5, "odd": 1.0}, {"text": "x"}, params={"lr": 0.1, "seed": 1})
    sweep.trial({"val/acc": 0.7, "nan": math.nan}, {"text": "y"}, params={"lr": 1, "seed": 1.0})
    found = load(sweep.dir).diff(0, 1)
    assert names(found.params) == {"lr": (0.1, 1)}
    assert [(item.name, item.delta, item.better) for item in found.metrics] == [
        ("nan", None, None),
        ("odd", None, None),
        ("text", None, None),
        ("val/acc", pytest.approx(0.2), "b"),
    ]
    assert found.metrics[1].b is Gap.NOT_APPLICABLE
    assert found.unknown == (
        "config: trials 0 and 1 recorded none that can be read",
        "provenance: trials 0 and 1 recorded none that can be read",
    )
    page = diff_page(found, Screen())
    assert "not compared: config: trials 0 and 1" in page
    assert "identical in both" not in page


def test_the_objective_says_which_way_is_better(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", ("speed", "minimize"))
    for value in (1.0, 2.0, 2.0):
        sweep.trial({"speed": value})
    trials = load(sweep.dir)
    assert diff(trials[0], trials[1]).metrics[0].better == "a"
    assert diff(trials[1], trials[2]).metrics[0].better is None


def test_hostile_texts_are_inert(sweep: SweepBuilder) -> None:
    evil = "\x1b[2J\u202e<script>"
    for number in range(2):
        sweep.trial({evil: float(number)}, {"t": f"{evil}{number}"}, params={f"p{evil}": f"{evil}{number}"})
    page = diff_page(load(sweep.dir).diff(0, 1), Screen())
    assert all(line.isprintable() for line in page.splitlines())


def test_flat() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [{"x": 1}], "e": {}}, "f": None}) == {
        "a.b.c": 1,
        "a.d": [{"x": 1}],
        "a.e": {},
        "f": None,
    }
