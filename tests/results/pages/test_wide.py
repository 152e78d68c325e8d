"""Sweeps of 200 parameters or 3,000 metrics: every page fits a screen, and what is not shown is counted."""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from results.builder import SweepBuilder, every_state

from hyperherd import Trials, load
from hyperherd.errors import ResultsError
from hyperherd.results.pages.best import best_page
from hyperherd.results.pages.diff import diff_page
from hyperherd.results.pages.effects import effects_page
from hyperherd.results.pages.failures import failures_page
from hyperherd.results.pages.overview import closing, render, render_groups, render_pivot
from hyperherd.results.pages.show import show_page
from hyperherd.results.statistics.best import winners
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.pivot import pivot_groups
from hyperherd.results.text.format import display_width
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.fields import find_field

WIDTH, HEIGHT = 100, 40
SCREEN = Screen(width=WIDTH, rows=20)


def wide(root: Path, *, params: int = 0, constants: int = 0, metrics: int = 0) -> Trials:
    sweep, draw = SweepBuilder(root, seed_key="seed"), random.Random(1)
    for number in range(6):
        values = {f"layer{index:03d}.width": draw.randrange(100) for index in range(params)}
        values |= {f"same{index:03d}.width": index for index in range(constants)}
        values |= {"lr": 10.0 ** -(number % 3), "seed": number // 3}
        logged = {"val/acc": draw.random(), **{f"val/class{index:04d}/f1": draw.random() for index in range(metrics)}}
        (sweep.failed if number == 5 else sweep.trial)(logged, params=values)
    return load(sweep.dir)


@pytest.fixture(scope="module", params=["params", "constants", "metrics"])
def trials(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    many = {"params": {"params": 200}, "constants": {"constants": 200}, "metrics": {"metrics": 3000}}
    return wide(tmp_path_factory.mktemp("wide") / "s", **many[request.param])


def pages(trials: Trials) -> dict[str, str]:
    return {
        "trials": render(trials, SCREEN),
        "seeds": render_groups(trials.seeds(), SCREEN),
        "pivot": render_pivot(pivot_groups(trials, "seed", "lr", "std"), SCREEN, View()),
        "end": closing(trials, SCREEN),
        "best": best_page(trials, winners(trials), SCREEN),
        "effects": effects_page(trials.effects(), SCREEN),
        "failures": failures_page(trials.failures(), SCREEN),
        "show": show_page(trials[0], SCREEN),
        "diff": diff_page(trials.diff(0, 1), SCREEN),
    }


def without_commands(page: str) -> list[str]:
    """Return the lines but for commands, each one line to be copied, however long the sweep's path is."""
    return [line for line in page.splitlines() if not re.match(r" +python |  command |.*herd-results best /", line)]


def test_every_page_is_one_screen(trials: Trials) -> None:
    for name, page in pages(trials).items():
        lines = without_commands(page)
        assert max(map(display_width, lines)) <= WIDTH, name
        assert len(lines) <= HEIGHT, name


def test_a_table_does_not_have_a_command_of_many_lines(trials: Trials) -> None:
    text = render(trials, SCREEN)
    assert [line for line in without_commands(text) if display_width(line) > WIDTH] == []
    if len(trials.params) > 100:
        assert re.search(r"herd-results best \S+/s  \(prints its command, of 202 overrides\)", text)


def test_what_is_not_shown_is_counted(trials: Trials) -> None:
    text = " ".join(render(trials, SCREEN).split())
    total = len(trials.constant) + len(trials.varying) + len(trials.metric_names)
    assert total > 200
    left = [
        int(count) for count in re.findall(r"(?:same in all|hidden \(terminal too narrow\)):.*?\.\.\. (\d+) more", text)
    ]
    named = len(set(re.findall(r"\b(?:layer|same|val/class)\d+", text.partition("\n\n")[0])))
    assert total - 15 <= sum(left) + named <= total + 5


def test_all_is_there_where_nothing_has_to_fit(trials: Trials) -> None:
    text = render(trials, Screen(), View(everything=True))
    assert all(name in text for name in (*trials.params, *trials.metric_names))


def test_an_error_names_some(trials: Trials) -> None:
    with pytest.raises(ResultsError) as caught:
        find_field(trials, "nothing_like_it")
    assert len(str(caught.value)) < 1000


def test_values_of_a_pivot_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    for width in range(40):
        sweep.trial({"val/acc": 0.5}, params={"model": "cnn", "width": width})
    text = render_pivot(pivot_groups(load(sweep.dir), "model", "width", "std"), SCREEN, View())
    assert max(map(display_width, text.splitlines())) <= WIDTH
    assert "\nmodel  width=0  width=1" in text
    assert "\nhidden (terminal too narrow): width=10, width=11" in text


class Rows(HTMLParser):
    """Counts the cells of each row of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.cells.append(0)
        elif tag in ("td", "th"):
            self.cells[-1] += 1


def test_a_notebook_has_a_table_of_bounded_size(trials: Trials) -> None:
    for page, rows in ((trials._repr_html_(), 7), (trials.seeds()._repr_html_(), 4 if len(trials.varying) < 9 else 7)):
        found = Rows(page).cells
        assert (len(found), len(set(found))) == (rows, 1)
        assert found[0] <= 24
        assert len(page) < 40_000
        if len(trials.varying) + len(trials.metric_names) > 100:
            assert re.search(r"\.\.\. [\d,]+ more columns: \.to_pandas\(\) has all", page)


def test_a_notebook_tells_what_did_not_finish(tmp_path: Path) -> None:
    text = load(every_state(tmp_path / "s").dir)._repr_html_()
    assert "✗ failed" in text
    assert "▶ running" in text
    assert text.count("<b>0.9871</b>") == 1


def test_an_interactive_python_shows_one_screen(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((WIDTH, HEIGHT)))
    for page in (repr(trials), repr(trials.seeds())):
        assert max(map(display_width, without_commands(page))) <= WIDTH
        assert len(page.splitlines()) <= HEIGHT
