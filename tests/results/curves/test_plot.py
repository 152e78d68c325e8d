from __future__ import annotations

import io
import math
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from results.showcase import showcase
from waiting import PATIENCE

import hyperherd
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError

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


def font_kinds(pdf: bytes) -> set[bytes]:
    """Return the subtypes of all fonts of a PDF, also of those in compressed objects."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    texts = [pdf]
    for stream in streams:
        try:
            texts.append(zlib.decompress(stream))
        except zlib.error:  # an image, or not compressed
            texts.append(stream)
    found = b"\n".join(texts)
    assert b"/Type /Font" in found
    return set(re.findall(rb"/Subtype\s*/(Type\w+|TrueType|CIDFontType\w+)", found))


def saved(drawn: Any) -> bytes:
    file = io.BytesIO()
    drawn.savefig(file, format="pdf")
    return file.getvalue()


def test_fonts_in_a_pdf_are_truetype_whoever_saves_it(trials: hyperherd.Trials, tmp_path: Path) -> None:
    """Also those of the signs of logarithmic axes, and of letters beyond ASCII."""
    drawn = trials.plot(hue="lr", log_x=True, log_y=True, title="Übersicht, α → ∞", size=(3.3, 2.2))
    assert font_kinds(saved(drawn)) == {b"Type0", b"CIDFontType2"}
    sweep = str(trials.sweeps[0].dir)
    assert main(["curves", "val/acc", sweep, "--hue", "lr", "--log-x", "-o", str(tmp_path / "a.pdf")]) == 0
    assert b"Type3" not in font_kinds((tmp_path / "a.pdf").read_bytes())
    from matplotlib.figure import Figure

    other = Figure()
    other.text(0.5, 0.5, "x")
    assert b"Type3" in font_kinds(saved(other))  # what this test can find


def legend(drawn: Any) -> list[str]:
    return [text.get_text() for text in drawn.legends[0].get_texts()]


def test_names_title_and_size_are_those_asked_for(trials: hyperherd.Trials) -> None:
    names = {"val/acc": "Accuracy (%)", "step": "Updates", "model=cnn": "CNN, ours", "model": "Model"}
    drawn = trials.plot(hue="model", rename=names, percent="val/acc", title="$5 & more", size=(3.3, 2.2))
    (axes,) = drawn.axes
    assert (axes.get_ylabel(), axes.get_xlabel(), axes.get_title()) == ("Accuracy (%)", "Updates", r"\$5 & more")
    assert sorted(text.partition(" (")[0] for text in legend(drawn)) == ["CNN, ours", "Model=mlp"]
    assert axes.yaxis.get_major_formatter()(0.875) in ("87.5", "88")
    assert tuple(drawn.get_size_inches()) == (3.3, 2.2)


def test_the_legend_fits_a_narrow_figure(trials: hyperherd.Trials) -> None:
    drawn = trials.plot(most=4, size=(3.3, 3))
    drawn.draw_without_rendering()
    box = drawn.legends[0].get_window_extent()
    assert (box.x0 >= 0, box.x1 <= drawn.bbox.width) == (True, True)


def test_lines_come_in_the_order_asked_for(trials: hyperherd.Trials) -> None:
    def order(asked: Any) -> list[str]:
        return [text.partition(" ")[0].removeprefix("lr=") for text in legend(trials.plot(hue="lr", order=asked))]

    assert order("value") == ["1e-4", "0.001", "0.01", "0.1"]
    assert order("best")[0] == "0.01"
    assert order(["0.1", "lr=1e-4"]) == ["0.1", "1e-4", *[lr for lr in order("best") if lr in ("0.01", "0.001")]]


def test_colours_are_those_of_the_palette(trials: hyperherd.Trials) -> None:
    def colours(palette: Any) -> list[Any]:
        (axes,) = trials.plot(hue="lr", palette=palette, order="value").axes
        return [line.get_color() for line in axes.lines if line.get_linestyle() != "None" and len(line.get_xdata()) > 1]

    assert colours("red,#00ff00") == ["red", "#00ff00", "red", "#00ff00"]
    assert len(set(colours("viridis"))) == 4
    assert len({tuple(colour) for colour in colours("tab10")}) == 4


def test_every_line_has_its_number_of_trials_if_any_has_several(trials: hyperherd.Trials) -> None:
    cnn = [trial for trial in trials if trial.params["model"] == "cnn" and trial.state.finished]
    mlp = [trial for trial in trials if trial.params["model"] == "mlp" and trial.state.finished]
    drawn = hyperherd.Trials([*cnn, mlp[0]]).plot("val/acc", hue="model")
    assert sorted(legend(drawn)) == [f"model=cnn (n={len(cnn)})", "model=mlp (n=1)"]


def test_steps_are_whole_numbers(trials: hyperherd.Trials) -> None:
    (axes,) = trials[0].plot("val/acc").axes
    axes.set_xlim(0, 2)
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", "3"], "'3' is not a size"),
        (["--size", "900x2"], "from 0.5 to 60 inches"),
        (["--rename", "val/acc"], "NAME=TEXT"),
        (["--rename", "val/ac=A"], "did you mean 'val/acc'"),
        (["--order", "lr=5"], "is not a line or an order"),
        (["--palette", "virids"], "did you mean 'viridis'"),
        (["--percent", "train/loss"], "is not a metric in this figure"),
        (["--title", "x", "--no-file"], "--title needs a file to draw into"),
    ],
)
def test_bad_options_are_refused_in_a_line(
    trials: hyperherd.Trials, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    file = [] if "--no-file" in options else ["-o", str(tmp_path / "a.pdf")]
    asked = [option for option in options if option != "--no-file"]
    assert main(["curves", "val/acc", str(trials.sweeps[0].dir), "--hue", "lr", *file, *asked]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert says in told[0]
    assert not list(tmp_path.iterdir())


def test_a_size_in_centimetres() -> None:
    from hyperherd.results.curves.style import size_of

    assert size_of("2.54x5.08cm") == (1.0, 2.0)
    with pytest.raises(ResultsError, match="not a size"):
        size_of("axb")
