"""The fixture `lsf`: commands of LSF on PATH, those of the emulator or, with --lsf, those of a real cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from site_features import LSF, skip_without


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a real LSF a minute of a run limit lasts a minute."""
    if config.getoption("--lsf"):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(autouse=True)
def _site_has_it(request: pytest.FixtureRequest) -> None:
    skip_without(request.node, LSF, is_real=request.config.getoption("--lsf"))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """An emulated cluster whose commands come first on PATH."""
    for name in os.environ:
        if name.startswith(("LSB_", "LSF_", "LS_", "BSUB_")):
            monkeypatch.delenv(name)
    with Cluster(tmp_path / "lsf") as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        yield cluster


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Site:
    """The emulated cluster by its commands, in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return Site(folder, cluster.settings.minute, cluster)


@pytest.fixture
def lsf(request: pytest.FixtureRequest) -> Iterator[Site]:
    """LSF by its commands alone. On a real one (--lsf), let --basetemp name a folder that its hosts share."""
    if not request.config.getoption("--lsf"):
        yield request.getfixturevalue("site")
        return
    if not shutil.which("bsub"):
        pytest.skip("--lsf needs bsub on PATH")
    site = Site(request.getfixturevalue("tmp_path"), minute=60.0)
    yield site
    site.kill_all()
