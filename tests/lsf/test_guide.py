"""The guide for LSF, typed word for word on the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_pages import type_page, write_files

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_what_the_guide_says_is_printed_is_printed(tmp_path: Path) -> None:
    write_files(DOCS / "start.md", tmp_path)
    assert type_page(DOCS / "guides" / "lsf.md", tmp_path, needs="lsf") == 1
