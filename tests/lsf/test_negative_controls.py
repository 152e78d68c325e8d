"""The emulator is no friend: what fails on a real LSF fails on it. Ours passes where the naive way does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from lsf.jobs import Resumable, SlowCheckpoint, add, boom, leave, rank, touch_and_sleep
from lsf.naive import (
    NaiveExecutor,
    NaiveJob,
    NaiveWatcher,
    PlainHandlers,
    first_bracket,
    gone_is_done,
    succeeded_by_code,
)
from submitit.core import utils

from hyperherd.launch.lsf import LsfExecutor, LsfInfoWatcher, LsfJob
from hyperherd.launch.lsf.commands import Patience
from hyperherd.launch.lsf.parsing import read_submitted
from hyperherd.launch.lsf.tracker import Timing

Executor = Any
Make = Callable[..., Executor]


@pytest.fixture
def ours(cluster: Cluster, lsf: Site, monkeypatch: pytest.MonkeyPatch) -> Make:
    watcher = LsfInfoWatcher(delay_s=1)
    watcher.tracker.timing = Timing(exit=0.5, requeue=5.0, history=0.1)
    monkeypatch.setattr(LsfJob, "watcher", watcher)
    monkeypatch.setattr(LsfJob, "_results_timeout_s", 1)

    def make(**parameters: Any) -> LsfExecutor:
        executor = LsfExecutor(lsf.folder / "ours")
        executor.update_parameters(**{"time": 5, "signal_delay_min": 2, **parameters})
        return executor

    return make


@pytest.fixture
def naive(cluster: Cluster, lsf: Site, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(NaiveJob, "watcher", NaiveWatcher(delay_s=1))
    # so that its own faults show, and not this one
    monkeypatch.setattr(NaiveExecutor, "_get_job_id_from_submission_command", staticmethod(read_submitted))

    def make(**parameters: Any) -> NaiveExecutor:
        executor = NaiveExecutor(lsf.folder / "naive")
        executor.parameters.update(parameters)
        return executor

    return make


def start(make: Make, lsf: Site, name: str, seconds: float = 300, **parameters: Any) -> Any:
    """A job that runs and sleeps."""
    job = make(**parameters).submit(touch_and_sleep, lsf.folder / name, seconds)
    lsf.wait_file(name)
    return job


def state(job: Any) -> str:
    return str(job.watcher.get_state(job.job_id, mode="force"))


def test_the_id_of_an_element(ours: Make, naive: Make, lsf: Site) -> None:
    def can_cancel(make: Make, name: str) -> bool:
        jobs = make().map_array(touch_and_sleep, [lsf.folder / f"{name}1", lsf.folder / f"{name}2"])
        lsf.wait_file(f"{name}2")
        try:
            jobs[0].cancel()
        except Exception:  # noqa: BLE001 - whatever
            return False
        lsf.wait(f"{jobs[0].job_id.partition('_')[0]}[1]")
        return lsf.states(f"{jobs[0].job_id.partition('_')[0]}[2]") == ["RUN"]

    assert can_cancel(ours, "a")
    assert not can_cancel(naive, "b")


def test_suspended_is_not_done(ours: Make, naive: Make, lsf: Site) -> None:
    def is_taken_for_done(make: Make, name: str) -> bool:
        job = start(make, lsf, name)
        lsf.run("bstop", job.job_id)
        lsf.wait(job.job_id, until="USUSP SSUSP")
        return bool(job.done(force_check=True))

    assert not is_taken_for_done(ours, "a")
    assert is_taken_for_done(naive, "b")


def test_one_unknown_id_beside_others(ours: Make, naive: Make, lsf: Site) -> None:
    def still_knows_the_other(make: Make, name: str) -> bool:
        job = start(make, lsf, name)
        job.watcher.register_job("999999")
        return state(job) == "RUNNING"

    assert still_knows_the_other(ours, "a")
    assert not still_knows_the_other(naive, "b")


def test_commands_that_wait_for_ever(ours: Make, naive: Make, cluster: Cluster, lsf: Site) -> None:
    careful, careless = start(ours, lsf, "a"), start(naive, lsf, "b")
    careful.watcher.tracker.patience = Patience(seconds=60, tries=1)
    cluster.set(down=True)
    assert state(careful) in ("RUNNING", "UNKNOWN")  # and not never
    thread = threading.Thread(target=state, args=[careless])
    thread.start()
    thread.join(2)
    is_stuck = thread.is_alive()
    cluster.set(down=False)
    thread.join()
    assert is_stuck


def test_an_exit_that_is_taken_back(ours: Make, naive: Make, cluster: Cluster, lsf: Site) -> None:
    cluster.set(requeue_exit_visible=3.0)

    def is_taken_for_done(make: Make, name: str) -> bool:
        job = start(make, lsf, name)
        lsf.run("brequeue", job.job_id)
        lsf.wait_for(lambda: lsf.states(job.job_id) == ["EXIT"])
        return bool(job.done(force_check=True))

    assert not is_taken_for_done(ours, "a")
    assert is_taken_for_done(naive, "b")


def test_a_failure_that_lsf_does_not_hear_of(ours: Make, naive: Make, lsf: Site) -> None:
    def stat(make: Make) -> str:
        (row,) = lsf.wait(make().submit(boom).job_id)
        return row["stat"]

    assert stat(ours) == "EXIT"
    assert stat(naive) == "DONE"


@pytest.mark.slow
def test_a_shell_that_ends_before_its_python(ours: Make, naive: Make, lsf: Site) -> None:
    """bash's wait returns at the first signal, with 140; the checkpoint takes longer than that."""

    def runs(make: Make, name: str) -> int:
        folder = lsf.folder / name
        folder.mkdir()
        job = make(time=5).submit(SlowCheckpoint(folder))
        job.wait()
        lsf.wait(job.job_id)
        return len(list(folder.glob("job-run*")))

    assert runs(ours, "a") == 2
    assert runs(naive, "b") == 1


@pytest.mark.slow
def test_output_of_a_run_that_is_requeued(ours: Make, naive: Make, lsf: Site) -> None:
    def has_first_run(make: Make, name: str) -> bool:
        job = make().submit(touch_and_sleep, lsf.folder / name, 1)
        lsf.wait_file(name)
        lsf.run("brequeue", job.job_id)
        lsf.wait_for(lambda: lsf.states(job.job_id) in (["PEND"], ["RUN"], ["DONE"]))
        lsf.wait(job.job_id, until="DONE")
        lsf.wait_for(lambda: (job.stdout() or "").count("Exiting after successful") == 1)
        return str(job.stdout()).count("Starting with") == 2

    assert has_first_run(ours, "a")
    assert not has_first_run(naive, "b")


def test_output_while_a_job_runs(ours: Make, naive: Make, lsf: Site) -> None:
    assert "Starting with" in str(start(ours, lsf, "a").stdout())
    assert "Starting with" not in str(start(naive, lsf, "b").stdout())


def test_several_tasks(ours: Make, naive: Make) -> None:
    assert len(ours(tasks_per_node=2).submit(rank).results()) == 2
    with pytest.raises(utils.UncompletedJobError):
        naive(tasks_per_node=2).submit(rank).results()


def test_an_array_that_is_too_long(ours: Make, naive: Make, cluster: Cluster) -> None:
    cluster.set(max_array_size=3)
    assert [job.result() for job in ours(max_array_size=3).map_array(add, range(5), range(5))] == [0, 2, 4, 6, 8]
    with pytest.raises(utils.FailedJobError, match="Job array index too large"):
        naive().map_array(add, range(5), range(5))


@pytest.mark.slow
@pytest.mark.parametrize("is_plain", [False, True])
def test_a_signal_that_comes_twice(ours: Make, lsf: Site, is_plain: bool) -> None:
    """As the warning and, the checkpoint being slow, at the limit: submitit's own handler begins again in itself."""
    checkpoint = SlowCheckpoint(lsf.folder, seconds=5)
    job = ours(time=4).submit(PlainHandlers(checkpoint) if is_plain else checkpoint)
    lsf.wait(job.job_id)
    begun = len(list(lsf.folder.glob("checkpoint*")))
    assert (begun > 1) == is_plain


def test_the_words_of_bsub(cluster: Cluster, lsf: Site) -> None:
    text = lsf.run("bsub", stdin="true\n").stdout
    assert read_submitted(text) == "1"
    with pytest.raises(utils.FailedSubmissionError):
        NaiveExecutor._get_job_id_from_submission_command(text)  # it was the default queue
    cluster.set(bsub_before=["Job is submitted to <proj> project."])
    text = lsf.run("bsub", stdin="true\n").stdout
    assert read_submitted(text) == "2"
    assert first_bracket(text) == "proj"


@pytest.mark.slow
def test_forgotten_is_not_completed(ours: Make, cluster: Cluster, lsf: Site) -> None:
    job = ours().submit(leave, 3)
    lsf.wait(job.job_id)
    cluster.set(clean_period=0.0)
    lsf.wait_for(lambda: "not found" in lsf.run("bjobs", job.job_id).stderr)
    assert gone_is_done(job.job_id) == "COMPLETED"
    assert "exit code 3" in str(job.exception())


@pytest.mark.slow
def test_an_exit_without_a_code(ours: Make, cluster: Cluster, lsf: Site) -> None:
    cluster.set(blank_exit_codes=True)
    jobs = ours().map_array(leave, [3, 4, 5])
    lsf.wait(jobs[0].job_id.partition("_")[0])
    ids = [f"{job.job_id.partition('_')[0]}[{index}]" for index, job in enumerate(jobs, 1)]
    assert any(succeeded_by_code(job_id) for job_id in ids)
    assert all("state: FAILED" in str(job.exception()) for job in jobs)


@pytest.mark.slow
def test_the_naive_way_works_where_nothing_is_asked_of_it(naive: Make, lsf: Site) -> None:
    """Or the controls would prove nothing."""
    assert [job.result() for job in naive().map_array(add, [1, 2], [3, 4])] == [4, 6]
    assert naive().submit(Path, "x").result() == Path("x")
    assert naive(time=5).submit(Resumable(lsf.folder, runs=1)).result()[1] == 1
