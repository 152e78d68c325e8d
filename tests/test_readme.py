"""README, typed word for word in an empty folder: what it says is printed is what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_pages import type_page

README = Path(__file__).resolve().parents[1] / "README.md"


@pytest.mark.slow
def test_what_readme_says_is_printed_is_printed(tmp_path: Path) -> None:
    assert type_page(README, tmp_path) == 1
    assert (tmp_path / "report.html").exists()


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 120
