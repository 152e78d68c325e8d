"""The guide for Slurm, typed word for word on one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_pages import type_page, write_files

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_what_the_guide_says_is_printed_is_printed(tmp_path: Path) -> None:
    write_files(DOCS / "start.md", tmp_path)
    assert type_page(DOCS / "guides" / "slurm.md", tmp_path, needs="slurm") == 1
