from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, sweep24

from hyperherd import load
from hyperherd.cli.main import main
from hyperherd.errors import ResultsError
from hyperherd.results.curves.style import FigureStyle
from hyperherd.results.pages.effects_figure import effects_figure
from hyperherd.results.statistics.importance.effects import Effects

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Effects:
    return load(sweep24(tmp_path_factory.mktemp("effects") / "s").dir).effects()


def names(drawn: Any) -> list[str]:
    (axes,) = drawn.axes
    return [label.get_text() for label in axes.get_yticklabels()]


def test_bars_are_the_shares(found: Effects) -> None:
    drawn = effects_figure(found, FigureStyle())
    (axes,) = drawn.axes
    assert names(drawn) == [effect.parameter for effect in found.parameters] == ["lr", "model"]
    assert [bar.get_width() for bar in axes.patches] == [effect.share for effect in found.parameters]
    assert [bar.get_alpha() for bar in axes.patches] == [1.0, 1.0]
    assert [text.get_text() for text in axes.texts] == [" p < 0.001", " p < 0.001"]
    assert axes.get_xlabel() == "share of the variance of val/acc (n=20)"


def test_what_is_not_shown_to_matter_is_pale(sweep: SweepBuilder) -> None:
    draw = random.Random(2)
    for _ in range(5):
        sweep.trial({"val/acc": draw.random()}, params={"lr": draw.random(), "wd": draw.random()})
    (axes,) = effects_figure(load(sweep.dir).effects(), FigureStyle()).axes
    assert all(bar.get_alpha() < 0.5 for bar in axes.patches)
    assert all("too few trials to tell (5)" in text.get_text() for text in axes.texts)


def test_the_options_are_those_of_curves(found: Effects) -> None:
    style = FigureStyle(
        (3.3, 2.2), "What matters", {"lr": "Learning rate", "share": "Share (%)"}, ["model"], "red", ("share",)
    )
    drawn = effects_figure(found, style)
    (axes,) = drawn.axes
    assert names(drawn) == ["model", "Learning rate"]
    assert (axes.get_title(), axes.get_xlabel()) == ("What matters", "Share (%) (n=20)")
    assert axes.xaxis.get_major_formatter()(0.5) in ("50", "50.0")
    assert tuple(drawn.get_size_inches()) == (3.3, 2.2)
    with pytest.raises(ResultsError, match="did you mean 'model'"):
        effects_figure(found, FigureStyle(rename={"modl": "x"}))


def test_nothing_to_draw(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    with pytest.raises(ResultsError, match="nothing to draw"):
        effects_figure(load(sweep.dir).effects(), FigureStyle())


def test_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = str(sweep24(tmp_path / "s").dir)
    asked = ["effects", sweep, "-o", str(tmp_path / "a.pdf"), "--title", "x"]
    assert main(asked) == 0
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert not re.search(rb"/Subtype\s*/Type3", pdf)
    assert main(asked) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["effects", sweep, "--title", "x"]) == 2
    assert "--title needs a file" in capsys.readouterr().err
