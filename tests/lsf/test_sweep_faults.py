"""Commands of LSF that fail, or take no more jobs, under a whole sweep: it goes on, and no trial runs twice."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from conftest import App, wait_for
from faulty import LEDGER, Faults, ended, entries, finish, most_at_once
from lsf.emulator.cluster import Cluster
from waiting import until

import hyperherd
from hyperherd.records.events import read_events

pytestmark = pytest.mark.slow

QUICK = [
    "-m", "hydra/sweeper=herd", "hydra/launcher=herd_lsf", "hydra.launcher.poll_s=1", "hydra.sweep.dir=s",
    "hydra.launcher.query_retries=1",
]  # fmt: skip


@pytest.fixture
def faults(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(tmp_path / "faults", ("bsub", "bjobs", "bkill", "bmod", "lsid"), monkeypatch)


def test_lsf_is_down_at_a_poll_and_a_retry(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write(
        LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\n"
        "if cfg.width == 0 and not tries: raise ValueError('once')\n"
        "while cfg.width and not os.path.exists('up'): time.sleep(0.1)\n"
        "note('end')"
    )
    sweep = app.start(*QUICK, "width=range(3)", "hydra.sweeper.retry=1")
    until(lambda: len(entries(app.folder)) == 3, sweep)
    cluster.set(down=True)
    (app.folder / "go").touch()
    until(lambda: faults.count("bsub") == 2 and any(" -J " in call for call in faults.calls("bjobs")), sweep)
    (app.folder / "up").touch()
    cluster.set(down=False)
    finish(sweep)
    attempts = {record.params["width"]: record.attempt + 1 for record in ended(app).records.values()}
    assert Counter(entries(app.folder)) == attempts == {0: 2, 1: 1, 2: 1}


def test_an_outage_at_a_resume_is_waited_for(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write(LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\nnote('end')")
    app.sweep("hydra/launcher=herd_lsf", "width=range(2)", "hydra.launcher.wait=false", to="s")
    until(lambda: len(entries(app.folder)) == 2)
    cluster.set(down=True)
    asked = faults.count("lsid")
    resumed = app.start(*QUICK, "width=range(3)")
    until(lambda: faults.count("lsid") >= asked + 2, resumed)
    assert faults.count("bsub") == 1
    cluster.set(down=False)
    (app.folder / "go").touch()
    finish(resumed)
    assert sorted(entries(app.folder)) == [0, 1, 2]


def test_a_retry_that_is_refused_ends_its_trial_alone(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write(
        LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\n"
        "if cfg.width == 0: raise ValueError('boom')\n"
        "while not os.path.exists('refused'): time.sleep(0.1)\n"
        "note('end')"
    )
    sweep = app.start(*QUICK, "width=range(3)", "hydra.sweeper.retry=1")
    until(lambda: len(entries(app.folder)) == 3, sweep)
    faults.fail("bsub", "User cannot use the queue. Job not submitted.", code=255)
    (app.folder / "go").touch()
    wait_for(sweep, "trial 0 cannot be run again: ")
    (app.folder / "refused").touch()
    assert "2 completed, 1 failed" in finish(sweep, 1)
    failed = hyperherd.load(app.folder / "s")[0]
    assert (str(failed.state), str(failed.cause)) == ("failed", "exception")
    assert failed.reason.startswith("ValueError: boom; retry refused: herd_lsf: ")


def test_what_does_not_fit_is_submitted_as_room_comes(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write(LEDGER + "while not os.path.exists('go'): time.sleep(0.1)\nnote('end')")
    cluster.set(max_pend_jobs=1, hosts={"hostA": {"slots": 1}})
    sweep = app.start(*QUICK, "width=range(4)")
    wait_for(sweep, "Pending job threshold reached. Job not submitted.; ")
    (app.folder / "go").touch()
    told = finish(sweep)
    assert sorted(entries(app.folder)) == list(range(4))
    assert "Pending job threshold reached" not in told  # it was said once
    assert not [event for event in read_events(app.folder / "s") if event.verdict]


def test_the_cap_holds_over_retries_and_a_retry_need_not_wait_for_the_array(
    app: App, cluster: Cluster, faults: Faults
) -> None:
    app.write(LEDGER + "time.sleep(2)\nnote('end')\nif cfg.width == 0 and not tries: raise ValueError('once')")
    finish(app.start(*QUICK, "width=range(7)", "hydra.sweeper.retry=1", "hydra.launcher.array_parallelism=2"))
    assert most_at_once(app.folder) == 2
    order = entries(app.folder)
    assert sorted(order) == [0, *range(7)]
    assert order[-1] != 0, order
    assert [call.split()[1] for call in faults.calls("bmod")] == ["%1", "%2"]


def test_a_cancel_is_repeated_until_the_job_is_gone(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write(LEDGER + "if cfg.width == 0: raise ValueError('boom')\ntime.sleep(600)")
    stop = ["hydra.sweeper.stop_after_failures=1", "hydra.launcher.array_parallelism=1"]
    faults.fail("bkill", "LSF is down. Please wait ...", times=1, code=255)
    told = finish(app.start(*QUICK, "width=range(3)", *stop), 1)
    assert faults.count("bkill") == 2
    assert "cancelled 1 trial that had not started" in told or "cancelled 2 trials that had not started" in told


def test_why_a_job_waits_is_shown(app: App, cluster: Cluster, faults: Faults) -> None:
    app.write("pass")
    sweep = app.start(*QUICK, "width=0", "+hydra.launcher.additional_parameters.H=true")
    try:
        wait_for(sweep, "1 queued job will not start unless somebody acts: held (PSUSP)")
        (event,) = [event for event in read_events(app.folder / "s") if event.event == "pending"]
        (trial,) = hyperherd.load(app.folder / "s")
        assert trial.reason.startswith(f"job {event.job_id} waits: held (PSUSP)")
        subprocess.run(["bresume", str(event.job_id)], check=True, capture_output=True)
    finally:
        finish(sweep)
