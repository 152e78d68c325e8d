from __future__ import annotations

from pathlib import Path

import pytest
from results.builder import sweep24

from hyperherd import load
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


def test_suffixes() -> None:
    assert [form_of_suffix(suffix) for suffix in ("tex", "txt", "csv", "dat", "")] == [
        "latex",
        "table",
        "csv",
        None,
        None,
    ]
