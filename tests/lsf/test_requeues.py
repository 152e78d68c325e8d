"""Jobs that LSF puts back into its queue belong to their sweep; each start of a trial is on a ledger."""

from __future__ import annotations

import pytest
from conftest import App, Sweep
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from requeued import cancelled, ran, states
from waiting import PATIENCE, until

from hyperherd.records.events import read_events

HERD = ["hydra/launcher=herd_lsf", "hydra.launcher.poll_s=1"]
RUNS = """
    import signal
    from pathlib import Path
    with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
    if cfg.width == 2: signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN)
    while not Path("go").exists(): time.sleep(0.1)
"""

pytestmark = pytest.mark.slow


def test_a_job_that_is_requeued_and_held_is_awaited_and_is_never_shown_as_ended(
    app: App, cluster: Cluster, site: Site
) -> None:
    cluster.set(terminate_interval=20.0)  # time to ask LSF what the signal is for, as the 10 s of a real one are
    app.write(RUNS)
    process = app.start("-m", "hydra/sweeper=herd", *HERD, "hydra.sweep.dir=s", "width=1,3")
    sweep = Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    try:
        until(lambda: len(ran(app)) == 2, process)
        seen = set()
        site.run("brequeue", "-H", "1[1]")

        def waits() -> bool:
            seen.add(states(sweep)[0])
            return site.states("1[1]") == ["PSUSP"] and states(sweep)[0] == "requeued"

        until(waits, process)
        site.run("bresume", "1[1]")
        until(lambda: len(ran(app)) == 3, process)
        (app.folder / "go").touch()
        told, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert seen <= {"running", "requeued"}
    assert ran(app) == ["1 0", "1 1", "3 0"]
    assert "trial 0 (width-1) requeued" in told
    assert "2 completed" in told
    assert "cancelled" not in told


def test_a_sweep_that_goes_on_awaits_requeued_jobs_and_cancel_finds_them(
    app: App, cluster: Cluster, site: Site
) -> None:
    """Width 1 knows that it is requeued; width 2, which is killed, cannot record anything."""
    cluster.set(terminate_interval=1.0)
    app.write(RUNS)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    until(lambda: len(ran(app)) == 2)
    site.run("brequeue", "-H", "1")
    until(lambda: site.states("1") == ["PSUSP", "PSUSP"])
    again = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    assert " 0 to run, 2 already submitted" in again.done.stdout
    assert cancelled(left, "--only", "1") == "cancelled 1 trial: 1\n"
    assert states(left)[1] == "cancelled"
    site.run("bresume", "1[1]")
    until(lambda: len(ran(app)) == 3)
    (app.folder / "go").touch()
    ended = app.sweep(*HERD, "width=1,2")
    assert "2 completed" in ended.done.stdout
    assert ran(app) == ["1 0", "1 1", "2 0", "2 1"]
    assert {event.job_id for event in read_events(left.dir) if event.event == "submitted"} == {"1_1", "1_2", "2"}
