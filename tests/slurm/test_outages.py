"""Daemons of Slurm that are down at the worst moment: nothing is forgotten, and nothing runs twice."""

from __future__ import annotations

import pytest
from conftest import App, Sweep, wait_for
from real_slurm import Slurm, until

from hyperherd.records.events import read_events

pytestmark = pytest.mark.slow

QUICK = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=2", "hydra.sweep.dir=s"]


def test_accounting_dies_while_trials_end(app: App, own: Slurm) -> None:
    app.write("""
        from pathlib import Path
        Path(f"at-{cfg.width}").touch(exist_ok=False)
        while not Path("go").exists(): time.sleep(0.1)
        if cfg.width == 1: os.kill(os.getpid(), 9)
        if cfg.width == 2: raise ValueError("boom")
    """)
    sweep = app.start(*QUICK, "width=range(4)")
    try:
        until(lambda: sweep.poll() is not None or len(list(app.folder.glob("at-*"))) == 4)
        own.kill_accounting()
        (app.folder / "go").touch()
        told, _ = sweep.communicate(timeout=120)  # nobody brings it back
    finally:
        sweep.kill()
    assert sweep.returncode == 1, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert ended.states == {0: "completed", 1: "running", 2: "failed", 3: "completed"}, told
    assert {event.number: event.event for event in read_events(ended.dir) if event.verdict} == {1: "signal"}, told
    assert "2 completed, 2 failed" in told


def test_the_controller_is_down_as_the_sweep_submits(app: App, own: Slurm) -> None:
    app.write("""
        from pathlib import Path
        Path(f"at-{cfg.width}").touch(exist_ok=False)
    """)
    own.kill_controller()
    sweep = app.start(*QUICK, "width=range(3)")
    try:
        wait_for(sweep, "tried again in 5 s")
        own.up()
        told, _ = sweep.communicate(timeout=120)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, told
    ended = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    assert ended.states == {0: "completed", 1: "completed", 2: "completed"}, told
    assert {record.attempt for record in ended.records.values()} == {0}
    assert len({str(record.job_id).partition("_")[0] for record in ended.records.values()}) == 1
