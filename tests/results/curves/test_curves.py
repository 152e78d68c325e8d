from __future__ import annotations

import itertools
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, stats

import hyperherd
from hyperherd.errors import ResultsError
from hyperherd.paths import TrialPaths
from hyperherd.results.curves.curves import PlotOptions, draw
from hyperherd.results.curves.terminal import render_curves
from hyperherd.results.text.layout import Screen

NAN = math.nan


def log(
    sweep: SweepBuilder, values: list[float], params: dict[str, Any], *, metric: str = "val/acc", **about: Any
) -> None:
    """Add a trial that logged `values` at steps 0, 1, ..., one every two seconds."""
    record = sweep.trial({metric: stats(values[-1], count=len(values)), **about}, params=params)
    lines = [
        {"ts": 1000.0 + 2 * step, "step": step, "metrics": {metric: value, **dict.fromkeys(about, 2.0 * step)}}
        for step, value in enumerate(values)
    ]
    folder = TrialPaths(sweep.dir / str(record.number)).metrics
    folder.mkdir(parents=True)
    # NaN as Python writes it is what docs/format.md says a number that is not finite may look like as a string.
    text = "\n".join(json.dumps(line).replace("NaN", '"NaN"') for line in lines)
    (folder / "journal-0-elsewhere-1-aa.jsonl").write_text(text + "\n")


@pytest.fixture
def seeds(sweep: SweepBuilder) -> SweepBuilder:
    log(sweep, [0.1, 0.4, 0.6], {"lr": 0.1, "seed": 0})
    log(sweep, [0.3, 0.2, 0.8], {"lr": 0.1, "seed": 1})
    log(sweep, [0.2, 0.3], {"lr": 0.2, "seed": 0})
    log(sweep, [0.1, 0.9, 0.5], {"lr": 0.2, "seed": 1})
    return sweep


def lines(sweep: SweepBuilder, metric: str = "val/acc", **look: Any) -> dict[str, Any]:
    return {line.label: line for line in draw(hyperherd.load(sweep.dir), PlotOptions(metric, **look)).lines}


def test_a_line_is_the_mean_over_seeds_with_their_sample_deviation(seeds: SweepBuilder) -> None:
    found = lines(seeds)
    assert list(found) == ["lr=0.1", "lr=0.2"]  # The best end first.
    line = found["lr=0.1"]
    assert line.xs == [0, 1, 2]
    assert line.ys == pytest.approx([0.2, 0.3, 0.7])
    spread = [statistics.stdev(pair) for pair in ((0.1, 0.3), (0.4, 0.2), (0.6, 0.8))]
    assert line.high == pytest.approx([mean + std for mean, std in zip(line.ys, spread, strict=True)])
    assert line.low == pytest.approx([mean - std for mean, std in zip(line.ys, spread, strict=True)])
    assert line.best == pytest.approx((2, 0.7))


def test_beyond_the_end_of_a_seed_the_mean_is_of_the_others(seeds: SweepBuilder) -> None:
    line = lines(seeds)["lr=0.2"]
    assert line.xs == [0, 1, 1, 1, 2]
    assert line.ys == pytest.approx([0.15, 0.6, NAN, 0.9, 0.5], nan_ok=True)  # no jump: the one that goes on had 0.9
    assert math.isnan(line.high[4])
    assert (line.falls, line.deaths) == (((1, 1),), ())


def test_deaths_are_marked_and_counted(sweep: SweepBuilder) -> None:
    for seed, values in enumerate(([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3], [0.1, 0.2])):
        log(sweep, values, {"lr": 1, "seed": seed})
        if seed:
            record = json.loads(sweep.file(seed).read_text())
            sweep.file(seed).write_text(json.dumps({**record, "state": "failed", "cause": "exception"}))
    drawing = draw(hyperherd.load(sweep.dir), PlotOptions("val/acc"))
    (line,) = drawing.lines
    assert line.falls == ((1, 2), (2, 1))
    assert line.deaths == ((2, pytest.approx(0.3)), (1, pytest.approx(0.2)))
    page = render_curves(drawing, Screen(width=80))
    assert "n=3, 2 after 1, 1 after 2  2 died" in page


def test_smoothing_begins_anew_where_fewer_trials_go_on(seeds: SweepBuilder) -> None:
    line = lines(seeds, smooth=0.5)["lr=0.2"]
    assert line.ys[:2] == pytest.approx([0.15, 0.45])
    assert line.ys[3:] == pytest.approx([0.9, 0.9 / 3 + 0.5 * 2 / 3])


def test_of_two_trials_with_one_seed_the_newest_counts(seeds: SweepBuilder) -> None:
    log(seeds, [0.3, 0.4, 0.9], {"lr": 0.1, "seed": 1})
    for number, ended in ((1, 1000.0), (4, 2000.0)):
        record = json.loads(seeds.file(number).read_text())
        seeds.file(number).write_text(json.dumps({**record, "ended": ended}))
    assert lines(seeds)["lr=0.1"].ys == pytest.approx([0.2, 0.4, 0.75])
    assert [trial.number for trial in lines(seeds, hue="lr")["lr=0.1"].trials] == [0, 4]


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [("range", 0.1, 0.3), ("sem", 0.2 - 0.1, 0.2 + 0.1), ("none", NAN, NAN)],
)
def test_bands(seeds: SweepBuilder, band: str, low: float, high: float) -> None:
    line = lines(seeds, band=band)["lr=0.1"]
    assert (line.low[0], line.high[0]) == pytest.approx((low, high), nan_ok=True)


def test_steps_that_differ_are_interpolated_and_never_made_up(sweep: SweepBuilder) -> None:
    log(sweep, [0.0, 1.0, 2.0], {"seed": 0})
    record = sweep.trial({"val/acc": stats(3.0, count=2)}, params={"seed": 1})
    folder = TrialPaths(sweep.dir / str(record.number)).metrics
    folder.mkdir(parents=True)
    rows = [{"ts": 1.0, "step": 1, "metrics": {"val/acc": 3.0}}, {"ts": 2.0, "step": 5, "metrics": {"val/acc": 7.0}}]
    (folder / "journal-0-elsewhere-1-aa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (line,) = lines(sweep).values()
    assert line.xs == [0, 1, 2, 2, 2, 5]
    assert line.ys == pytest.approx([0.0, 2.0, (2.0 + 4.0) / 2, NAN, 4.0, 7.0], nan_ok=True)


def test_a_gap_stays_one_and_the_best_is_no_nan(sweep: SweepBuilder) -> None:
    log(sweep, [0.1, NAN, 0.5, 0.3], {"lr": 1})
    log(sweep, [NAN, NAN], {"lr": 2})
    found = lines(sweep, window=1)
    assert math.isnan(found["lr=1"].ys[1])
    assert found["lr=1"].best == (2, 0.5)
    assert found["lr=2"].best is None


def test_smoothing_and_the_band_of_a_single_trial(sweep: SweepBuilder) -> None:
    log(sweep, [1.0, 2.0, 6.0], {"lr": 1})
    (line,) = lines(sweep, window=3).values()
    assert line.ys == pytest.approx([1.5, 3.0, 4.0])
    assert line.raw == [1.0, 2.0, 6.0]
    assert line.high[1] == pytest.approx(3.0 + statistics.stdev([1, 2, 6]))
    (line,) = lines(sweep, smooth=0.5).values()
    assert line.ys[0] == 1.0
    assert line.ys[2] < 6.0


def test_over_time(seeds: SweepBuilder) -> None:
    assert lines(seeds, x="time")["lr=0.1"].xs == [0.0, 2.0, 4.0]


def test_one_line_for_each_value_of_a_parameter(seeds: SweepBuilder) -> None:
    found = lines(seeds, hue="seed")
    assert list(found) == ["seed=0", "seed=1"] or list(found) == ["seed=1", "seed=0"]
    assert {len(line.trials) for line in found.values()} == {2}


def test_a_second_metric_and_the_best_lines_only(sweep: SweepBuilder) -> None:
    for number in range(4):
        log(sweep, [0.1, number / 10], {"lr": number}, **{"train/loss": stats(2.0)})
    drawing = draw(hyperherd.load(sweep.dir), PlotOptions("val/acc", right="train/loss", most=2))
    assert [line.label for line in drawing.lines] == ["lr=3", "lr=2"]
    assert {line.label for line in drawing.right} == {"lr=3", "lr=2"}
    assert drawing.right[0].ys == [0.0, 2.0]
    assert "2 more lines" in drawing.notes[0]


@pytest.mark.parametrize(
    ("look", "told"),
    [
        ({"metric": "val/ac"}, "did you mean 'val/acc'"),
        ({"hue": "l"}, "no trial has a parameter 'l'"),
        ({"smooth": 1.0}, "smooth must be at least 0 and below 1"),
        ({"window": 0}, "at least 1"),
        ({"window": 3, "smooth": 0.5}, "cannot be combined"),
        ({"band": "ci95"}, "'ci95' is not a band"),
        ({"y_range": (1.0, 0.0)}, "low value first"),
        ({"x": "hour"}, "x is"),
        ({"metric": "final"}, "no trial has a curve of 'final'"),
    ],
)
def test_what_cannot_be_drawn_is_said(seeds: SweepBuilder, look: dict[str, Any], told: str) -> None:
    seeds.trial(final={"final": 1.0}, params={"lr": 0.3, "seed": 0})
    with pytest.raises(ResultsError, match=told):
        draw(hyperherd.load(seeds.dir), PlotOptions(**{"metric": "val/acc", **look}))


def test_a_trial_whose_file_is_broken_costs_no_other_its_line(seeds: SweepBuilder) -> None:
    (seeds.dir / "0" / "metrics.parquet").write_bytes(b"PAR1 nonsense")
    drawing = draw(hyperherd.load(seeds.dir), PlotOptions("val/acc"))
    assert [len(line.trials) for line in drawing.lines] == [1, 2]
    assert "trial 0: curves left out" in drawing.notes[0]


def page(sweep: SweepBuilder, screen: Screen, metric: str = "val/acc", **axes: Any) -> str:
    return render_curves(draw(hyperherd.load(sweep.dir), PlotOptions(metric, **axes)), screen)


def test_in_braille(seeds: SweepBuilder) -> None:
    text = page(seeds, Screen(width=60))
    assert any("\u2800" < char <= "\u28ff" for char in text)
    rows = text.splitlines()
    assert max(map(len, rows)) <= 60
    assert rows[0] == "val/acc"
    assert rows[1].startswith("   0.9 ┤")
    assert "━━ lr=0.1  n=2  ★ 0.7 at 2" in text
    assert "\x1b" not in text
    assert "\x1b[34m" in page(seeds, Screen(width=60, colour=True))


def test_in_ascii(seeds: SweepBuilder) -> None:
    text = page(seeds, Screen(width=60, unicode=False))
    assert text.isascii()
    assert "o" in text.splitlines()[1]
    assert "* lr=0.1  n=2  best 0.7 at 2" in text


def test_a_rising_line_goes_up_in_equal_steps_on_a_logarithmic_axis(sweep: SweepBuilder) -> None:
    log(sweep, [1.0, 10.0, 100.0, 1000.0], {"lr": 1})
    rows = page(sweep, Screen(width=60, unicode=False), log_y=True).splitlines()[1:19]
    columns = [row.index("*") for row in rows if "*" in row]
    assert len(columns) == 18
    assert columns == sorted(columns, reverse=True)
    drops = [first - second for first, second in itertools.pairwise(columns)]
    assert max(drops) - min(drops[1:-1]) <= 2


def test_a_range_shows_a_part_of_the_lines(sweep: SweepBuilder) -> None:
    log(sweep, [0.0, 1e30, 0.5, 0.5], {"lr": 1})
    rows = page(sweep, Screen(width=60, unicode=False), y_range=(0.0, 1.0)).splitlines()
    assert rows[1].startswith("  1 +") or rows[1].strip().startswith("1")
    assert "*" in rows[9]


def test_what_a_logarithmic_axis_has_no_place_for(sweep: SweepBuilder) -> None:
    log(sweep, [0.0, -1.0], {"lr": 1})
    assert "no finite value above zero" in page(sweep, Screen(width=60), log_y=True)


def test_nothing_in_a_name_steers_the_terminal(sweep: SweepBuilder) -> None:
    log(sweep, [0.1, 0.2], {"na\x1b[31mme": "x\x1b]0;y"}, metric="val/acc")
    log(sweep, [0.1, 0.2], {"na\x1b[31mme": "z"}, metric="val/acc")
    assert "\x1b" not in page(sweep, Screen(width=80))


def test_a_single_point_and_a_flat_line(sweep: SweepBuilder, tmp_path: Path) -> None:
    log(sweep, [0.5], {"lr": 1})
    log(sweep, [0.5, 0.5], {"lr": 2})
    assert "lr=1" in page(sweep, Screen(width=80))


def test_each_of_several_objectives_says_which_end_is_best(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s", [("val/loss", "maximize"), ("latency", "minimize")])
    for x, end in enumerate([1.0, 3.0, 2.0]):
        log(sweep, [0.0, end], {"x": x}, metric="val/loss")
    drawing = draw(hyperherd.load(sweep.dir), PlotOptions("val/loss", most=2))
    assert [line.ys[-1] for line in drawing.lines] == [3.0, 2.0]
    assert any(note.endswith("the lines shown are the best") for note in drawing.notes)
