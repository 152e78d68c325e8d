"""LSF as its commands on this machine show it, for our own launcher."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submitit.core.utils import JobPaths

from hyperherd.errors import SweepError
from hyperherd.launch.cluster.base import QUIET, Cluster, JobState, RankFailure, Submission
from hyperherd.launch.commands import Outcome
from hyperherd.launch.lsf.commands import Patience, lacking_options, run
from hyperherd.launch.lsf.executor import LsfExecutor, asked_to_end
from hyperherd.launch.lsf.ids import to_lsf
from hyperherd.launch.lsf.options import LsfParameters
from hyperherd.launch.lsf.parsing import asks_for_requeue
from hyperherd.launch.lsf.script import marker_path, starts_path
from hyperherd.launch.lsf.spawn import failed_rank
from hyperherd.launch.lsf.states import Verdict, has_exited, verdict
from hyperherd.launch.lsf.tracker import Seen, Timing, Tracker
from hyperherd.records.job_ids import checked_job_ids, is_batch_name, is_job_id
from hyperherd.records.states import FailureCause
from hyperherd.schedulers import SchedulerUnavailable, job_id

if TYPE_CHECKING:
    import submitit

log = logging.getLogger("hyperherd")

_COMMANDS = ("bsub", "bjobs", "bkill")
_DEFAULT_ARRAY_SIZE = 1000
_NEVER_SPLIT = 1_000_000
_NEVER = re.compile(
    r"condition invalid|never (?:be )?satisfied|suspended by|resource requirements not satisfied|inactivated"
    r"|no candidate hosts|closed by LSF admin",
    re.IGNORECASE,
)
"""Reasons of waiting jobs that hold until somebody changes something."""
_AT_ONCE = 100
"""How many ids bkill gets."""

RESOURCES = (
    "timeout_min",
    "tasks_per_node",
    "cpus_per_task",
    "mem_gb",
    "mem_limit",
    "gpus_per_node",
    "gpu",
    "gpu_mode",
    "gpu_j_exclusive",
    "gpu_model",
    "gpu_mem",
    "queue",
    "project",
    "user_group",
    "app",
    "hosts",
    "exclusive",
    "resreq",
    "priority",
)
"""Options that a trial may have of its own."""


class LsfCluster(Cluster):
    """LSF."""

    name = "herd_lsf"
    first_index = 1
    variables = ()  # LsfExecutor leaves them out itself

    def __init__(self, options: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(options, folder)
        timing = Timing() if options.get("requeue") == "brequeue" else Timing(exit=0.0)  # who watches waits himself
        self._tracker = Tracker(
            Patience(options.get("query_timeout_s", Patience.seconds), options.get("query_retries", Patience.tries)),
            timing,
            marker_of=lambda job_id: folder and marker_path(JobPaths(folder, job_id)),
        )

    def check(self) -> None:
        """Find out whether LSF's commands are here, and whether the options can be followed."""
        missing = [command for command in _COMMANDS if shutil.which(command) is None]
        if missing:
            raise SweepError(
                f"herd_lsf needs LSF's commands, and {', '.join(missing)} were not found on the PATH; start the sweep "
                "on a host of the cluster, or use hydra/launcher=herd_local"
            )
        self._parameters(Submission(Path("/"), "check", {}, 1))
        if lacking := lacking_options(self._tracker.patience):
            raise SweepError(f"herd_lsf: {lacking}")

    def holds_back(self, variable: str) -> str:
        """Return which of bsub's options keeps a variable from jobs; by default it passes on all of them."""
        given = self._options.get("additional_parameters", {}).get("env")
        if not isinstance(given, str):
            return ""
        words = [word.strip() for word in given.split(",")]
        is_kept = variable in words or ("all" in words and f"~{variable}" not in words)
        return "" if is_kept else "hydra.launcher.additional_parameters.env"

    @property
    def resources(self) -> Mapping[str, Any]:
        """The options that each job may have of its own, with what the config gives all."""
        return {key: self._options.get(key) for key in RESOURCES}

    def max_array_size(self) -> int:
        """Return how many jobs an array may hold: MAX_JOB_ARRAY_SIZE, 1000 where LSF does not report it."""
        if self._largest is None:
            shown = run(["bparams", "-a"], self._tracker.patience)
            found = re.search(r"MAX_JOB_ARRAY_SIZE\s*=\s*(\d+)", shown.stdout)
            default = None if shown.outcome is Outcome.LATER else _DEFAULT_ARRAY_SIZE
            self._largest = max(1, int(found[1])) if found else default
        return self._largest or _DEFAULT_ARRAY_SIZE

    def cluster_name(self) -> str:
        """Return the name that lsid shows."""
        if not self._cluster_name and shutil.which("lsid"):
            shown = run(["lsid"], self._tracker.patience)
            found = re.search(r"^My cluster name is (\S+)", shown.stdout, re.M)
            if not found and shown.outcome is Outcome.LATER:
                raise SchedulerUnavailable(f"LSF does not answer: {shown.message}")
            self._cluster_name = found[1] if found else ""
        return self._cluster_name

    def executor(self, submission: Submission) -> submitit.Executor:
        """Return our executor for LSF."""
        executor = LsfExecutor(
            submission.folder,
            max_num_timeout=self._options.get("max_num_timeout", 0),
            python=self._options.get("python"),
        )
        executor.update_parameters(**self._parameters(submission))
        return executor

    def query(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """Return the state of these jobs: one bjobs, and their history for those that it has forgotten."""
        job_ids = [job_id for job_id in job_ids if is_job_id(job_id)]
        if not job_ids:  # bjobs would show all jobs
            return {}
        try:
            seen = self._tracker.poll(job_ids)
        except SchedulerUnavailable as silence:
            raise SchedulerUnavailable(f"LSF does not answer: {_last_line(str(silence))}") from None
        return {job_id: self._job_state(job_id, one) for job_id, one in seen.items() if one.row is not None}

    def find(self, name: str) -> list[str]:
        """Return the ids of the jobs called `name`, those that ended not long ago too."""
        try:
            return [job_id for job_id, _ in self._tracker.find(LsfParameters(job_name=name).safe_name)]
        except SchedulerUnavailable as silence:
            raise SchedulerUnavailable(f"LSF does not answer: {_last_line(str(silence))}") from None

    def confirmed(self, job_ids: Collection[str], name: str) -> set[str]:
        """Return those of these jobs that LSF has under this name, those that only its history has too."""
        known = super().confirmed(job_ids, name)
        missing = {job_id for job_id in job_ids if is_job_id(job_id)} - known
        if not missing or not is_batch_name(name):
            return known
        try:
            return known | self._tracker.remembered(missing, LsfParameters(job_name=name).safe_name)
        except SchedulerUnavailable as silence:
            raise SchedulerUnavailable(f"LSF does not answer: {_last_line(str(silence))}") from None

    def cancel(self, job_ids: Collection[str], name: str | None = None) -> None:
        """Cancel these jobs, some hundred with each command; bkill does not compare a name, so that is asked for."""
        remaining = checked_job_ids(job_ids if name is None else self.confirmed(job_ids, name))
        while remaining:
            some, remaining = remaining[:_AT_ONCE], remaining[_AT_ONCE:]
            outcome, message = asked_to_end(some, self._tracker)
            if outcome is Outcome.LATER:
                raise SchedulerUnavailable(f"LSF does not answer: {message}")
            if outcome is Outcome.REFUSED:
                raise SweepError(f"these jobs cannot be cancelled: {' '.join(some)}: {message}")

    def limit_array(self, array_id: str, width: int) -> bool:
        """Change the limit of an array."""
        result = run(["bmod", "-J", f"%{width}", array_id], self._tracker.patience)
        if result.outcome is Outcome.LATER:
            raise SchedulerUnavailable(f"LSF does not answer: {result.message}")
        return result.outcome is Outcome.DONE

    @staticmethod
    def is_requeued() -> bool:
        """Return whether brequeue ends the job that this process runs in."""
        job = job_id(os.environ)
        # The trial waits for it to record its end, and is killed soon.
        return bool(job) and asks_for_requeue(run(["bjobs", "-l", to_lsf(str(job))], Patience(5.0, 1)).stdout)

    def failed_rank(self, log: str) -> RankFailure | None:
        """Return the process that failed first, by the line of what starts them."""
        found = failed_rank(log)
        if found is None:
            return None
        rank, how = found
        return RankFailure(rank, FailureCause.SIGNAL if "signal" in how else FailureCause.EXIT, f"rank {rank} {how}")

    def _job_state(self, job_id: str, seen: Seen) -> JobState:
        state = _job_state(seen)
        if self._folder is None:
            return state
        with suppress(OSError):  # it has not started
            starts = starts_path(JobPaths(self._folder, job_id)).read_text().count("\n")
            return replace(state, restarts=starts - (state.phase != "pending"))
        return replace(state, restarts=0)

    def _parameters(self, submission: Submission) -> dict[str, Any]:
        """Return the parameters of our executor for a batch.

        Raises:
            SweepError: one of the options cannot be followed.
        """
        given = {**self._options, **submission.resources}
        given = {key: value for key, value in given.items() if value is not None}
        for key in ("max_num_timeout", "max_num_preempted", "python"):
            given.pop(key, None)
        given["time"] = given.pop("timeout_min", None)
        given["setup"] = [QUIET, *given.get("setup", [])]
        given["dependency"] = _both(given.get("dependency"), submission.after)
        given |= {"job_name": submission.name, "array_parallelism": submission.parallelism}
        given["max_array_size"] = _NEVER_SPLIT  # the launcher has done so
        try:
            parameters = LsfParameters(**given)
            parameters.check()
        except ValueError as error:
            raise SweepError(f"hydra.launcher.{error}") from None
        return given | {"signal_delay_min": _delay_that_fits(parameters)}


def _delay_that_fits(parameters: LsfParameters) -> int:
    """Return how many minutes before its limit a job is warned: LSF takes no warning before the job's start."""
    limit, delay = parameters.limit_min, parameters.signal_delay_min
    if limit is None or delay < limit:
        return delay
    _report_shortened(limit, delay)
    return limit // 2


@functools.cache  # once for each limit
def _report_shortened(limit: int, delay: int) -> None:
    log.warning(
        "herd_lsf: hydra.launcher.signal_delay_min=%d does not fit into a job of %d min; it is warned %s",
        delay,
        limit,
        f"{limit // 2} min before its end instead"
        if limit > 1
        else "at its end alone, because LSF counts whole minutes",
    )


def _both(dependency: str | None, after: Sequence[str]) -> str | None:
    ended = " && ".join(f"ended({array_id})" for array_id in after)
    return f"({dependency}) && {ended}" if dependency and ended else dependency or ended or None


def _job_state(seen: Seen) -> JobState:
    assert seen.row is not None
    reason = f"LSF: {seen.words}"
    if seen.state in ("PENDING", "REQUEUED"):
        held = "held (PSUSP)" if seen.row.stat == "PSUSP" else ""
        waits_for = ", ".join(filter(None, (held, seen.row.pending)))
        is_stuck = bool(held) or _NEVER.search(waits_for) is not None
        return JobState("pending", reason=reason, waits_for=waits_for, is_stuck=is_stuck)
    if seen.state in ("RUNNING", "UNKNOWN", "COMPLETING"):
        return JobState("running", reason=reason)
    if not has_exited(seen.row):
        return JobState("ended", reason=reason, succeeded=True)
    return JobState("ended", _VERDICTS.get(seen.state) or verdict(seen.row), reason)


_VERDICTS: dict[str, Verdict] = {"CANCELLED": "cancelled", "NODE_FAIL": FailureCause.NODE_FAILURE}
"""What the tracker concludes from more than one look at a job."""


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else text
