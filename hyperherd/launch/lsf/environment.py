"""What a job knows of itself, and how it is requeued after the run limit: by a marker file that its script acts on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from submitit.core import job_environment, logger, utils

from hyperherd.launch.processes import kill
from hyperherd.trial.system.processes import descendants

MARKER = "SUBMITIT_LSF_REQUEUE_MARKER"
"""Names the file whose existence makes the job's script exit with the code that has LSF requeue it."""

METHOD = "SUBMITIT_LSF_REQUEUE"
RESTARTS = "SUBMITIT_LSF_RESTARTS"
"""How often this job has been started before; LSF itself does not report it."""

_BREQUEUE_SECONDS = 60


class _OnceHandler(job_environment.SignalHandler):  # type: ignore[misc]
    """submitit's handler, which acts on the end of time once, and in its own process alone.

    LSF may send the signal several times (as the warning, at the limit), and to every process of the job: a forked
    child, such as a data loader's worker, has this handler too.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pid, self._is_done = os.getpid(), False

    def has_timed_out(self) -> bool:
        """Return True: LSF sends this signal for the run limit alone, however early it comes.

        A run limit is scaled by the host's CPU factor, so the clock of the job does not tell how much of it is left. It
        would count the warning as a preemption, after which a job comes back however often.
        """
        return True

    def checkpoint_and_try_requeue(self, signum: int, frame: FrameType | None = None) -> None:
        if not self._is_done and os.getpid() == self._pid:
            self._is_done = True
            super().checkpoint_and_try_requeue(signum, frame)


class LsfJobEnvironment(job_environment.JobEnvironment):  # type: ignore[misc]
    """The environment of a job, as LSF and the job's script set it."""

    _env: ClassVar[dict[str, str]] = {
        "job_id": "LSB_JOBID",
        "array_job_id": "LSB_JOBID",
        "array_task_id": "LSB_JOBINDEX",
        "num_tasks": "SUBMITIT_LSF_NTASKS",
        "num_nodes": "SUBMITIT_LSF_NNODES",
        "node": "SUBMITIT_LSF_NODEID",
        "global_rank": "SUBMITIT_LSF_GLOBAL_RANK",
        "local_rank": "SUBMITIT_LSF_LOCAL_RANK",
    }

    @property
    def array_job_id(self) -> str | None:
        """The id of the array, or None if this job is not part of one; LSF's index is 0 then."""
        return os.environ.get("LSB_JOBID") if self.array_task_id else None

    @property
    def array_task_id(self) -> str | None:
        """The place in the array, from 1."""
        index = os.environ.get("LSB_JOBINDEX", "")
        return index if index not in ("", "0") else None

    def _handle_signals(self, paths: utils.JobPaths, submission: utils.DelayedSubmission) -> None:
        handler = _OnceHandler(self, paths, submission)
        for number in (signal.SIGTERM, signal.SIGCONT):
            signal.signal(number, handler.bypass)
        for number in {self._usr_sig(), signal.SIGUSR2}:  # the run limit's is always USR2
            signal.signal(number, handler.checkpoint_and_try_requeue)

    def _requeue(self, countdown: int) -> None:
        """Have LSF run this job again, under the same id; submitit ends the process after this."""
        method = os.environ.get(METHOD, "exit_code")
        if method == "none":
            raise utils.UncompletedJobError("Job not requeued because requeue=none.")
        logger.get_logger().info(f"Requeuing job {self.job_id} ({countdown} remaining timeouts)")
        _write_marker(Path(os.environ[MARKER]))
        if method == "brequeue":
            self._brequeue()
        kill(descendants(os.getpid()))  # or the job, which is all of its processes, would not be over
        if threading.current_thread() is not threading.main_thread():
            os._exit(255)  # the main thread does not end, and LSF requeues by an exit code alone

    def _brequeue(self) -> None:
        """Ask LSF to requeue; if that fails the exit code is left, which the queue may requeue for."""
        job = f"{self.raw_job_id}[{self.array_task_id}]" if self.array_task_id else self.raw_job_id
        try:
            subprocess.run(["brequeue", job], check=True, timeout=_BREQUEUE_SECONDS, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError) as error:
            logger.get_logger().warning(f"brequeue failed; the job exits with requeue_exit_code instead: {error}")


def _write_marker(marker: Path) -> None:
    # Not `records.atomic`: submitit imports this module in programs that have nothing else of ours.
    fresh = marker.with_name(f"{marker.name}.{os.getpid()}")
    fresh.write_text("requeue\n")
    fresh.replace(marker)
