"""One cluster for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from real_slurm import Slurm, own_slurm, reason_to_skip
from site_features import SLURM, skip_without


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Slurm]:
    """A Slurm on which jobs run."""
    if request.config.getoption("--slurm"):
        yield Slurm(None)
        return
    if reason := reason_to_skip():
        pytest.skip(reason)
    with own_slurm() as slurm:
        yield slurm


@pytest.fixture(autouse=True)
def _site(request: pytest.FixtureRequest) -> None:
    skip_without(request.node, SLURM, is_real=request.config.getoption("--slurm"))


@pytest.fixture
def slurm(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """That Slurm, as the one that commands started here talk to."""
    for name, value in {**cluster.environment, "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    if cluster.folder is not None:
        cluster.up()  # whatever the test before killed
    return cluster


@pytest.fixture
def own(slurm: Slurm) -> Slurm:
    """The same, if it is one whose nodes and daemons may be killed."""
    if slurm.folder is None:
        pytest.skip("this would break a cluster that is not ours")
    return slurm
