"""Why a job of LSF ended, by whichever of its words that is found out; and limits that mean less than they seem to."""

from __future__ import annotations

import signal
import time

import pytest
from conftest import App, Sweep
from faulty import sooner
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from waiting import PATIENCE, until

from hyperherd.records.events import read_events

LSF = ("hydra/launcher=herd_lsf", "hydra.launcher.poll_s=1")

pytestmark = [pytest.mark.usefixtures("cluster"), pytest.mark.slow]


def states(sweep: Sweep) -> dict[int, tuple[str, str | None]]:
    """Return the state and the cause of each trial: of its record, or of the verdict about it."""
    found = {number: (str(one.state), one.cause) for number, one in sweep.records.items()}
    verdicts = {event.number: event.verdict for event in read_events(sweep.dir) if event.verdict}
    return found | {number: (str(state), cause) for number, (state, cause) in verdicts.items()}


def test_a_warning_that_comes_too_early_counts_as_the_end_of_the_time(app: App, cluster: Cluster) -> None:
    """Hosts that are twenty times as fast as the one that limits are in: the warning comes after 1 of 40 minutes."""
    cluster.set(cpu_factor=20.0, minute=6.0)
    app.write("""
        with open("ran", "a") as file: file.write(os.environ["HYPERHERD_ATTEMPT"] + "\\n")
        time.sleep(300)
    """)
    limits = ("hydra.launcher.timeout_min=40", "hydra.launcher.signal_delay_min=1", "hydra.launcher.max_num_timeout=1")
    sweep = app.sweep(*LSF, *limits, "lr=1", code=1)
    assert (app.folder / "ran").read_text().split() == ["0", "1"]
    assert states(sweep) == {0: ("failed", "timeout")}


def test_an_lsf_that_is_too_old_is_refused_before_anything_runs(app: App, cluster: Cluster) -> None:
    cluster.set(old=True)
    app.write("pass")
    sweep = app.sweep(*LSF, "lr=1", code=1)
    assert "bjobs of this cluster does not know -noheader and -o" in sweep.done.stderr
    assert "bjobs: illegal option -- noheader" in sweep.done.stderr
    assert cluster.calls("bsub") == []


def test_codes_to_requeue_for_are_left_out_where_no_job_comes_back(app: App, cluster: Cluster) -> None:
    app.write("pass")
    for timeouts in (0, 1):
        sweep = app.sweep(*LSF, f"hydra.launcher.max_num_timeout={timeouts}", "lr=1", to=f"multirun/{timeouts}")
        (script,) = (sweep.dir / ".hyperherd" / "submitit").glob("*_submission.sh")
        assert ("#BSUB -Q 99" in script.read_text()) is bool(timeouts)


RUNS = """
    from pathlib import Path
    Path(f"at-{cfg.width}").touch(exist_ok=False)
    if cfg.width == 0: os.kill(os.getpid(), 9)
    while not Path("go").exists(): time.sleep(0.05)
"""


@pytest.mark.parametrize("reason", ["", "TERM_ZOMBI"])
def test_a_host_that_died(app: App, cluster: Cluster, reason: str) -> None:
    cluster.set(failed_host_reason=reason)
    app.write(RUNS)
    sooner(app, SETTLED_SLOWLY=2.0)
    sweep = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *LSF, "width=1")
    try:
        until(lambda: (app.folder / "at-1").exists(), sweep)
        cluster.set(unreachable_hosts=["hostA"])
        asked = len(cluster.calls("bjobs"))
        until(lambda: len(cluster.calls("bjobs")) > asked + 1, sweep)  # it has been seen as UNKWN
        cluster.set(unreachable_hosts=[], failed_hosts=["hostA"])
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert states(Sweep(None, app.folder / "s")) == {0: ("failed", "node_failure")}, told  # type: ignore[arg-type]


def test_a_kill_while_a_job_waits_is_no_failure_although_lsf_names_no_reason(
    app: App, cluster: Cluster, site: Site
) -> None:
    cluster.set(blank_reasons=True, hosts={"hostA": {"slots": 1}})
    app.write(RUNS)
    sweep = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *LSF, "width=1,2")
    try:
        until(lambda: (app.folder / "at-1").exists(), sweep)
        site.run("bkill", "1[2]")
        (app.folder / "go").touch()
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert states(Sweep(None, app.folder / "s")) == {0: ("completed", None), 1: ("cancelled", None)}, told  # type: ignore[arg-type]


def test_a_signal_is_the_same_cause_from_history_as_from_bjobs(app: App, cluster: Cluster) -> None:
    app.write(RUNS)
    assert states(app.sweep(*LSF, "width=0", to="multirun/a", code=1)) == {0: ("failed", "signal")}
    (app.folder / "at-0").unlink()
    cluster.set(clean_period=0.0)
    assert states(app.sweep(*LSF, "width=0", to="multirun/b", code=1)) == {0: ("failed", "signal")}
    assert cluster.calls("bhist")


def test_ctrl_c_ends_a_sweep_while_bsub_hangs_and_its_job_is_found_again(app: App, cluster: Cluster) -> None:
    cluster.set(slow=100.0, slow_commands=["bsub"])  # which has submitted the job, and does not return
    app.write(RUNS)
    (app.folder / "go").touch()
    sweep = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *LSF, "width=1")
    try:
        until(lambda: bool(cluster.calls("bsub")), sweep)
        began = time.monotonic()
        sweep.send_signal(signal.SIGINT)
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert sweep.returncode == 130, told
    assert time.monotonic() - began < 50  # and not the 100 s of bsub
    cluster.set(slow=0.0)
    assert states(app.sweep(*LSF, "width=1")) == {0: ("completed", None)}
    assert (app.folder / "at-1").exists()  # and once: a second start would have failed


def test_jobs_that_lsf_loses_sight_of_are_not_over(app: App, cluster: Cluster) -> None:
    app.write(RUNS)
    sweep = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", *LSF, "width=1")
    try:
        until(lambda: (app.folder / "at-1").exists(), sweep)
        cluster.set(lost=["all"])
        until(lambda: bool(cluster.calls("bhist")), sweep)
        cluster.set(lost=[])
        (app.folder / "go").touch()
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert states(Sweep(None, app.folder / "s")) == {0: ("completed", None)}, told  # type: ignore[arg-type]


def test_a_sweep_that_goes_on_late_asks_history_for_trials_that_nobody_claims(
    app: App, cluster: Cluster, site: Site
) -> None:
    """Width 0 was killed and is forgotten by bjobs, which has lost sight of width 1, too."""
    app.write(RUNS)
    left = app.sweep(*LSF, "hydra.launcher.wait=false", "width=0,1")
    until(lambda: (app.folder / "at-1").exists() and site.states("1[1]") == ["EXIT"])
    (app.folder / "at-0").unlink()
    cluster.set(lost=["all"])
    going_on = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *LSF, "width=0,1")
    try:
        until(lambda: len(cluster.calls("bsub")) == 2, going_on)
        cluster.set(lost=[])
        (app.folder / "go").touch()
        told, _ = going_on.communicate(timeout=PATIENCE)
    finally:
        going_on.kill()
    assert " 1 to run, 1 already submitted" in told
    verdicts = {(event.number, event.event, event.attempt) for event in read_events(left.dir) if event.verdict}
    assert verdicts == {(0, "signal", 0), (0, "signal", 1)}
    assert states(left)[1] == ("completed", None)
