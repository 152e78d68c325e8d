"""What Slurm's commands print, as recorded on Slurm 22.05 and 23.11, and what is made of it."""

from __future__ import annotations

import pytest

from hyperherd.launch.cluster.base import JobState
from hyperherd.launch.slurm.states import (
    arrays,
    expand,
    failed_rank,
    in_order,
    job_state,
    ran_out_of_memory,
    read_sacct,
    read_squeue,
)

SQUEUE = """\
1_3|PENDING|0||
1_4|PENDING|0||
1_2|RUNNING|0|n1|
1_1|COMPLETING|0|n1|
1_0|CANCELLED|15|n1|
17|FAILED|256|n2|
18|FAILED|9|n2|
19|FAILED|35072|n2|
20|COMPLETED|0|n2|
21|PENDING|9|n1|
22|TIMEOUT|0|n2|
"""
SACCT = """\
1_0|CANCELLED by 0|0:0|n1
1_0.batch|CANCELLED|0:15|n1
1_1|RUNNING|0:0|n1
1_[3-4,6%2]|CANCELLED by 0|0:0|None assigned
5|FAILED|1:0|n1
5.batch|FAILED|1:0|n1
5.0|OUT_OF_MEMORY|0:125|n1
6|NODE_FAIL|0:0|n1
7|COMPLETED|0:0|n1
7.0|COMPLETED|0:0|n1
8_[2-3%2]|PENDING|0:0|None assigned
9|OUT_OF_MEMORY|0:125|n2
10|PREEMPTED|0:0|n2
11|BRAND_NEW_STATE|0:0|n2
"""


def told(states: dict[str, JobState]) -> dict[str, tuple[str, str | None]]:
    return {job_id: (state.phase, state.verdict and str(state.verdict)) for job_id, state in states.items()}


def test_squeue() -> None:
    states = read_squeue(SQUEUE)
    assert told(states) == {
        "1_3": ("pending", None),
        "1_4": ("pending", None),
        "1_2": ("running", None),
        "1_1": ("running", None),
        "1_0": ("ended", "cancelled"),
        "17": ("ended", "exit"),
        "18": ("ended", "signal"),
        "19": ("ended", "signal"),
        "20": ("ended", None),
        "21": ("pending", None),
        "22": ("ended", "timeout"),
    }
    assert states["17"].reason == "Slurm: FAILED, exit code 1 on n2"
    assert states["18"].reason == "Slurm: FAILED, signal 9 on n2"
    assert [job_id for job_id, state in states.items() if state.succeeded] == ["20"]


def test_sacct_tells_of_ends_alone() -> None:
    states = read_sacct(SACCT)
    assert told(states) == {
        "1_0": ("ended", "cancelled"),
        "1_3": ("ended", "cancelled"),
        "1_4": ("ended", "cancelled"),
        "1_6": ("ended", "cancelled"),
        "5": ("ended", "oom"),
        "6": ("ended", "node_failure"),
        "7": ("ended", None),
        "9": ("ended", "oom"),
        "10": ("ended", "preempted"),
    }
    assert states["7"].succeeded
    assert states["1_3"].reason == "Slurm: CANCELLED by 0"
    assert states["5"].reason == "Slurm: FAILED, exit code 1 on n1, step 0 OUT_OF_MEMORY"


@pytest.mark.parametrize("garbage", ["", "\n", "sacct: error: nothing here\n", "1|2\n", "|||\n"])
def test_what_is_no_table_holds_no_jobs(garbage: str) -> None:
    assert read_squeue(garbage) == read_sacct(garbage) == {}


@pytest.mark.parametrize("word", ["REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"])
def test_a_requeued_job_waits(word: str) -> None:
    state = job_state(word, 0, 0)
    assert state is not None
    assert state.phase == "pending"


def test_a_state_that_a_later_slurm_has_added_is_not_an_end() -> None:
    assert job_state("EXPEDITING", 0, 0).phase == "running"
    assert read_squeue("1|EXPEDITING|0|n1|0|\n")["1"].phase == "running"
    assert read_sacct("1|EXPEDITING|0:0|n1\n") == {}


def test_restarts_show_that_a_job_is_back() -> None:
    states = read_squeue("1|PENDING|0||1|\n2|RUNNING|0|n1|1|\n3|COMPLETING|0|n1|0|\n")
    assert {job: state.restarts for job, state in states.items()} == {"1": 1, "2": 1, "3": 0}
    assert [state.is_back(0) for state in states.values()] == [True, True, False]
    assert [state.is_back(None) for state in states.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("code", "cause"), [(137, "signal"), (192, "signal"), (193, "exit"), (255, "exit"), (3, "exit")]
)
def test_an_exit_code_that_stands_for_a_signal(code: int, cause: str) -> None:
    assert job_state("FAILED", code, 0).verdict == cause


def test_ids() -> None:
    assert list(expand("12_[1-3,7%2]")) == ["12_1", "12_2", "12_3", "12_7"]
    assert list(expand("12_[4]")) == ["12_4"]
    assert list(expand("12_10")) == ["12_10"]
    assert arrays(["12_1", "13", "12_2"]) == ["12", "13"]
    assert in_order(["12_10", "12_9", "12_9", "2"]) == ["2", "12_9", "12_10"]


@pytest.mark.parametrize(
    "line",
    [
        "slurmstepd-n1: error: Job 7 exceeded memory limit (500000 > 100000), being killed",
        "slurmstepd: error: StepId=7.0 exceeded memory limit (500000 > 100000), being killed",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks have been OOM Killed.",
        "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=12.0 cgroup.",
        "srun: error: n1: task 0: Out Of Memory",
    ],
)
def test_memory_in_the_log(line: str) -> None:
    assert ran_out_of_memory(f"epoch 1\n{line}\n")


@pytest.mark.parametrize(
    "line", ["RuntimeError: CUDA out of memory", "print: slurmstepd: error: oom_kill", "slurmstepd: error: *** JOB 8"]
)
def test_no_memory_in_the_log(line: str) -> None:
    assert not ran_out_of_memory(f"{line}\n")


ABORT = (
    "srun: launch/slurm: _step_signal: Terminating StepId=18.0\n"
    "slurmstepd-n1: error: *** STEP 18.0 ON n1 CANCELLED AT 2026-11-28T04:33:22 ***\n"
    "srun: error: n1: task 0: Exited with exit code 143\n"
)


@pytest.mark.parametrize(
    ("log", "rank", "cause"),
    [
        (f"epoch 1\nsrun: error: n1: task 1: Killed\n{ABORT}", 1, "signal"),
        (f"srun: error: n[1-2]: tasks 2-3: Exited with exit code 3\n{ABORT}", 2, "exit"),
        (f"srun: error: n2: tasks 4,6: Out Of Memory\n{ABORT}", 4, "oom"),
        (f"srun: error: n2: task 5: Exited with exit code 137\n{ABORT}", 5, "signal"),
        (f"srun: error: n1: task 0: Killed\n{ABORT}", 0, "signal"),
        (
            "srun: error: n1: task 3: Terminated\n"
            "slurmstepd-n1: error: *** JOB 8 ON n1 CANCELLED AT 2026-11-28T04:33:22 DUE TO JOB REQUEUE ***\n"
            f"srun: error: n1: task 1: Exited with exit code 1\n{ABORT}",
            1,
            "exit",
        ),
    ],
)
def test_the_task_that_failed_first(log: str, rank: int, cause: str) -> None:
    found = failed_rank(log)
    assert found is not None
    assert (found.rank, found.cause) == (rank, cause)


def test_no_task_failed_by_itself() -> None:
    assert failed_rank(f"srun: error: n1: task 1: Terminated\n{ABORT}") is None
    assert failed_rank("epoch 1\nprint: srun: error: n1: task 1: Killed\n") is None
