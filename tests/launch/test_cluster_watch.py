"""What is believed of a scheduler that is late, silent or forgetful. The scheduler is a script of answers, the clock is
turned by hand, and the files are real."""

from __future__ import annotations

import itertools
import logging
import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from hyperherd.launch.base import JobEnd, JobHandle, JobRequeued, TrialJob
from hyperherd.launch.cluster.base import Cluster, JobState, Submission
from hyperherd.launch.cluster.watch import BEAT, FORGOTTEN, QUIET, Watch
from hyperherd.records.states import FailureCause
from hyperherd.schedulers import SchedulerUnavailable

RUNNING = JobState("running")
FAILED = JobState("ended", FailureCause.EXIT, "exit code 3")
NODE_FAIL = JobState("ended", FailureCause.NODE_FAILURE, "NODE_FAIL")


class Scheduler(Cluster):
    """Answers what it is told to; None for silence."""

    name = "herd_test"
    answer: dict[str, JobState] | None = None
    asked = 0
    refuses = False

    def __init__(self) -> None:
        super().__init__({})
        self.cancelled: list[tuple[str, str | None]] = []

    def query(self, job_ids: Collection[str]) -> dict[str, JobState]:
        self.asked += 1
        if self.answer is None:
            raise SchedulerUnavailable("nobody is there")
        return {job_id: state for job_id, state in self.answer.items() if job_id in job_ids}

    def cause_in(self, log: str) -> FailureCause | None:
        return FailureCause.OOM if "memory" in log else None

    def check(self) -> None: ...

    def cluster_name(self) -> str:
        return "here"

    def max_array_size(self) -> int:
        return 1

    def executor(self, submission: Submission) -> Any: ...

    def find(self, name: str) -> list[str]:
        return []

    def cancel(self, job_ids: Collection[str], name: str | None = None) -> None:
        if self.answer is None or self.refuses:
            raise SchedulerUnavailable("nobody is there")
        self.cancelled += [(job_id, name) for job_id in job_ids]

    @property
    def resources(self) -> Mapping[str, Any]:
        return {}

    @property
    def variables(self) -> tuple[str, ...]:
        return ()


class Watched:
    """One job, watched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.scheduler = Scheduler()
        self.watch = Watch(self.scheduler, 10.0, lambda: self.now)
        self.handle = JobHandle(TrialJob(3, 0, ("x=1",)), "7_0", "batch")
        self.watch.add(self.handle, folder)

    def told(self, answer: JobState | str | None, seconds: float) -> JobEnd | None:
        """Return how the job ends within some seconds of this answer (``silence``: none)."""
        self.scheduler.answer = None if isinstance(answer, str) else {} if answer is None else {"7_0": answer}
        for _ in range(round(seconds)):
            self.now += 1
            for end in self.watch.poll():
                return end
        return None

    def write(self, name: str, content: bytes = b"") -> None:
        (self.folder / name).write_bytes(content)

    def succeed(self) -> None:
        returned = JobReturn(overrides=["x=1"], status=JobStatus.COMPLETED)
        returned.return_value = 5
        self.write("7_0_0_returned.pkl", pickle.dumps(returned))
        self.write("7_0_0_result.pkl", pickle.dumps(("success", None)))


@pytest.fixture
def job(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_result_is_seen_whatever_the_scheduler_says(job: Watched) -> None:
    assert job.told(RUNNING, 5) is None
    job.succeed()
    asked = job.scheduler.asked
    end = job.told("silence", 1)
    assert end is not None
    assert (end.handle, end.returned and end.returned.return_value, end.verdict) == (job.handle, 5, None)
    assert job.scheduler.asked == asked
    job.watch.close(job.handle)
    assert job.watch.is_over


def test_a_death_is_believed_when_it_is_told_twice(job: Watched) -> None:
    job.write("7_0_0_log.err", b"Traceback")
    assert job.told(FAILED, 2) is None
    end = job.told(FAILED, 10)
    assert end is not None
    assert end.verdict == "exit"
    assert end.reason == f"exit code 3; see {job.folder}/7_0_0_log.err"


def test_a_requeue_is_told_once(job: Watched) -> None:
    waits = JobState("pending", reason="PENDING", restarts=1)
    assert job.told(JobState("pending", restarts=0), 20) is None
    assert job.watch.take_requeued() == []
    assert job.told(RUNNING, 20) is None
    assert job.told(waits, 40) is None
    assert job.watch.take_requeued() == [JobRequeued(job.handle, "PENDING")]
    assert job.told(JobState("running", restarts=1), 20) is None
    assert job.told(waits, 20) is None
    assert job.watch.take_requeued() == []
    assert job.told(JobState("pending", restarts=2), 20) is None
    assert len(job.watch.take_requeued()) == 1


def test_a_result_that_comes_late_counts(job: Watched) -> None:
    assert job.told(FAILED, 2) is None
    job.succeed()
    end = job.told(FAILED, 1)
    assert end is not None
    assert end.returned is not None


def test_a_node_failure_may_be_followed_by_a_requeue(job: Watched) -> None:
    assert job.told(NODE_FAIL, 8) is None
    assert job.told(JobState("pending"), 5) is None
    assert job.told(RUNNING, 500) is None
    end = job.told(NODE_FAIL, 40)
    assert end is not None
    assert end.verdict == "node_failure"


def test_the_log_knows_more_than_the_exit_code(job: Watched) -> None:
    job.write("7_0_0_log.err", b"exceeded memory")
    end = job.told(FAILED, 10)
    assert end is not None
    assert end.verdict == "oom"


def test_exit_code_0_without_a_result_is_a_failure(job: Watched) -> None:
    end = job.told(JobState("ended", reason="COMPLETED", succeeded=True), 30)
    assert end is not None
    assert (end.verdict, end.reason) == ("exit", "COMPLETED, but the trial had not ended")


def test_silence_is_no_verdict(job: Watched, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "hyperherd"):
        assert job.told("silence", 5000) is None
    assert [record.getMessage() for record in caplog.records] == [
        "nobody is there; the jobs keep running, and the scheduler is polled again later"
    ]
    assert job.told(FAILED, 150) is not None


@pytest.mark.parametrize(("started", "verdict"), [(True, "lost"), (False, "cancelled")])
def test_a_job_that_nobody_knows(job: Watched, started: bool, verdict: str) -> None:
    if started:
        job.write("7_0_0_log.out")
    assert job.told(None, FORGOTTEN) is None
    end = job.told(None, 30)
    assert end is not None
    assert end.verdict == verdict


def test_a_job_that_we_cancelled_need_not_be_known_long(job: Watched) -> None:
    job.watch.cancelled(job.handle)
    end = job.told(None, 6)
    assert end is not None
    assert end.verdict == "cancelled"


def test_a_job_that_was_absent_for_a_moment_lives(job: Watched) -> None:
    for _ in range(5):
        assert job.told(None, FORGOTTEN / 2) is None
        assert job.told(RUNNING, 20) is None


def test_what_fails_before_the_trial_is_told(job: Watched) -> None:
    trace = "Traceback (most recent call last):\n  ...\nModuleNotFoundError: No module named 'mine'\n"
    job.write("7_0_0_result.pkl", pickle.dumps(("error", trace)))
    end = job.told("silence", 1)
    assert end is not None
    assert end.verdict == "exception"
    assert end.reason == "the job failed before the trial: ModuleNotFoundError: No module named 'mine'"


def test_the_scheduler_is_asked_ever_more_rarely(job: Watched) -> None:
    job.told(RUNNING, 20)
    early = job.scheduler.asked
    job.told(RUNNING, 1000)
    assert 3 <= early <= 6
    assert job.scheduler.asked - early == pytest.approx(100, abs=2)


def test_a_folder_that_cannot_be_listed_ends_no_sweep(tmp_path: Path) -> None:
    """A network file system has such moments; a file in the folder's place stands for one."""
    folder = tmp_path / "submitit"
    folder.write_text("")
    watched = Watched(folder)
    assert watched.told(RUNNING, 30) is None
    folder.unlink()
    folder.mkdir()
    end = watched.told(FAILED, 30)
    assert end is not None
    assert end.verdict is FailureCause.EXIT


def test_a_trial_that_speaks_is_alive_whatever_the_scheduler_says(job: Watched) -> None:
    job.write("7_0_0_log.out")
    job.watch.sign_of_life = lambda number: (0, job.now // 30)  # a heartbeat every 30 s
    assert job.told(None, 10 * QUIET) is None
    assert job.told(NODE_FAIL, 10 * BEAT) is None
    assert job.scheduler.cancelled == []
    last = job.now // 30
    job.watch.sign_of_life = lambda number: (0, last)
    assert job.told(None, QUIET - 31) is None
    end = job.told(None, 60)
    assert end is not None
    assert end.verdict == "lost"


def test_a_lost_job_is_cancelled_and_that_is_confirmed(job: Watched) -> None:
    job.write("7_0_0_log.out")
    job.scheduler.refuses = True
    assert job.told(None, 100) is None
    assert job.told(RUNNING, 20) is None
    job.scheduler.refuses = False
    end = job.told(None, 40)
    assert end is not None
    assert end.verdict == "lost"
    assert job.scheduler.cancelled == [("7_0", "batch")]  # the id may be another job's by now


def test_a_trial_whose_process_is_known_to_be_gone_is_not_waited_for(job: Watched) -> None:
    job.watch.sign_of_life = lambda number: None
    end = job.told(NODE_FAIL, 20)
    assert end is not None
    assert end.verdict == "node_failure"


def test_a_job_that_the_scheduler_does_not_confirm_is_watched_by_its_signs_of_life_alone(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.watch.close(watched.handle)
    watched.watch.add(watched.handle, tmp_path, is_known=False)
    watched.watch.sign_of_life = lambda number: watched.now // 30
    assert watched.told(RUNNING, 300) is None  # of somebody else's job of this id
    assert not watched.watch.knows("7_0")
    watched.watch.sign_of_life = lambda number: None
    assert watched.told(RUNNING, 40) is not None
    assert watched.scheduler.cancelled == []


def test_who_speaks_at_a_resume_is_known_by_a_sign_that_changes(job: Watched, caplog: pytest.LogCaptureFixture) -> None:
    signs = {
        1: itertools.count(),
        2: itertools.repeat(7),
        3: itertools.repeat(None),
        4: iter([0, *[None] * 99]),
    }

    def sign(number: int) -> object | None:
        job.now += QUIET / 4
        return next(signs[number])  # type: ignore[call-overload,no-any-return]

    job.watch.sign_of_life = sign
    handles = [JobHandle(TrialJob(number, 0, ()), f"9_{number}") for number in signs]
    assert job.watch.speaking(handles) == handles[:1]  # 2 is silent, 3 does not run, and 4 has ended meanwhile
    assert "trials 1, 2, 4 may still run although herd_test does not know their jobs" in caplog.text
