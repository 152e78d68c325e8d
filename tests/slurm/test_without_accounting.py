"""A cluster without accounting: squeue alone has to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import App
from real_slurm import Slurm, own_slurm, reason_to_skip
from waiting import PATIENCE, until

from hyperherd.records.events import read_events

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    if request.config.getoption("--slurm"):
        pytest.skip("the cluster around is as it is")
    if reason := reason_to_skip():
        pytest.skip(reason)
    with own_slurm(SLURM_UP_DBD="0") as slurm:
        for name, value in slurm.environment.items():
            monkeypatch.setenv(name, value)
        yield slurm


def test_every_end_is_known(app: App, bare: Slurm) -> None:
    app.write("""
        from pathlib import Path
        if cfg.width == 1: os.kill(os.getpid(), 9)
        if cfg.width == 2: raise ValueError("boom")
        Path(f"at-{cfg.width}").touch()
        while cfg.width == 3: time.sleep(0.1)
        while not Path("go").exists(): time.sleep(0.1)
    """)
    few = ["hydra.launcher.array_parallelism=3", "hydra.launcher.poll_s=2"]
    sweep = app.start(
        "-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", *few, "hydra.sweep.dir=s", "width=0,1,2,3,4,5"
    )
    try:
        until(lambda: all((app.folder / f"at-{width}").exists() for width in (0, 3, 4)), sweep)
        job = {event.number: str(event.job_id) for event in read_events(app.folder / "s") if event.event == "submitted"}
        bare.ask("scancel", job[5])  # it has not begun
        bare.ask("scancel", job[3])
        (app.folder / "go").touch()
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert sweep.returncode == 1
    verdicts = {event.number: event.event for event in read_events(app.folder / "s") if event.verdict}
    assert verdicts == {1: "signal", 5: "cancelled"}, told
    assert "2 completed, 2 failed, 2 cancelled" in told
