"""What the charts of the report compute before they draw, without a browser."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder
from results.report.javascript import FILES, in_node, needs_node

import hyperherd
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.disk.files import strict
from hyperherd.results.curves.mean import MetricCurve, mean_curve
from hyperherd.results.curves.reading import read_curves
from hyperherd.results.report.gather import gather
from hyperherd.results.statistics.distributions import t_bound
from hyperherd.results.text.format import align, measure

pytestmark = needs_node

ALL = (*FILES, "charts.js", "parallel.js", "slices.js", "surface.js", "tradeoffs.js", "history.js", "curves.js")


def beats(one: list[float], other: list[float], signs: tuple[int, int]) -> bool:
    pairs = [(sign * a, sign * b) for sign, a, b in zip(signs, one, other, strict=True)]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_the_pareto_front_is_what_no_other_trial_beats(signs: tuple[int, int]) -> None:
    dice = random.Random(1)
    given = [[[dice.randint(0, 9), dice.randint(0, 9)] for _ in range(dice.randint(1, 30))] for _ in range(50)]
    answer = "return paretoFront(asked[0].map((value) => ({ value })), asked[1]).map(({ value }) => value);"
    for points, front in zip(given, in_node(answer, [[points, signs] for points in given], files=ALL), strict=True):
        expected = [one for one in points if not any(beats(other, one, signs) for other in points)]
        assert sorted(front) == sorted(expected)
        assert [x for x, _ in front] == sorted((x for x, _ in front), reverse=signs[0] < 0)  # a line can be drawn


def test_axes_are_logarithmic_only_where_values_ask_for_it() -> None:
    dice = random.Random(2)
    asked = {
        True: [[1e-4, 1e-3, 1e-2, 1e-1], [10 ** dice.uniform(-5, 0) for _ in range(50)], [0.1, 0.2, 0.3, 0.5, 1e8]],
        False: [
            [dice.uniform(1e-4, 1) for _ in range(50)],  # spans decades, but lies evenly as it is
            [16, 32, 64],
            [0, 0.1, 1000],
            [-1, 1, 100],
            [5],
            [],
        ],
    }
    for log, lists in asked.items():
        assert in_node("return wantsLog(asked);", lists) == [log] * len(lists)


def test_decimal_points_stand_under_each_other() -> None:
    numbers = [0.9783, 12.5, 3, 1e-5, 0.03824, float("nan")]
    texts = [measure(value) for value in numbers]
    (found,) = in_node("return aligned(asked);", [texts])
    blank = "\u00a0"
    assert [text.rstrip(blank) for text in found] == texts
    width = max(map(len, found))
    expected = align([text for text in texts if text != "nan"])
    assert [text.replace(blank, " ").rjust(width) for text in found[:-1]] == [one.rjust(width) for one in expected]


def curve(dice: random.Random) -> tuple[list[int], list[float | None]]:
    steps = sorted(dice.sample(range(40), dice.randint(1, 20)))
    return steps, [None if dice.random() < 0.1 else dice.gauss(0, 1) for _ in steps]


def plain(values: list[float]) -> list[float | None]:
    found: list[float | None] = json.loads(json.dumps([None if value != value else value for value in values]))
    return found


@pytest.mark.parametrize("band", ["std", "sem", "range", "none", "ci"])
def test_means_and_bands_of_curves_are_those_of_python(band: str) -> None:
    dice = random.Random(3)
    given = [[curve(dice) for _ in range(dice.randint(2, 6))] for _ in range(30)]
    asked = [[{"xs": xs, "ys": ys} for xs, ys in curves] for curves in given]
    # Where a curve ends before the others, there are two more points for the gap: those are left out here.
    answer = f"""
    curveView.band = '{band}';
    const found = averaged(asked);
    const last = (key) => [...new Set(found.xs)].map((x) => found[key][found.xs.indexOf(x)]);
    return [[...new Set(found.xs)], last('mean'), last('low'), last('high')];
    """
    for curves, (xs, means, lows, highs) in zip(given, in_node(answer, asked, files=ALL), strict=True):
        metric = [MetricCurve(xs_, [float("nan") if y is None else y for y in ys]) for xs_, ys in curves]
        expected = mean_curve(metric, "sem" if band == "ci" else band)
        assert xs == expected.xs
        for found, wanted in ((means, expected.ys), (lows, expected.low), (highs, expected.high)):
            if band == "ci" and found is not means:
                wanted = [widened(expected, metric, place, wanted[place]) for place in range(len(xs))]
            assert found == [one if one is None else pytest.approx(one, abs=1e-12) for one in plain(wanted)]


def widened(mean: Any, curves: list[MetricCurve], place: int, edge: float) -> float:
    """Return the edge of the 95 % interval, given that of the standard error."""
    number = sum(min(known) <= mean.xs[place] <= max(known) for known in map(finite, curves) if known)
    return float("nan") if number < 2 else mean.ys[place] + (edge - mean.ys[place]) * t_bound(number - 1)


def finite(one: MetricCurve) -> list[float]:
    return [x for x, y in zip(one.xs, one.ys, strict=True) if y == y]


def test_curves_lie_over_epochs_as_the_command_line_has_them(sweep: SweepBuilder) -> None:
    for number in range(2):
        sweep.trial({"loss": {"count": 12, "last": 0.1}, "epoch": {"count": 12, "last": 2}}, params={"lr": number})
        writer = MetricWriter(sweep.dir / str(number), 0)
        for step in range(12):
            writer.log({"loss": 1 / (step + 1)} | ({"epoch": step // (4 + number)} if step else {}), step)
        writer.close()
    trials = hyperherd.load(sweep.dir)
    document = json.dumps(strict(gather(trials, "")[0]), default=str).encode()
    answer = (
        "curveView.x = asked; return data.trials.label.map((label, trial) => [label, along(data.curves.loss[trial])]);"
    )
    (over,) = in_node(answer, ["epoch"], document, ALL)
    expected, _ = read_curves(trials, ["loss"], "epoch")
    for label, found in over:
        wanted = expected[trials[str(label)], "loss"]
        assert found["xs"] == pytest.approx(wanted.xs, abs=1e-4)
        assert found["ys"] == wanted.ys
        assert len(found["xs"]) == 11


def test_the_best_so_far_follows_the_ends_of_the_selected_trials(sweep: SweepBuilder) -> None:
    for number, (value, end) in enumerate([(0.5, 300.0), (0.9, 200.0), (0.7, 400.0), (0.95, 500.0), (0.1, 250.0)]):
        sweep.trial({"val/acc": value}, params={"lr": number}, ended=end)
    sweep.failed({"val/acc": 0.99}, params={"lr": 9})
    document = json.dumps(strict(gather(hyperherd.load(sweep.dir), "")[0]), default=str).encode()
    answer = """
    selection.terms = parseFilter(asked); select_();
    return historyPoints().map(({ end, value, best }) => [end, value, best]);
    """
    every, some = in_node(answer, ["", "lr!=1"], document, ALL)
    assert every == [[200, 0.9, 0.9], [250, 0.1, 0.9], [300, 0.5, 0.9], [400, 0.7, 0.9], [500, 0.95, 0.95]]
    assert some == [[250, 0.1, 0.1], [300, 0.5, 0.5], [400, 0.7, 0.7], [500, 0.95, 0.95]]


def test_the_cells_of_two_parameters_hold_the_mean_of_each_range(sweep: SweepBuilder) -> None:
    dice = random.Random(4)
    rows = [(10 ** dice.uniform(-4, 0), dice.choice("abc"), dice.random()) for _ in range(60)]
    for lr, model, value in rows:
        sweep.trial({"val/acc": value}, params={"lr": lr, "model": model})
    document = json.dumps(strict(gather(hyperherd.load(sweep.dir), "")[0]), default=str).encode()
    answer = """
    Object.assign(surfaceView, { x: 'lr', y: 'model', metric: 'val/acc' });
    const { x, y, cells } = surfaceCells(data.params, numberColumns());
    return cells.map(({ place, values, mean }) => [x.texts[place[0]], y.texts[place[1]], values.length, mean]);
    """
    (cells,) = in_node(answer, [None], document, ALL)
    assert sum(number for _, _, number, _ in cells) == 60
    for text, model, number, mean in cells:
        low, high = (float(end) for end in text.split(" to "))
        inside = [v for lr, m, v in rows if m == model and low * 0.98 <= lr <= high * 1.02]
        if len(inside) == number:  # else one lies on the rounded end of a range
            assert mean == pytest.approx(sum(inside) / number)
    assert len({text for text, *_ in cells}) == 8


def test_the_front_of_several_objectives_is_that_of_the_table(tmp_path: Path) -> None:
    """Over the means of seeds: the marked points, and the edge of what they dominate."""
    sweep = SweepBuilder(tmp_path / "s", [("loss", "minimize"), ("speed", "maximize")], seed_key="seed")
    for x, (loss, speed) in enumerate([(3, 1), (1, 1), (2, 2), (2.5, 1.5)]):
        for seed in (-1, 1):
            sweep.trial({"loss": loss + seed / 10, "speed": speed}, params={"x": x, "seed": seed})
    data, _ = gather(hyperherd.load(sweep.dir), "")
    assert (data["front"]["size"], data["front"]["objectives"][1]) == (2, {"label": "speed", "direction": "maximize"})
    assert data["directions"]["speed"] == "maximize"
    points = data["front"]["points"]
    assert [(point["means"], point["n"], point["dominates"]) for point in points] == [
        ([1, 1], 2, 1),
        ([2, 2], 2, 2),
        ([2.5, 1.5], 2, 0),
        ([3, 1], 2, 0),
    ]
    (edge,) = in_node("return frontSteps(asked);", [[[1, 1], [2, 2]]], files=(*ALL, "front.js"))
    assert edge == [[1, 1], [2, 1], [2, 2]]
