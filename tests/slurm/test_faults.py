"""Commands of a real Slurm that fail, lie, hang or forget: no sweep ends by it, and no trial runs twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import starting
from conftest import App, wait_for
from faulty import LEDGER, Faults, ended, entries, finish, most_at_once, sooner
from real_slurm import Slurm
from waiting import until

import hyperherd
from hyperherd.launch.slurm.cluster import SlurmCluster
from hyperherd.records.events import read_events

pytestmark = pytest.mark.slow

QUICK = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_slurm", "hydra.launcher.poll_s=1", "hydra.sweep.dir=s"]
OUTAGE = "slurm error: Unable to contact slurm controller (connect failure)"


FORGOTTEN = 2.0
"""Seconds after which a job that Slurm does not know is given up here."""


@pytest.fixture
def faults(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(tmp_path / "faults", ("sbatch", "squeue", "sacct", "scancel", "scontrol"), monkeypatch)


def check_once_per_attempt(app: App) -> None:
    """Each trial began once for each attempt that its records have."""
    attempts = {record.params["width"]: record.attempt + 1 for record in ended(app).records.values()}
    assert Counter(entries(app.folder)) == attempts


def test_a_retry_that_is_refused_ends_its_trial_alone(app: App, faults: Faults) -> None:
    app.write(
        LEDGER + "if cfg.width == 1:\n"
        "    print('slurmstepd: error: Detected 1 oom_kill event in StepId=1.0', file=sys.stderr, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "while not os.path.exists('go'): time.sleep(0.1)\n"
        "note('end')"
    )
    retry = "hydra.sweeper.retry={oom: {times: 2, mem_factor: 10000}}"
    sweep = app.start(*QUICK, "hydra.launcher.mem_gb=0.1", retry, "width=range(3)")
    wait_for(sweep, "trial 1 cannot be run again: herd_slurm: 1 job cannot be submitted: ")
    (app.folder / "go").touch()
    told = finish(sweep, 1)
    assert "2 completed, 1 failed" in told
    failed = hyperherd.load(app.folder / "s")[1]
    assert (str(failed.state), str(failed.cause)) == ("failed", "oom")
    assert "; retry refused: herd_slurm: 1 job cannot be submitted: " in failed.reason
    assert sorted(entries(app.folder)) == [0, 1, 2]


def test_a_controller_that_is_down_at_a_poll_and_a_retry_is_waited_for(app: App, faults: Faults) -> None:
    app.write(
        LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\n"
        "if cfg.width == 0 and not tries: raise ValueError('once')\n"
        "while cfg.width and not os.path.exists('up'): time.sleep(0.1)\n"
        "note('end')"
    )
    sweep = app.start(*QUICK, "width=range(3)", "hydra.sweeper.retry=1")
    until(lambda: len(entries(app.folder)) == 3, sweep)
    faults.down(OUTAGE)
    (app.folder / "go").touch()
    # sbatch may have submitted it: before it is called again, the queue is searched for the job's name.
    until(lambda: faults.count("sbatch") == 2 and any("--name=" in call for call in faults.calls("squeue")), sweep)
    (app.folder / "up").touch()
    faults.heal()
    told = finish(sweep)
    assert set(ended(app).states.values()) == {"completed"}
    check_once_per_attempt(app)
    assert sorted(entries(app.folder)) == [0, 0, 1, 2]
    assert told.count("Unable to contact slurm controller") <= 2, told  # one line for polls, and one for the retry


def test_a_submission_that_succeeded_although_sbatch_failed_is_not_doubled(app: App, faults: Faults) -> None:
    app.write(LEDGER + "note('end')")
    faults.before(
        "sbatch",
        '[ $(grep -c "^sbatch " "$folder/calls") = 1 ] && { "$real" "$@" > /dev/null; '
        'echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1; }',
    )
    finish(app.start(*QUICK, "width=range(3)"))
    assert faults.count("sbatch") == 2
    assert faults.count("scancel") >= 1
    check_once_per_attempt(app)


@pytest.mark.parametrize(
    "text",
    [
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
        "sbatch: error: If munged is up, restart with --num-threads=10",
    ],
)
def test_what_passes_is_tried_again(app: App, faults: Faults, text: str) -> None:
    app.write(LEDGER + "note('end')")
    faults.fail("sbatch", text, times=1)
    finish(app.start(*QUICK, "width=range(2)"))
    assert sorted(entries(app.folder)) == [0, 1]


def test_banners_and_odd_bytes_of_a_site_change_nothing(app: App, faults: Faults) -> None:
    app.write(LEDGER + "if cfg.width == 1: os.kill(os.getpid(), 9)\nnote('end')")
    for name in faults.names:
        faults.before(name, r"printf 'Universit\344t: see job 12 of the news | a | b | c | d\n'")
    told = finish(app.start(*QUICK, "width=range(3)"), 1)
    assert "2 completed, 1 failed" in told
    assert sorted(entries(app.folder)) == [0, 1, 2]


def test_a_cancel_is_repeated_until_the_job_is_gone(app: App, faults: Faults) -> None:
    app.write(LEDGER + "time.sleep(600)")
    sweep = app.start(*QUICK, "width=range(2)")
    until(lambda: len(entries(app.folder)) == 2, sweep)
    faults.fail("scancel", OUTAGE, times=1)
    command = [sys.executable, "-m", "hyperherd.cli", "cancel", "s"]
    done = starting.run(command, cwd=app.folder, text=True)
    assert (done.returncode, done.stdout) == (0, "cancelled 2 trials: 0, 1\n"), done.stderr
    assert faults.count("scancel") >= 2
    finish(sweep, 1)
    assert set(ended(app).states.values()) == {"cancelled"}


def test_what_is_not_seen_to_end_is_not_called_cancelled(app: App, faults: Faults, slurm: Slurm) -> None:
    from hyperherd.errors import SweepError
    from hyperherd.sweep import cancel

    app.write(LEDGER + "time.sleep(600)")
    left = app.sweep("hydra/launcher=herd_slurm", "width=range(2)", "hydra.launcher.wait=false")
    until(lambda: len(entries(app.folder)) == 2)
    cancel._PATIENCE, before = 2.0, cancel._PATIENCE
    try:
        faults.before("scancel", "exit 0")  # it says nothing, and does nothing
        done = cancel.cancel(left.dir)
        assert (done.numbers, done.asked) == ((), (0, 1))
        faults.fail("scancel", "scancel: error: Kill job error: Access/permission denied")
        with pytest.raises(SweepError, match=r"not cancelled: herd_slurm: .*The jobs may still run"):
            cancel.cancel(left.dir)
        assert {str(trial.state) for trial in hyperherd.load(left.dir)} == {"running"}
    finally:
        cancel._PATIENCE = before
        faults.heal()
    for name in ("scontrol", "squeue", "scancel"):  # an outage is waited for
        faults.fail(name, OUTAGE, times=1)
    assert cancel.cancel(left.dir).numbers == (0, 1)


def test_a_cap_of_one_holds_over_retries(app: App, faults: Faults) -> None:
    app.write(LEDGER + "time.sleep(0.3)\nnote('end')\nif not tries: raise ValueError('once')")
    finish(app.start(*QUICK, "width=range(2)", "hydra.sweeper.retry=1", "hydra.launcher.array_parallelism=1"))
    assert most_at_once(app.folder) == 1
    assert sorted(entries(app.folder)) == [0, 0, 1, 1]


def test_a_retry_starts_as_soon_as_the_cap_allows(app: App, faults: Faults) -> None:
    app.write(LEDGER + "time.sleep(2)\nnote('end')\nif cfg.width == 0 and not tries: raise ValueError('once')")
    finish(app.start(*QUICK, "width=range(7)", "hydra.sweeper.retry=1", "hydra.launcher.array_parallelism=2"))
    assert most_at_once(app.folder) == 2
    order = entries(app.folder)
    assert sorted(order) == [0, *range(7)]
    assert order[-1] != 0, order  # it did not wait for the end of the whole array
    assert any("ArrayTaskThrottle=1" in call for call in faults.calls("scontrol"))
    assert any("ArrayTaskThrottle=2" in call for call in faults.calls("scontrol"))


def test_a_trial_that_gives_signs_of_life_is_alive(app: App, faults: Faults) -> None:
    """The queue lists nothing, and accounting is denied."""
    app.write(LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\nnote('end')")
    sooner(app, FORGOTTEN=FORGOTTEN)
    sweep = app.start(*QUICK, "width=range(2)", "hydra.sweeper.retry=2")
    until(lambda: len(entries(app.folder)) == 2, sweep)
    faults.before("squeue", "exit 0")
    faults.fail("sacct", "sacct: error: Access/permission denied")
    asked = faults.count("squeue")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 3 * FORGOTTEN and faults.count("squeue") > asked + 4, sweep)
    assert faults.count("sbatch") == 1
    faults.heal()
    (app.folder / "go").touch()
    finish(sweep)
    assert sorted(entries(app.folder)) == [0, 1]
    assert not [event for event in read_events(app.folder / "s") if event.verdict]


def test_a_job_that_was_only_forgotten_is_cancelled_before_its_trial_is_lost(app: App, faults: Faults) -> None:
    app.write(LEDGER)
    sooner(app, FORGOTTEN=FORGOTTEN)
    sweep = app.start(*QUICK, "width=0", "+hydra.launcher.additional_parameters.begin='now+600'")
    wait_for(sweep, "submitted job")
    faults.before("squeue", "exit 0")
    faults.fail("sacct", "sacct: error: Access/permission denied")
    until(lambda: faults.count("scancel") > 0, sweep)
    finish(sweep, 1)
    assert entries(app.folder) == []


def test_an_outage_at_a_resume_is_waited_for_and_ctrl_c_works_meanwhile(app: App, faults: Faults) -> None:
    app.write(LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\nnote('end')")
    app.sweep("hydra/launcher=herd_slurm", "width=range(2)", "hydra.launcher.wait=false", to="s")
    until(lambda: len(entries(app.folder)) == 2)
    faults.down(OUTAGE)
    asked = faults.count("scontrol")
    resumed = app.start(*QUICK, "width=range(3)")
    until(lambda: faults.count("scontrol") >= asked + 2, resumed)
    resumed.send_signal(signal.SIGINT)
    finish(resumed, 130)
    resumed = app.start(*QUICK, "width=range(3)")
    wait_for(
        resumed, f"{OUTAGE.partition(': ')[2]}; jobs that were submitted earlier may be queued or running, so noth"
    )
    assert faults.count("sbatch") == 1
    faults.heal()
    (app.folder / "go").touch()
    assert "Unable to contact" not in finish(resumed)  # it was said once
    check_once_per_attempt(app)
    assert sorted(entries(app.folder)) == [0, 1, 2]


def test_a_waiting_job_that_the_queue_does_not_list_at_a_resume_does_not_run_beside_its_trial(
    app: App, faults: Faults, slurm: Slurm
) -> None:
    app.write(LEDGER + "note('end')")
    app.sweep(
        *QUICK[2:4], "width=0", "hydra.launcher.wait=false", "+hydra.launcher.additional_parameters.hold=true", to="s"
    )
    (job,) = {str(event.job_id) for event in read_events(app.folder / "s") if event.job_id}
    faults.fail("sacct", "sacct: error: Access/permission denied")
    faults.before("squeue", f'case "$*" in *--name=*|*--jobs={job}*) exit 0;; esac')
    resumed = app.start(*QUICK, "width=0")
    until(lambda: len(entries(app.folder, "end")) == 1, resumed)
    faults.heal()
    finish(resumed)
    assert "JobState=CANCELLED" in slurm.ask("scontrol", "show", "job", job)
    assert entries(app.folder) == [0]


def test_a_job_is_cancelled_by_its_name_and_alone(slurm: Slurm) -> None:
    job = slurm.ask("sbatch", "--parsable", "--hold", "--array=0-3", "--job-name=of-a-batch", "--wrap=true").strip()
    cluster = SlurmCluster({})
    cluster.cancel([f"{job}_1"], "of-another-batch")
    assert len(cluster.query([f"{job}_{index}" for index in range(4)])) == 4
    cluster.cancel([f"{job}_1", "999999"], "of-a-batch")
    assert slurm.ask("squeue", "-hr", "-j", job, "-o", "%i").split() == [f"{job}_{index}" for index in (0, 2, 3)]
    cluster.cancel([f"{job}_0", f"{job}_2", f"{job}_3"])


def test_a_controller_that_is_away_as_a_job_asks_to_be_requeued_is_asked_again(
    app: App, faults: Faults, slurm: Slurm
) -> None:
    app.write(LEDGER + "while not tries: time.sleep(0.1)\nnote('end')")
    away = f'[ "$1" = requeue ] && mkdir "$folder/away" 2> /dev/null && {{ echo "{OUTAGE}" >&2; exit 1; }}'
    faults.before("scontrol", away)
    sweep = app.start(*QUICK, "width=0", "hydra.launcher.timeout_min=5", "hydra.launcher.max_num_timeout=1")
    until(lambda: ended(app).states == {0: "running"} and ended(app).records[0].beats > 1, sweep)
    slurm.ask("scancel", "--signal=USR2", str(ended(app).records[0].job_id))
    finish(sweep)
    assert len([call for call in faults.calls("scontrol") if call.startswith("requeue ")]) == 2
    assert ended(app).records[0].attempt == 1
    assert entries(app.folder) == [0, 0]


def test_what_does_not_fit_is_submitted_as_room_comes(app: App, faults: Faults) -> None:
    app.write(LEDGER + "time.sleep(0.2)\nnote('end')")
    limited(faults, 3)
    told = finish(app.start(*QUICK, "width=range(7)"))
    assert sorted(entries(app.folder)) == list(range(7))
    assert set(ended(app).states.values()) == {"completed"}
    assert told.count("AssocMaxSubmitJobLimit") + told.count("job submit limit") == 1, told
    assert not [event for event in read_events(app.folder / "s") if event.verdict]


def test_without_waiting_it_is_said_how_many_are_left(app: App, faults: Faults) -> None:
    app.write(LEDGER + "note('end')")
    limited(faults, 3)
    told = finish(app.start(*QUICK, "width=range(5)", "hydra.launcher.wait=false"))
    assert "2 trials not submitted yet: herd_slurm: sbatch: error: " in told
    assert [str(trial.state) for trial in hyperherd.load(app.folder / "s")][3:] == ["waiting", "waiting"]
    until(lambda: len(entries(app.folder, "end")) == 3)
    finish(app.start(*QUICK, "width=range(5)"))
    assert sorted(entries(app.folder)) == list(range(5))


def limited(faults: Faults, most: int) -> None:
    """Let sbatch refuse what a real one refuses where a user may have only so many jobs in the queue."""
    reason = (
        "sbatch: error: AssocMaxSubmitJobLimit\\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)"
    )
    real = faults.folder / "squeue"
    queue = next(line.partition("real=")[2] for line in real.read_text().splitlines() if "real=" in line).strip("'")
    others = subprocess.run([queue, "-hr", "--states=PD,R"], capture_output=True, text=True).stdout.splitlines()
    most += len(others)  # what the tests before left
    faults.before(
        "sbatch",
        f"new=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' \"${{@: -1}}\"); new=$((${{new:-0}} + 1))\n"
        f"old=$({queue} -hr --states=PD,R | wc -l)\n"
        f'[ $((old + new)) -gt {most} ] && {{ printf "{reason}\\n" >&2; exit 1; }}',
    )


def test_why_a_job_waits_is_shown(app: App, slurm: Slurm) -> None:
    app.write("pass")
    sweep = app.start(*QUICK, "width=0", "+hydra.launcher.additional_parameters.hold=true")
    try:
        wait_for(sweep, "1 queued job will not start unless somebody acts: JobHeldUser (")
        command = [sys.executable, "-m", "hyperherd.cli", "show", "s", "0"]
        shown = starting.run(command, cwd=app.folder, text=True).stdout
        (job_id,) = {event.job_id for event in read_events(app.folder / "s") if event.event == "pending"}
        assert f"job {job_id} waits: JobHeldUser" in shown
        slurm.ask("scontrol", "release", str(job_id))
    finally:
        finish(sweep)
