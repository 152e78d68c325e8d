from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from results.builder import SweepBuilder, sweep24

from hyperherd import load
from hyperherd.results.tables.columns import View
from hyperherd.results.tables.form_names import FORMS, form_of_suffix
from hyperherd.results.tables.formats import FOR_PEOPLE, FOR_PROGRAMS
from hyperherd.results.tables.records import to_text

TEXT = [name for name in FORMS if name not in ("table", "parquet")]


def test_every_format_that_help_lists_is_written() -> None:
    records = {"json", "jsonl"}
    assert {*FOR_PEOPLE, *FOR_PROGRAMS, *records} == set(TEXT)
    assert set(FOR_PEOPLE) == {name for name in TEXT if FORMS[name].is_for_people}


@pytest.mark.parametrize("form", TEXT)
def test_a_format_writes_trials_and_configurations(tmp_path: Path, form: str) -> None:
    trials = load(sweep24(tmp_path / "s").dir)
    for groups in (None, trials.seeds()):
        assert "0.01" in to_text(trials, form, groups=groups)


class Cells(HTMLParser):
    """Collects the tags of a document, and the texts of its cells as a mail program shows them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.strip("\n")


def test_html_has_the_cells_of_markdown(tmp_path: Path) -> None:
    trials = load(sweep24(tmp_path / "s").dir)
    for groups in (None, trials.seeds()):
        shown = Cells(to_text(trials, "html", groups=groups))
        markdown = to_text(trials, "md", groups=groups).replace("\\", "").replace("**", "").splitlines()
        del markdown[1]
        assert shown.cells == [cell.strip() for line in markdown for cell in line.strip("|").split("|")]
        assert shown.tags == {"table", "tr", "th", "td", "b"}


def test_nothing_from_a_run_is_read_as_html(sweep: SweepBuilder) -> None:
    hostile = "<script>alert('1')</script>\x1b[2J\"&"
    sweep.trial({hostile: 0.5, "val/acc": 1.0}, {"text": hostile}, params={"<b>name": hostile})
    sweep.trial({hostile: 0.5, "val/acc": 0.5}, {"text": hostile}, params={"<b>name": "x"})
    for view in (View(), View(columns=("<b>name", "text", hostile), full=True)):
        shown = Cells(to_text(load(sweep.dir), "html", view))
        assert shown.tags <= {"table", "tr", "th", "td", "b"}
        assert "\x1b" not in "".join(shown.cells)
        assert "<b>name" in shown.cells
    assert "<script>alert('1')</script>\\x1b[2J\"&" in shown.cells


def test_suffixes() -> None:
    assert [form_of_suffix(suffix) for suffix in ("tex", "txt", "csv", "dat", "")] == [
        "latex",
        "table",
        "csv",
        None,
        None,
    ]
