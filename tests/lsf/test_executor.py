"""`LsfExecutor` with real jobs: on the emulator, and on a real LSF with --lsf, where no fault is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import submitit
from lsf.emulator.cluster import Cluster
from lsf.emulator.site import Site
from lsf.jobs import Resumable, add, boom, command, eat, environment, leave, rank, rank_one_dies, touch_and_sleep
from submitit.core import plugins, utils
from waiting import until

from hyperherd.launch.lsf import LsfExecutor, LsfInfoWatcher, LsfJob
from hyperherd.launch.lsf.commands import Patience, run
from hyperherd.launch.lsf.tracker import Timing

MakeExecutor = Callable[..., LsfExecutor]


@pytest.fixture
def make(lsf: Site, monkeypatch: pytest.MonkeyPatch) -> MakeExecutor:
    """Make an executor in a folder with a quote in its name, whose jobs are asked about every other second."""
    watcher = LsfInfoWatcher(delay_s=1)
    if lsf.cluster is not None:
        watcher.tracker.timing = Timing(exit=0.5, requeue=3.0, history=0.1)
    monkeypatch.setattr(LsfJob, "watcher", watcher)
    monkeypatch.setattr(LsfJob, "_results_timeout_s", 1)

    def make(max_num_timeout: int = 3, **parameters: Any) -> LsfExecutor:
        executor = LsfExecutor(lsf.folder / "it's here", max_num_timeout=max_num_timeout)
        executor.update_parameters(**{"time": 30, "query_timeout_s": 20, **parameters})
        return executor

    return make


def fresh_state(job: Any) -> str:
    return str(job.watcher.get_state(job.job_id, mode="force"))


def test_submitit_finds_it(lsf: Site) -> None:
    plugins.get_executors.cache_clear()
    executor = submitit.AutoExecutor(lsf.folder / "jobs", cluster="lsf")
    executor.update_parameters(timeout_min=10, mem_gb=0.5, cpus_per_task=1, name="from auto", lsf_job_description="x")
    job = executor.submit(add, 1, 2)
    assert type(job) is LsfJob
    assert job.result() == 3
    assert "adding 1 2" in job.stdout()
    assert "complaining" in job.stderr()
    with pytest.raises(NameError, match="Unknown argument 'partition'"):
        executor.update_parameters(lsf_partition="x")


def test_an_array_keeps_its_order(make: MakeExecutor) -> None:
    executor = make(array_parallelism=2)
    jobs = executor.map_array(add, [1, 2, 3], [10, 20, 30])
    base = jobs[0].job_id.partition("_")[0]
    assert [job.job_id for job in jobs] == [f"{base}_{index}" for index in (1, 2, 3)]
    assert [job.result() for job in jobs] == [11, 22, 33]


def test_a_batch_is_an_array_and_one_job_is_none(make: MakeExecutor) -> None:
    executor = make()
    with executor.batch():
        jobs = [executor.submit(add, index, 0) for index in range(2)]
    assert [job.result() for job in jobs] == [0, 1]
    assert jobs[1].job_id.endswith("_2")
    assert "_" not in executor.submit(add, 0, 0).job_id


def test_a_long_list_becomes_several_arrays(make: MakeExecutor) -> None:
    jobs = make(max_array_size=2).map_array(add, range(5), range(5))
    assert [job.result() for job in jobs] == [0, 2, 4, 6, 8]
    first, second, third = dict.fromkeys(job.job_id.partition("_")[0] for job in jobs)
    assert [job.job_id for job in jobs] == [f"{first}_1", f"{first}_2", f"{second}_1", f"{second}_2", third]


def test_an_exception_comes_back_and_fails_the_job(make: MakeExecutor, lsf: Site) -> None:
    job = make().submit(boom)
    with pytest.raises(utils.FailedJobError, match="ValueError: boom"):
        job.result()
    (row,) = lsf.wait(job.job_id)
    assert (row["stat"], row["exit_code"]) == ("EXIT", "1")


def test_a_job_that_dies_says_how(make: MakeExecutor) -> None:
    job = make().submit(leave, 99)
    error = str(job.exception())
    assert "has not produced any output (state: FAILED)" in error
    assert "LSF reports: EXIT, exit code 1" in error  # 99 would have LSF run it again


def test_cancel_a_pending_job(make: MakeExecutor, lsf: Site) -> None:
    jobs = make(array_parallelism=1).map_array(touch_and_sleep, [lsf.folder / "a", lsf.folder / "b"])
    lsf.wait_file("a")
    jobs[1].cancel()
    assert "state: CANCELLED" in str(jobs[1].exception())
    assert not jobs[0].done(force_check=True)
    jobs[0].cancel()
    jobs[0].wait()
    jobs[0].cancel()  # has ended: no error
    assert not (lsf.folder / "b").exists()


@pytest.mark.parametrize("cpus", [1, 2])
def test_cancel_a_running_job(make: MakeExecutor, lsf: Site, cpus: int) -> None:
    """bkill's SIGINT leaves no pickle, and neither does the SIGKILL that a job with several slots gets at once."""
    job = make(cpus_per_task=cpus).submit(touch_and_sleep, lsf.folder / "a")
    lsf.wait_file("a")
    job.cancel()
    error = str(job.exception())
    assert "state: CANCELLED" in error
    assert "TERM_OWNER" in error


@pytest.mark.slow
@pytest.mark.parametrize("requeue", ["exit_code", "brequeue"])
@pytest.mark.needs("bsub -Q", "bsub -wa -wt", "brequeue")
def test_after_its_run_limit_an_array_resumes(make: MakeExecutor, lsf: Site, requeue: str) -> None:
    executor = make(time=4, signal_delay_min=2, requeue=requeue)
    jobs = executor.map_array(Resumable(lsf.folder), ["a", "b"])
    assert [job.result() for job in jobs] == [("a", 2, str(Path.cwd())), ("b", 2, str(Path.cwd()))]
    log = jobs[0].stdout()  # of both runs
    assert "(2 remaining timeouts)" in log
    assert "Exiting after successful completion" in log


@pytest.mark.slow
def test_time_out_without_a_warning(make: MakeExecutor, lsf: Site) -> None:
    """Without one the signal of the run limit itself is left, and LSF's ten minutes after it."""
    job = make(time=2, signal_delay_min=0).submit(Resumable(lsf.folder))
    assert job.result()[1] == 2


@pytest.mark.slow
def test_timed_out_too_often(make: MakeExecutor, lsf: Site) -> None:
    job = make(max_num_timeout=1, time=4, signal_delay_min=2).submit(Resumable(lsf.folder, runs=9))
    with pytest.raises(utils.FailedJobError, match="timed-out too many times"):
        job.result()
    assert len(list(lsf.folder.glob("job-run*"))) == 2


@pytest.mark.slow
def test_what_cannot_be_resumed_is_not(make: MakeExecutor, lsf: Site) -> None:
    job = make(time=4, signal_delay_min=2).submit(touch_and_sleep, lsf.folder / "a")
    with pytest.raises(utils.FailedJobError, match="timed-out and not checkpointable"):
        job.result()


@pytest.mark.slow
def test_requeue_can_be_off(make: MakeExecutor, lsf: Site) -> None:
    job = make(time=4, signal_delay_min=2, requeue="none").submit(Resumable(lsf.folder))
    with pytest.raises(utils.FailedJobError, match="requeue=none"):
        job.result()


@pytest.mark.needs("bstop and bresume")
def test_a_suspended_job_has_not_ended(make: MakeExecutor, lsf: Site) -> None:
    job = make().submit(touch_and_sleep, lsf.folder / "a", 3)
    lsf.wait_file("a")
    lsf.run("bstop", job.job_id)
    lsf.wait(job.job_id, until="USUSP SSUSP")
    assert fresh_state(job) == "RUNNING"
    assert not job.done(force_check=True)
    lsf.run("bresume", job.job_id)
    assert job.result() == "slept"


@pytest.mark.needs("two slots on a host")
def test_several_tasks_on_a_host(make: MakeExecutor) -> None:
    job = make(tasks_per_node=2).submit(rank)
    assert job.results() == [(0, 0, 2), (1, 1, 2)]
    assert "rank 0" in job.task(0).stdout()
    assert "rank 1" in job.task(1).stdout()


@pytest.mark.slow
def test_all_tasks_end_with_the_first_that_fails(
    make: MakeExecutor, lsf: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(tasks_per_node=2, env={"HYPERHERD_LSF_GRACE_S": "1"}).submit(rank_one_dies)
    with pytest.raises(utils.UncompletedJobError, match="exit code 3"):
        job.results()


@pytest.mark.slow
@pytest.mark.needs("two slots on a host", "bsub -Q")
def test_several_tasks_resume(make: MakeExecutor, lsf: Site) -> None:
    job = make(tasks_per_node=2, time=4, signal_delay_min=2).submit(Resumable(lsf.folder, by_rank=True))
    assert [result[1] for result in job.results()] == [2, 2]


def test_several_nodes_are_refused(make: MakeExecutor) -> None:
    with pytest.raises(ValueError, match="nodes: 2 is more than 1"):
        make(nodes=2)


def test_a_wrong_name_is_refused(make: MakeExecutor) -> None:
    with pytest.raises(ValueError, match=r"'queu' \(did you mean 'queue'\?\)"):
        make(queu="normal")


def test_pickles_that_are_too_big_are_refused(make: MakeExecutor) -> None:
    executor = make()
    executor.max_pickle_size_gb = 1e-9
    with pytest.raises(RuntimeError, match="max_pickle_size_gb"):
        executor.map_array(add, [1, 2], [1, 2])


def test_a_submission_that_lsf_refuses(make: MakeExecutor) -> None:
    executor = make(queue="no-such-queue")
    with pytest.raises(utils.FailedSubmissionError, match="No such queue"):
        executor.submit(add, 1, 2)
    assert not list(executor.folder.glob("*.pkl"))


def test_a_job_of_a_job_is_its_own(make: MakeExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = {"LSB_JOBID": "77", "LSB_JOBINDEX": "7", "SLURM_JOB_ID": "5", "SUBMITIT_LSF_NTASKS": "4"}
    for name, value in outer.items():
        monkeypatch.setenv(name, value)
    job = make().submit(environment)
    result = job.result()
    assert result["LSB_JOBID"] == job.job_id
    assert result["LSB_JOBINDEX"] == "0"
    assert "SLURM_JOB_ID" not in result
    assert "SUBMITIT_LSF_NTASKS" not in result


def test_a_host_without_lsf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert LsfExecutor.affinity() == -1
    with pytest.raises(RuntimeError, match='"bsub" and "bjobs" were not found on the PATH'):
        LsfExecutor(tmp_path)


# Faults, which only the emulator has on demand.


@pytest.mark.slow
def test_noise_of_a_site(make: MakeExecutor, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.set(
        bsub_before=["Memory reservation is (MB): 1024", "", "Job is submitted to <proj> project."],
        bsub_after=["Bye <1>"],
        blank_exit_codes=True,
        slow=0.3,
        waiting_on_stdout=True,
        lsf_conf={**cluster.settings.lsf_conf, "LSB_BJOBS_DISPLAY_ENH": "Y", "LSB_SHORT_HOSTLIST": "1"},
    )
    monkeypatch.setenv("BSUB_QUIET", "Y")
    monkeypatch.setenv("BSUB_STDERR", "Y")
    monkeypatch.setenv("LSB_BJOBS_FORMAT", "user stat")
    jobs = make().map_array(add, [1, 2], [1, 2])
    assert [job.result() for job in jobs] == [2, 4]
    dead = make().map_array(leave, [3, 4, 5])
    assert all("state: FAILED" in str(job.exception()) for job in dead)


@pytest.mark.slow
def test_an_old_lsf(make: MakeExecutor, cluster: Cluster) -> None:
    cluster.set(unknown_fields=["exit_reason"])
    job = make().submit(leave, 3)
    assert "LSF reports: EXIT, exit code 3" in str(job.exception())
    cluster.set(unknown_fields=["exit_reason", "exit_code", "exec_host"])
    job = make().submit(leave, 3)
    assert "LSF reports: EXIT" in str(job.exception())


@pytest.mark.slow
def test_a_requeue_that_shows_as_exit(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    """brequeue by hand: for a while LSF says EXIT, and the job is not over."""
    cluster.set(requeue_exit_visible=1.5)
    job = make().submit(touch_and_sleep, lsf.folder / "a", 2)
    lsf.wait_file("a")
    lsf.run("brequeue", job.job_id)
    seen = set()
    lsf.wait_for(lambda: "EXIT" in lsf.states(job.job_id))
    for _ in range(5):
        seen.add(fresh_state(job))
    assert seen == {"REQUEUED"}
    assert not job.done(force_check=True)
    assert job.result() == "slept"


@pytest.mark.slow
def test_a_requeue_that_never_comes(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    """Something took -Q away: the job ends with 99, and that is that."""
    job = make(time=4, signal_delay_min=2, additional_parameters={"Q": False}).submit(Resumable(lsf.folder))
    error = str(job.exception())
    assert "the job asked to be requeued, but LSF did not requeue it" in error


def test_mbatchd_is_down_for_a_while(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    executor = make()
    job = executor.submit(touch_and_sleep, lsf.folder / "a", 300)
    lsf.wait_file("a")
    assert fresh_state(job) == "RUNNING"
    cluster.set(down=True)
    assert fresh_state(job) == "RUNNING"
    with pytest.raises(RuntimeError, match="did not cancel"):
        job.cancel()
    with pytest.raises(utils.FailedSubmissionError):
        executor.submit(add, 1, 2)
    cluster.set(down=False)
    job.cancel()
    assert "state: CANCELLED" in str(job.exception())


def test_mbatchd_is_too_slow(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    job = make(query_timeout_s=1).submit(touch_and_sleep, lsf.folder / "a", 300)
    lsf.wait_file("a")
    assert fresh_state(job) == "RUNNING"
    cluster.set(slow=3.0)
    assert fresh_state(job) == "RUNNING"
    assert not job.done(force_check=True)
    cluster.set(slow=0.0)
    job.cancel()


def test_a_busy_moment_of_bsub(make: MakeExecutor, cluster: Cluster) -> None:
    cluster.set(fail_next={"bsub": ["Request from non-LSF host rejected"]})
    assert make().submit(add, 1, 2).result() == 3


def test_bsub_fails_but_the_job_is_there(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    cluster.set(bsub_lies="Failed in an LSF library call: Connection refused by server. Job not submitted.")
    with pytest.warns(RuntimeWarning, match="bsub failed, but LSF has job"):
        jobs = make(job_name="twins").map_array(add, [1, 2], [3, 4])
    cluster.set(bsub_lies="")
    assert [job.result() for job in jobs] == [4, 6]
    assert len(lsf.rows("-J", "twins*")) == 2  # and not four


def test_an_array_whose_second_half_is_refused(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    executor = make(max_array_size=2)
    submit = executor._submit_script

    def refuse_the_next(*arguments: Any) -> Any:
        submitted = submit(*arguments)
        cluster.set(fail_next={"bsub": ["User cannot use the queue. Job not submitted."]})
        return submitted

    executor._submit_script = refuse_the_next
    with pytest.raises(utils.FailedSubmissionError, match="cannot use the queue"):
        executor.map_array(touch_and_sleep, [lsf.folder / name for name in "abc"])
    assert {row["stat"] for row in lsf.wait("1")} == {"EXIT"}


def test_forgotten_by_bjobs_but_not_by_history(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    job = make().submit(leave, 3)
    lsf.wait(job.job_id)
    cluster.set(clean_period=0.0)
    until(lambda: "is not found" in lsf.run("bjobs", job.job_id).stderr)
    error = str(job.exception())
    assert "from LSF's history" in error
    assert "exit code 3" in error


@pytest.mark.slow
def test_forgotten_by_all(make: MakeExecutor, lsf: Site) -> None:
    executor = make()
    executor.submit(add, 1, 2).result()
    job: Any = LsfJob(executor.folder, "999998")
    assert "NOT_FOUND" in str(job.exception())


def test_states_that_come_and_go(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    job = make().submit(touch_and_sleep, lsf.folder / "a", 300)
    lsf.wait_file("a")
    shows = [("UNKWN", "UNKNOWN"), ("SSUSP", "RUNNING"), ("PSUSP", "PENDING"), ("RUN", "RUNNING")]
    for shown, state in [*shows, ("ZOMBI", "NODE_FAIL")]:
        cluster.set(shown={job.job_id: shown})
        until(lambda state=state: fresh_state(job) == state)
        assert job.done(force_check=True) == (shown == "ZOMBI")
    cluster.set(shown={})
    assert fresh_state(job) == "NODE_FAIL"  # What has been taken for its end stays that.


def test_a_host_dies(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    cluster.set(hosts={"hostA": {"slots": 4, "gpus": 0}, "hostB": {"slots": 4, "gpus": 0}})
    job = make(rerunnable=True).submit(Resumable(lsf.folder))
    lsf.wait_file("job-run0")
    (row,) = lsf.rows(job.job_id, fields="jobid exec_host")
    cluster.set(failed_hosts=[row["exec_host"]])
    assert job.result()[1] == 2


def test_more_memory_than_its_limit(make: MakeExecutor, cluster: Cluster, lsf: Site) -> None:
    job = make(mem_limit="200MB").submit(eat, 400, lsf.folder / "a")
    error = str(job.exception())
    assert "state: OUT_OF_MEMORY" in error
    assert "TERM_MEMLIMIT" in error


def test_an_id_that_was_used_before(make: MakeExecutor, cluster: Cluster) -> None:
    """Ids begin again after the largest; what the namesake left is not this job's result."""
    executor = make()
    old = executor.submit(add, 1, 2)
    assert old.result() == 3
    cluster.set(max_jobid=1, clean_period=0.0)
    os.utime(old.paths.result_pickle, (1, 1))
    until(lambda: run(["bjobs", old.job_id], Patience()).stderr)
    new = executor.submit(add, 10, 20)
    assert new.job_id == old.job_id
    assert new.result() == 30


def test_one_question_for_all_jobs(make: MakeExecutor, cluster: Cluster) -> None:
    executor = make()
    jobs = [executor.submit(add, index, 0) for index in range(3)]
    before = len(cluster.calls("bjobs"))
    jobs[0].watcher.update()
    (call,) = cluster.calls("bjobs")[before:]
    assert call[-3:] == sorted(job.job_id for job in jobs)
    assert [job.result() for job in jobs] == [0, 1, 2]


def test_the_job_sees_its_commands(make: MakeExecutor) -> None:
    """A job may run LSF's commands itself."""
    assert "IBM Spectrum LSF" in make().submit(command, "lsid").result()
