"""The fixture `lsf`: commands of LSF on PATH, those of the emulator or, with --lsf, those of a real cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site


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
def lsf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """LSF by its commands alone. On a real one (--lsf), let --basetemp name a folder that its hosts share."""
    folder = tmp_path / "work"
    folder.mkdir()
    if request.config.getoption("--lsf"):
        if not shutil.which("bsub"):
            pytest.skip("--lsf needs bsub on PATH")
        site = Site(folder, minute=60.0)
    else:
        cluster = request.getfixturevalue("cluster")
        site = Site(folder, cluster.settings.minute, cluster)
    yield site
    if site.cluster is None:
        site.kill_all()
