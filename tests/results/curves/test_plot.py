from __future__ import annotations

import math
import subprocess
import sys

import pytest
from results.showcase import showcase
from waiting import PATIENCE

import hyperherd

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> hyperherd.Trials:
    return hyperherd.load(showcase(tmp_path_factory.mktemp("plot") / "multirun" / "s"))


def test_a_figure_has_a_line_a_band_and_a_star_for_each_configuration(trials: hyperherd.Trials) -> None:
    drawn = trials.plot(hue="lr")
    (axes,) = drawn.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("val/acc", "step")
    curves = [line for line in axes.lines if line.get_marker() not in ("*", "x")]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert crosses  # where trials died
    stars = [line for line in axes.lines if line.get_marker() == "*"]
    assert (len(curves), len(stars), len(axes.collections)) == (4, 4, 4)
    assert curves[0].get_label() == "lr=0.01 (n=6)"
    points = zip(curves[0].get_ydata(), curves[0].get_xdata(), strict=True)
    best = max(point for point in points if math.isfinite(point[0]))
    assert (stars[0].get_ydata()[0], stars[0].get_xdata()[0]) == best


def test_two_metrics_have_two_axes_and_scales_can_be_logarithmic(trials: hyperherd.Trials) -> None:
    left, right = trials.plot("train/loss", right="val/acc", log_y=True, log_x=True).axes
    assert (left.get_yscale(), left.get_xscale(), right.get_yscale()) == ("log", "log", "linear")
    assert right.get_ylabel() == "val/acc"


def test_one_trial(trials: hyperherd.Trials) -> None:
    (axes,) = trials[0].plot(window=5, x="time").axes
    assert axes.get_xlabel() == "time (s)"
    assert len(axes.collections) == 1  # The std within the window.


def test_a_name_is_no_formula(trials: hyperherd.Trials) -> None:
    from hyperherd.results.curves.curves import PlotOptions, draw
    from hyperherd.results.curves.figures import encoded, figure

    drawing = draw(trials, PlotOptions("val/acc", hue="model"))
    drawing.lines[0].__dict__["label"] = "_$\\frac{$ \x1b"
    assert encoded(figure(drawing), "png")


@pytest.mark.parametrize(("form", "begins"), [("png", b"\x89PNG\r"), ("pdf", b"%PDF-"), ("svg", b"<?xml")])
def test_files_of_each_kind(trials: hyperherd.Trials, form: str, begins: bytes) -> None:
    from hyperherd.results.curves.figures import encoded

    assert encoded(trials.plot(hue="lr"), form).startswith(begins)


def test_what_was_smoothed_is_still_seen_and_a_range_is_kept(trials: hyperherd.Trials) -> None:
    (axes,) = trials[0].plot(smooth=0.9, y_range=(0.0, 2.0)).axes
    raw, smooth = (line for line in axes.lines if len(line.get_xdata()) > 1)
    assert list(raw.get_ydata()) == trials[0]["val/acc"]
    assert list(smooth.get_ydata()) != list(raw.get_ydata())
    assert axes.get_ylim() == (0.0, 2.0)


def test_no_window_system_is_chosen(trials: hyperherd.Trials) -> None:
    code = (
        "import hyperherd, sys; hyperherd.load(sys.argv[1]).plot(); "
        "assert 'matplotlib.figure' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(trials.sweeps[0].dir)], check=True, timeout=PATIENCE)


def test_without_matplotlib_it_says_what_to_install(trials: hyperherd.Trials) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None\n"
        "from hyperherd.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "curves", "val/acc", str(trials.sweeps[0].dir), "-o", "never.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert "pip install 'hydra-hyperherd[plot]'" in done.stderr
