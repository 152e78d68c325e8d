"""The pages that people begin with, typed word for word, all in the folder that the ten minutes have left."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_pages import type_page, write_files

import hyperherd

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything on the first page has been typed."""
    folder = tmp_path_factory.mktemp("begun")
    assert type_page(DOCS / "start.md", folder) == 5
    assert {"loss.svg", "report.html"} <= {path.name for path in folder.iterdir()}
    return folder


@pytest.mark.slow
def test_the_ten_minutes(begun: Path) -> None:
    assert (begun / "multirun" / "seeds").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["laptop", "seeds", "going_on", "checkpoints"])
def test_guides_that_go_on_from_there(page: str, begun: Path) -> None:
    type_page(DOCS / "guides" / f"{page}.md", begun)


@pytest.mark.parametrize("scheduler", ["slurm", "lsf"])
def test_the_config_of_a_cluster_composes(scheduler: str, tmp_path: Path) -> None:
    for page in (DOCS / "start.md", DOCS / "guides" / f"{scheduler}.md"):
        write_files(page, tmp_path)
    preview = hyperherd.plan(["lr=0.01,0.1"], config_dir=tmp_path / "conf", config_name=scheduler)
    assert len(preview.trials) == 2
