"""LSF under submitit as one would write it at first, with the faults that others' executors had; none of it is ours.

Each fault is one that somebody met on a real cluster. The emulator has to punish every one of them, or it would be too
kind to prove anything.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
from submitit.core import core, utils
from submitit.core.job_environment import JobEnvironment, SignalHandler
from submitit.core.utils import DelayedSubmission

cloudpickle.register_pickle_by_value(sys.modules[__name__])

STATES = {
    "PEND": "PENDING", "RUN": "RUNNING", "DONE": "COMPLETED", "EXIT": "FAILED",
    "USUSP": "SUSPENDED", "SSUSP": "SUSPENDED", "PSUSP": "SUSPENDED",
}  # fmt: skip


class NaiveWatcher(core.InfoWatcher):
    """Believes every answer, waits for ever for one, and throws it away if the exit code is not 0."""

    def _make_command(self) -> list[str] | None:
        bases = sorted({job_id.partition("_")[0] for job_id in self._registered - self._finished})
        return ["bjobs", "-a", "-noheader", "-o", "jobid jobindex stat delimiter='|'", *bases] if bases else None

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        text = string if isinstance(string, str) else string.decode()
        cells = [line.split("|") for line in text.splitlines()]
        return {job if index == "0" else f"{job}_{index}": {"State": STATES[stat]} for job, index, stat in cells}

    def get_state(self, job_id: str, mode: str = "standard") -> str:
        return self.get_info(job_id, mode=mode).get("State") or "UNKNOWN"


class NaiveJob(core.Job[Any]):
    """Cancels by submitit's id."""

    _cancel_command = "bkill"
    _results_timeout_s = 1
    watcher = NaiveWatcher(delay_s=1)


class NaiveExecutor(core.PicklingExecutor):
    """One array however long, logs by LSF, a shell that waits, and nothing done about further tasks."""

    job_class = NaiveJob
    count = 1

    def _internal_process_submissions(self, delayed_submissions: Sequence[Any]) -> list[Any]:
        self.count = len(delayed_submissions)
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        pickles = [folder / f"{index}-{time.time_ns()}.pkl" for index in range(self.count)]
        for submission, pickle in zip(delayed_submissions, pickles, strict=True):
            submission.set_timeout(self.parameters.get("time", 5), self.max_num_timeout)
            submission.dump(pickle)
        first = self._submit_command(self._submitit_command_str)
        ids = [first.job_id] if self.count == 1 else [f"{first.job_id}_{index + 1}" for index in range(self.count)]
        jobs = [self.job_class(folder, job_id, range(self._num_tasks())) for job_id in ids]
        for job, pickle in zip(jobs, pickles, strict=True):
            job.paths.move_temporary_file(pickle, "submitted_pickle")
        return jobs

    def _num_tasks(self) -> int:
        return int(self.parameters.get("tasks_per_node", 1))

    @property
    def _submitit_command_str(self) -> str:
        return shlex.join([sys.executable, "-u", "-m", "submitit.core._submit", str(self.folder)])

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        array, index = (f"[1-{self.count}]", "_%I") if self.count > 1 else ("", "")
        limit = self.parameters.get("time", 5)
        return "\n".join([
            "#!/bin/bash",
            f'#BSUB -J "naive{array}"',
            f'#BSUB -o "{self.folder}/%J{index}_0_log.out"',
            f'#BSUB -e "{self.folder}/%J{index}_0_log.err"',
            f"#BSUB -W {limit} -wa USR2 -wt 2 -Q 99",
            "export SUBMITIT_EXECUTOR=lsf SUBMITIT_LSF_REQUEUE=exit_code",
            f"export SUBMITIT_LSF_REQUEUE_MARKER={shlex.quote(str(self.folder))}/marker",
            "rm -f $SUBMITIT_LSF_REQUEUE_MARKER",
            "trap 'kill -USR2 $python' USR2",
            f"{command} &",
            "python=$!",
            "wait $python",
            "if [ -f $SUBMITIT_LSF_REQUEUE_MARKER ]; then exit 99; fi",
            "",
        ])  # fmt: skip

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return ["sh", "-c", f"bsub < {shlex.quote(str(submission_file_path))}"]

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        text = string if isinstance(string, str) else string.decode()
        found = re.search(r"Job <(\d+)> is submitted to queue", text)
        if found is None:
            raise utils.FailedSubmissionError(text)
        return found[1]


def first_bracket(text: str) -> str:
    """The job's id: whatever stands in the first brackets."""
    return text.split("<")[1].split(">")[0]


def gone_is_done(job_id: str) -> str:
    """A job that bjobs does not list has completed."""
    done = subprocess.run(["bjobs", "-noheader", "-o", "stat", job_id], capture_output=True, text=True)
    return STATES[done.stdout.strip()] if done.stdout.strip() else "COMPLETED"


def succeeded_by_code(job_id: str) -> bool:
    """A job without an exit code has not failed."""
    shown = ["bjobs", "-a", "-noheader", "-o", "exit_code", job_id]
    return subprocess.run(shown, capture_output=True, text=True).stdout.strip() in ("0", "-", "")


class PlainHandlers:
    """Runs a function under submitit's own signal handler, which answers every signal anew."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __call__(self) -> Any:
        environment = JobEnvironment()
        submission = DelayedSubmission(self)
        submission.set_timeout(5, 3)
        handler = SignalHandler(environment, environment.paths, submission)
        signal.signal(signal.SIGUSR2, handler.checkpoint_and_try_requeue)
        return self.function()

    def checkpoint(self) -> DelayedSubmission:
        self.function.checkpoint()  # type: ignore[attr-defined]
        return DelayedSubmission(self)
