"""Jobs that Slurm puts back into its queue belong to their sweep; each start of a trial is on a ledger.

Nothing hurries Slurm: a job that starts while its last run is being cleaned up fails in Slurm itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from conftest import App, Sweep
from real_slurm import Slurm
from requeued import cancelled, ran, states
from waiting import PATIENCE, until

import hyperherd
from hyperherd.records.events import read_events

HERD = ["hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1"]
RUNS = """
    import signal
    from pathlib import Path
    with open("ran", "a") as file: file.write(f"{cfg.width} {os.environ['HYPERHERD_ATTEMPT']}\\n")
    if cfg.width == 2: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while not Path("go").exists(): time.sleep(0.1)
"""

pytestmark = pytest.mark.slow


def job_of(sweep: Sweep, number: int) -> str:
    return next(str(event.job_id) for event in read_events(sweep.dir) if event.job_id and event.number == number)


@contextmanager
def running(app: App, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Sweep]]:
    process = app.start("-m", "hydra/sweeper=herd", *HERD, "hydra.sweep.dir=s", *arguments)
    try:
        yield process, Sweep(None, app.folder / "s")  # type: ignore[arg-type]
    finally:
        process.kill()
        process.wait()


@pytest.mark.needs("JobRequeue=1")
def test_a_job_that_is_requeued_and_held_is_awaited_and_is_never_shown_as_ended(app: App, slurm: Slurm) -> None:
    app.write(RUNS)
    with running(app, "width=1,3") as (process, sweep):
        until(lambda: len(ran(app)) == 2, process)
        job, seen = job_of(sweep, 0), set()
        slurm.ask("scontrol", "requeuehold", job)

        def waits() -> bool:
            seen.add(states(sweep)[0])
            return slurm.state(job) == "PENDING" and states(sweep)[0] == "requeued"

        until(waits, process)
        slurm.ask("scontrol", "release", job)
        until(lambda: len(ran(app)) == 3, process)
        (app.folder / "go").touch()
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert seen <= {"running", "requeued"}
    assert ran(app) == ["1 0", "1 1", "3 0"]
    assert "trial 0 (width-1) requeued" in told
    assert "2 completed" in told
    assert "cancelled" not in told
    assert "failed" not in told


@pytest.mark.needs("JobRequeue=1")
def test_a_sweep_that_goes_on_awaits_requeued_jobs_and_cancel_finds_them(app: App, slurm: Slurm) -> None:
    """Width 1 knows that it is requeued; width 2, which is killed, cannot record anything."""
    app.write(RUNS)
    left = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    until(lambda: len(ran(app)) == 2)
    jobs = [job_of(left, number) for number in (0, 1)]
    for job in jobs:
        slurm.ask("scontrol", "requeuehold", job)
    until(lambda: [slurm.state(job) for job in jobs] == ["PENDING", "PENDING"])
    assert states(left)[0] == "requeued"
    again = app.sweep(*HERD, "hydra.launcher.wait=false", "width=1,2")
    assert " 0 to run, 2 already submitted" in again.done.stdout
    assert "nothing to submit: 2 trials already submitted" in again.done.stdout
    assert cancelled(left, "--only", "1") == "cancelled 1 trial: 1\n"
    until(lambda: slurm.state(jobs[1]) != "PENDING")
    assert states(left)[1] == "cancelled"
    slurm.ask("scontrol", "release", jobs[0])
    until(lambda: len(ran(app)) == 3)
    (app.folder / "go").touch()
    ended = app.sweep(*HERD, "width=1,2")
    assert "2 completed" in ended.done.stdout
    assert ran(app) == ["1 0", "1 1", "2 0", "2 1"]


@pytest.mark.needs("partition low, preempted by main")
def test_a_job_that_was_preempted_once_can_be_cancelled(app: App, slurm: Slurm) -> None:
    """It runs again, and its time of preemption is on record still: that is not the reason for the next signal."""
    app.write(RUNS)
    with running(app, "width=1", "hydra.launcher.partition=low", "hydra.launcher.nodelist=n1") as (process, sweep):
        until(lambda: ran(app) == ["1 0"], process)
        job = job_of(sweep, 0)
        slurm.ask("sbatch", "--partition=main", "--nodelist=n1", "--exclusive", "--wrap=sleep 2")
        until(lambda: slurm.state(job) == "PENDING", process)
        until(lambda: ran(app) == ["1 0", "1 1"], process)
        slurm.ask("scancel", job)
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, told
    assert states(sweep) == {0: "cancelled"}
    assert ran(app) == ["1 0", "1 1"]


@pytest.mark.needs("JobRequeue=1")
def test_requeues_are_bounded(app: App, slurm: Slurm) -> None:
    app.write(RUNS)
    with running(app, "width=1", "hydra.launcher.max_num_preempted=0") as (process, sweep):
        # A job that is requeued within a moment of its start fails in Slurm itself.
        until(lambda: 0 in sweep.records and sweep.records[0].beats > 1, process)
        slurm.ask("scontrol", "requeue", job_of(sweep, 0))
        told, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, told
    assert ran(app) == ["1 0"]
    (trial,) = hyperherd.load(sweep.dir)
    assert (str(trial.state), str(trial.cause)) == ("failed", "preempted")
    assert "more often than hydra.launcher.max_num_preempted=0 allows" in trial.reason
