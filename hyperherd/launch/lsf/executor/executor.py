"""LSF as a submitit executor: jobs and arrays go in by ``bsub < script``, results come back as pickles in a folder."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from submitit.core import core, utils

from hyperherd.compat.submitit import folder_pattern
from hyperherd.errors import nearest
from hyperherd.launch.commands import CommandResult, Outcome
from hyperherd.launch.lsf.commands import TABLE, Patience, lacking_options, run
from hyperherd.launch.lsf.environment import LsfJobEnvironment
from hyperherd.launch.lsf.executor.watcher import LsfInfoWatcher
from hyperherd.launch.lsf.ids import base_of, to_lsf
from hyperherd.launch.lsf.options import LsfParameters
from hyperherd.launch.lsf.parsing import read_submitted
from hyperherd.launch.lsf.script import make_script, marker_path, report_path
from hyperherd.launch.lsf.tracker import Tracker
from hyperherd.launch.submission import NotSubmitted
from hyperherd.schedulers import SchedulerUnavailable

_SUBMISSIONS = 3
_NO_LIMIT_MIN = 60 * 24 * 365 * 10
_COMES_TRUE = re.compile(f"{TABLE.unknown.pattern}|is being terminated|Operation is in progress", re.IGNORECASE)


class LsfJob(core.Job[core.R]):  # type: ignore[misc]
    """A job of LSF: its state, its logs and its result."""

    _cancel_command = "bkill"
    watcher = LsfInfoWatcher(delay_s=60)

    def _register_in_watcher(self) -> None:
        super()._register_in_watcher()
        self.watcher.markers[self.job_id] = marker_path(self.paths)

    def cancel(self, check: bool = True) -> None:
        """Cancel the job; one that has ended is passed over.

        Args:
            check: whether to raise if LSF did not accept it.
        """
        refused = cancel_jobs([self.job_id], self.watcher.tracker)
        if refused and check:
            raise RuntimeError(f"LSF did not cancel job {to_lsf(self.job_id)}: {refused}")

    def _interrupt(self, timeout: bool = False) -> None:
        """Send the signal of the run limit, for tests."""
        run(["bkill", "-s", LsfJobEnvironment.USR_SIG, to_lsf(self.job_id)], self.watcher.tracker.patience)

    def _get_outcome_and_result(self) -> tuple[str, Any]:
        try:
            outcome: tuple[str, Any] = super()._get_outcome_and_result()
        except utils.UncompletedJobError as error:
            words = self.watcher.get_info(self.job_id, mode="cache").get("Words") or "nothing"
            report = report_path(folder_pattern(self.paths), self.job_id)
            where = f"\nLSF's report: {report}" if report.exists() else ""
            raise utils.UncompletedJobError(f"{error}\nLSF reports: {words}{where}") from None
        return outcome


def asked_to_end(job_ids: Sequence[str], tracker: Tracker) -> tuple[Outcome, str]:
    """Ask LSF to end jobs; DONE if it ends each of them or they had ended, else the outcome and what it printed."""
    # First: the watcher may see them end while the command runs.
    tracker.cancelled.update(job_ids)
    result = run(["bkill", *map(to_lsf, job_ids)], tracker.patience)
    if result.code == 0:
        return Outcome.DONE, ""
    # bkill exits with 255 if one id of several has ended, although the others were killed: its lines decide.
    bad = [line.strip() for line in result.text.splitlines() if line.strip() and not _COMES_TRUE.search(line)]
    if bad or not result.text:
        return result.outcome, bad[-1] if bad else "bkill printed nothing"
    return Outcome.DONE, ""


def cancel_jobs(job_ids: Sequence[str], tracker: Tracker) -> str:
    """Cancel jobs, and return the error that LSF printed, an empty string if each is cancelled or had ended."""
    outcome, message = asked_to_end(job_ids, tracker)
    return "" if outcome is Outcome.DONE else message


class LsfExecutor(core.PicklingExecutor):  # type: ignore[misc]
    """Submits functions as jobs of LSF.

    Parameters of the jobs are those of :class:`~hyperherd.launch.lsf.options.LsfParameters`; see there. A function with
    a ``checkpoint`` method is warned before its run limit, and LSF runs it again under the same id.

    Args:
        folder: for scripts, pickles and logs, on a file system that the hosts of the jobs see too.
        max_num_timeout: how often a job may come back after its run limit.
        max_pickle_size_gb: estimated sum of a submission's pickles above which it is refused.
        python: what starts Python in the job, for a shell; the Python of this process by default.

    Raises:
        RuntimeError: LSF's commands are not on this machine's PATH.
    """

    job_class = LsfJob
    _able: ClassVar[set[str]] = set()
    """The commands bjobs that are known to have all options that are needed."""

    def __init__(
        self,
        folder: str | Path,
        max_num_timeout: int = 3,
        max_pickle_size_gb: float = 1.0,
        python: str | None = None,
    ) -> None:
        super().__init__(folder, max_num_timeout=max_num_timeout, max_pickle_size_gb=max_pickle_size_gb)
        self.python = shlex.quote(sys.executable) if python is None else python
        if self.affinity() < 0:
            raise RuntimeError(
                'LSF\'s commands "bsub" and "bjobs" were not found on the PATH; is this a host of an LSF cluster?'
            )

    @classmethod
    def affinity(cls) -> int:
        """Return 2 on a host with LSF's commands, else -1."""
        return 2 if shutil.which("bsub") and shutil.which("bjobs") else -1

    @classmethod
    def _equivalence_dict(cls) -> core.EquivalenceDict:
        same = {name: name for name in ("mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node")}
        return {"name": "job_name", "timeout_min": "time", **same}

    @classmethod
    def _valid_parameters(cls) -> set[str]:
        return LsfParameters.names()

    @property
    def _lsf(self) -> LsfParameters:
        return LsfParameters(**self.parameters)

    def _internal_update_parameters(self, **kwargs: Any) -> None:
        """Check and take parameters; ValueError names the wrong ones."""
        known = LsfParameters.names()
        if wrong := sorted(set(kwargs) - known):
            hints = ", ".join(f"{name!r}{nearest(name, known)}" for name in wrong)
            raise ValueError(f"unknown parameter {hints}; LsfExecutor has: {', '.join(sorted(known))}")
        parameters = LsfParameters(**{**self.parameters, **kwargs})
        parameters.check()
        super()._internal_update_parameters(**kwargs)
        self.job_class.watcher.tracker.patience = Patience(parameters.query_timeout_s, parameters.query_retries)

    def _internal_process_submissions(self, delayed_submissions: Sequence[Any]) -> list[Any]:
        size = self._lsf.max_array_size
        jobs: list[Any] = []
        try:
            for start in range(0, len(delayed_submissions), size):
                jobs += self._submit_all(delayed_submissions[start : start + size])
        except BaseException:  # a caller that gets no handles must not be left with jobs
            if jobs:
                cancel_jobs([job.job_id for job in jobs], self.job_class.watcher.tracker)
            raise
        return jobs

    def _submit_all(self, submissions: Sequence[Any]) -> list[Any]:
        """Submit one job or one array."""
        folder = Path(str(utils.JobPaths.get_first_id_independent_folder(self.folder)))
        folder.mkdir(parents=True, exist_ok=True)
        pickles = self._dump(submissions, folder)
        self._throttle()
        self._last_job_submitted = time.time()
        began = time.time()
        size = len(submissions) if len(submissions) > 1 else None
        may_return = self.max_num_timeout > 0 and any(hasattr(one.function, "checkpoint") for one in submissions)
        try:
            base, script = self._submit_script(self._submitit_command_str, size, may_return)
        except BaseException:
            for pickle in pickles:
                pickle.unlink()
            raise
        ids = [base] if size is None else [f"{base}_{index}" for index in range(1, size + 1)]
        jobs = [self.job_class(folder=self.folder, job_id=job_id, tasks=range(self._num_tasks())) for job_id in ids]
        for job, pickle in zip(jobs, pickles, strict=True):
            _forget_namesake(job, began)
            # The job may run before this: submitit's `_submit` waits for its pickle for a minute.
            job.paths.move_temporary_file(pickle, "submitted_pickle")
        jobs[0].paths.move_temporary_file(script, "submission_file", keep_as_symlink=True)
        return jobs

    def _dump(self, submissions: Sequence[Any], folder: Path) -> list[Path]:
        pickles = []
        for submission in submissions:
            pickle = folder / f"{uuid.uuid4().hex}.pkl"
            submission.set_timeout(self._lsf.time or _NO_LIMIT_MIN, self.max_num_timeout)
            submission.dump(pickle)
            pickles.append(pickle)
            # By the first one, before thousands of them are written.
            estimate = pickles[0].stat().st_size / 1024**3 * len(submissions)
            if estimate > self.max_pickle_size_gb:
                pickles[0].unlink()
                raise RuntimeError(
                    f"submitting {len(submissions)} functions with their arguments would take about {estimate:.2f} GB "
                    f"of pickles, more than max_pickle_size_gb = {self.max_pickle_size_gb}"
                )
        return pickles

    def _submit_command(self, command: str) -> Any:
        """Submit a shell command as a job; see :class:`submitit.core.core.PicklingExecutor`."""
        base, script = self._submit_script(command, None)
        job = self.job_class(folder=self.folder, job_id=base, tasks=range(self._num_tasks()))
        job.paths.move_temporary_file(script, "submission_file", keep_as_symlink=True)
        return job

    def _submit_script(self, command: str, size: int | None, requeues: bool = False) -> tuple[str, Path]:
        """Write a script and submit it; returns the job's id and the script."""
        self._check_bjobs()
        tag, signal = f"submitit {uuid.uuid4().hex}", LsfJobEnvironment.USR_SIG
        text = make_script(self._lsf, self.folder, command, size=size, tag=tag, warning=signal, requeues=requeues)
        folder = Path(str(utils.JobPaths.get_first_id_independent_folder(self.folder)))
        script = folder / f".submission_file_{tag.split()[1]}.sh"
        script.write_text(text)
        patience = Patience(self._lsf.bsub_timeout_s, self._lsf.query_retries)
        return submit(script, patience, lambda: self._find(tag)), script

    def _check_bjobs(self) -> None:
        """Refuse an LSF whose bjobs cannot be read: its jobs would run, and nothing would be known of them."""
        bjobs = shutil.which("bjobs") or ""
        if bjobs in self._able:
            return
        if lacking := lacking_options(self.job_class.watcher.tracker.patience):
            raise utils.FailedSubmissionError(lacking)
        self._able.add(bjobs)

    def _find(self, tag: str) -> str | None:
        """Return the id of a job that was submitted although bsub did not report it."""
        found = self.job_class.watcher.tracker.find(self._lsf.safe_name)
        return next((base_of(job_id) for job_id, description in found if tag in description), None)

    @property
    def _submitit_command_str(self) -> str:
        folder = shlex.quote(str(self.folder))
        tasks = self._num_tasks()
        module = "submitit.core._submit" if tasks == 1 else f"hyperherd.launch.lsf.spawn {tasks}"
        return f"{self.python} -u -m {module} {folder}"

    def _num_tasks(self) -> int:
        return self._lsf.tasks

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        return make_script(self._lsf, self.folder, command, size=None, tag=uid, warning=LsfJobEnvironment.USR_SIG)

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        return ["bsub"]  # which reads the script from its standard input

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        text = string if isinstance(string, str) else string.decode(errors="replace")
        job_id = read_submitted(text)
        if job_id is None:
            raise utils.FailedSubmissionError(f"bsub did not report a submitted job:\n{text}")
        return job_id


def submit(script: Path, patience: Patience, find: Callable[[], str | None]) -> str:
    """Submit a script and return the job's id. Tried again only when it is sure that LSF has no such job yet.

    Args:
        script: for bsub.
        patience: with it.
        find: asks LSF for the job; raises SchedulerUnavailable.

    Raises:
        FailedSubmissionError: LSF refuses it, or cannot be reached.
    """
    result = CommandResult("", "", None)
    for again in range(_SUBMISSIONS):
        if again:
            time.sleep(again)
        result = run(["bsub"], patience, script)
        job_id = read_submitted(result.stdout) or read_submitted(result.stderr)
        if job_id is not None:
            return job_id
        # A refusal: the same script would be refused again.
        if result.outcome is not Outcome.LATER and result.text:
            break
        try:
            # If that cannot be known either, another try could submit the job twice.
            job_id = find()
        except SchedulerUnavailable:
            break
        if job_id is not None:
            warnings.warn(f"bsub failed, but LSF has job {job_id}: {result.text}", RuntimeWarning, stacklevel=2)
            return job_id
    raise NotSubmitted(f"bsub did not submit {script}", result)


def _forget_namesake(job: Any, began: float) -> None:
    """Remove what an older job of the same id left in this folder: LSF's ids begin again after 999999."""
    for rank in range(job.num_tasks):
        result = job.task(rank).paths.result_pickle
        if result.exists() and result.stat().st_mtime < began - 60:
            result.unlink()
