"""Slurm as its commands on this machine show it.

squeue knows what the controller knows, at once and for some minutes after a job's end, with accounting or without.
sacct is asked only for the ends of jobs that squeue has forgotten: about running jobs it is seconds late.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hyperherd.compat.submitit import own_parameters
from hyperherd.errors import SweepError
from hyperherd.launch.cluster.base import Cluster, JobState, RankFailure, Submission
from hyperherd.launch.commands import CommandResult, Outcome
from hyperherd.launch.slurm.commands import TABLE, is_trouble, run
from hyperherd.launch.slurm.executor import QuietSlurmExecutor
from hyperherd.launch.slurm.options import RESOURCES, executor_parameters
from hyperherd.launch.slurm.states import (
    arrays,
    expand,
    failed_rank,
    in_order,
    ran_out_of_memory,
    read_sacct,
    read_squeue,
)
from hyperherd.records.job_ids import checked_job_ids, is_job_id
from hyperherd.records.states import FailureCause
from hyperherd.schedulers import SchedulerUnavailable

if TYPE_CHECKING:
    import submitit

log = logging.getLogger("hyperherd")

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "srun")
_SQUEUE = ["squeue", "--noheader", "--array", "--states=all"]
# MaxArraySize where it is not configured: indices 0 to 1000.
_DEFAULT_ARRAY_SIZE = 1001
_SECONDS_OF_A_JOB = 5.0
_AT_ONCE = 200
"""How many ids one command gets."""


class SlurmCluster(Cluster):
    """Slurm."""

    name = "herd_slurm"
    kept_variables = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT"})

    variables = ("SLURM_", "SBATCH_")  # sbatch takes a variable of the second kind over what the script asks for

    def check(self) -> None:
        """Find out whether Slurm's commands are here, and whether submitit takes the options."""
        missing = [command for command in _COMMANDS if shutil.which(command) is None]
        if missing:
            raise SweepError(
                f"herd_slurm needs Slurm's commands, and {', '.join(missing)} were not found on the PATH; start the "
                "sweep on a login node of the cluster, or use hydra/launcher=herd_local"
            )
        _report_defaults(tuple(sorted(name for name in os.environ if name.startswith("SBATCH_"))))

    def holds_back(self, variable: str) -> str:
        """Return which option of sbatch or srun keeps a variable from jobs; by default both pass on all of them."""
        extra = {key.replace("_", "-"): value for key, value in self._options.get("additional_parameters", {}).items()}
        exports = {"hydra.launcher.additional_parameters.export": extra.get("export")}
        for word in self._options.get("srun_args") or []:
            if str(word).startswith("--export"):
                exports["hydra.launcher.srun_args"] = str(word).partition("=")[2]
        if "export-file" in extra:
            exports["hydra.launcher.additional_parameters.export-file"] = "NONE"
        return next((place for place, value in exports.items() if not _lets_pass(value, variable)), "")

    @property
    def resources(self) -> Mapping[str, Any]:
        """The options that each job may have of its own, with what the config gives all."""
        return {key: self._options.get(key) for key in RESOURCES}

    def max_array_size(self) -> int:
        """Return how many jobs an array may hold: its indices are less than MaxArraySize."""
        if self._largest is None:
            with suppress(SchedulerUnavailable):  # it is asked again
                found = self._configured("MaxArraySize")
                self._largest = max(1, int(found)) if found.isdigit() else None
        return self._largest or _DEFAULT_ARRAY_SIZE

    def cluster_name(self) -> str:
        """Return ClusterName."""
        self._cluster_name = self._cluster_name or self._configured("ClusterName")
        return self._cluster_name

    def _configured(self, name: str) -> str:
        """Return a value of the configuration in force; empty if there is none.

        Raises:
            SchedulerUnavailable: the controller does not answer.
        """
        result = run(["scontrol", "show", "config"])
        if is_trouble(result):
            raise SchedulerUnavailable(f"Slurm does not answer: {result.message}")
        found = re.search(rf"^{name}\s*=\s*(\S+)", result.stdout, re.M)
        return found[1] if found else ""

    def executor(self, submission: Submission) -> submitit.Executor:
        """Return submitit's executor for Slurm."""
        import submitit

        given = _with_time_to_end({**self._options, **submission.resources})
        parameters = executor_parameters(
            given, name=submission.name, parallelism=submission.parallelism, after=submission.after
        )
        checked = submitit.AutoExecutor(submission.folder, cluster="slurm")
        try:
            checked.update_parameters(**parameters)
        except (AssertionError, NameError, ValueError, TypeError) as error:
            raise SweepError(f"hydra.launcher: submitit does not accept these options: {error}") from None
        executor = QuietSlurmExecutor(
            submission.folder, max_num_timeout=given.get("max_num_timeout", 0), python=given.get("python")
        )
        executor.update_parameters(**own_parameters(checked))
        return executor

    def query(self, job_ids: Collection[str]) -> dict[str, JobState]:
        """Return the state of these jobs: one squeue, and one sacct if there are jobs that it does not know."""
        job_ids = [job_id for job_id in job_ids if is_job_id(job_id)]
        if not job_ids:  # squeue would show all jobs
            return {}
        queued = self._in_queue(job_ids)
        states = {job_id: queued[job_id] for job_id in job_ids if job_id in queued}
        forgotten = [job_id for job_id in job_ids if job_id not in states]
        if not forgotten:
            return states
        try:
            ended = self._in_accounting(forgotten)
        except SchedulerUnavailable as silence:
            if not states:
                raise
            # The states of the others still count; the state of these is unknown, so they are not given up.
            return states | dict.fromkeys(forgotten, JobState("running", reason=str(silence)))
        return states | {job_id: ended[job_id] for job_id in forgotten if job_id in ended}

    def find(self, name: str) -> list[str]:
        """Return the ids of this user's jobs called `name`, in the queue or in accounting."""
        user = f"--user={os.geteuid()}"  # not $USER, which may be anybody's
        listed = _printed("squeue", run([*_SQUEUE, user, f"--name={name}", "--Format=JobArrayID:|"]))
        found = [line.strip(" |") for line in listed.splitlines()]
        # Without a start sacct lists the jobs since midnight only.
        sacct = run(["sacct", "-nPX", user, "--starttime=now-30days", f"--name={name}", "--format=JobID"])
        accounted = sacct.stdout.splitlines() if sacct.code == 0 else []
        known = [*found, *(job_id for line in accounted for job_id in expand(line.strip()))]
        return in_order(job_id for job_id in known if is_job_id(job_id))  # a site may print a banner

    def cancel(self, job_ids: Collection[str], name: str | None = None) -> None:
        """Cancel these jobs, some hundred with each command."""
        remaining = checked_job_ids(job_ids)
        if name is not None:
            ours = {array_id for array_id in arrays(remaining) if _is_called(array_id, name)}
            remaining = [job_id for job_id in remaining if job_id.partition("_")[0] in ours]
        while remaining:
            some, remaining = remaining[:_AT_ONCE], remaining[_AT_ONCE:]
            result = run(["scancel", *some])
            if result.outcome is Outcome.LATER:
                raise SchedulerUnavailable(f"Slurm does not answer: {result.message}")
            if result.outcome is Outcome.REFUSED and not TABLE.unknown.search(result.text):
                raise SweepError(f"these jobs cannot be cancelled: {' '.join(some)}: {result.message}")

    def limit_array(self, array_id: str, width: int) -> bool:
        """Change the throttle of an array."""
        result = run(["scontrol", "update", f"JobId={array_id}", f"ArrayTaskThrottle={width}"])
        if result.outcome is Outcome.LATER:
            raise SchedulerUnavailable(f"Slurm does not answer: {result.message}")
        # It fails for those jobs of the array that have ended, and has changed the array nevertheless.
        return result.outcome is Outcome.DONE or TABLE.unknown.search(result.text) is not None

    @staticmethod
    def is_preempting() -> bool:
        """Return whether Slurm ends the job that this process runs in to make place for another one's."""
        shown = _own_job()
        # Of a job that was preempted before and runs again the time is that of then.
        preempted = _moment(shown, "PreemptTime")
        return preempted != "" and preempted >= _moment(shown, "StartTime")

    @staticmethod
    def is_requeued() -> bool:
        """Return whether Slurm has counted a restart of the job that this process runs in, which is still to come."""
        found = re.search(r"\bRestarts=(\d+)", _own_job())
        return found is not None and int(found[1]) > int(os.environ.get("SLURM_RESTART_COUNT", "0"))

    def cause_in(self, log: str) -> FailureCause | None:
        """Return `oom` if Slurm's lines in the log show it: its state of such a job is often just FAILED."""
        return FailureCause.OOM if ran_out_of_memory(log) else None

    def failed_rank(self, log: str) -> RankFailure | None:
        """Return the task that failed first, by srun's lines."""
        return failed_rank(log)

    def _in_queue(self, job_ids: Collection[str]) -> dict[str, JobState]:
        fields = "--Format=JobArrayID:|,State:|,exit_code:|,NodeList:|,RestartCnt:|,Reason:|"
        result = run([*_SQUEUE, f"--jobs={','.join(arrays(job_ids))}", fields])
        if result.code and not is_trouble(result) and "Invalid job id" in result.stderr:
            return {}  # squeue fails so when it has forgotten all that it was asked for
        return read_squeue(_printed("squeue", result))

    def _in_accounting(self, job_ids: Collection[str]) -> dict[str, JobState]:
        jobs = ",".join(arrays(job_ids))
        result = run(["sacct", "-nP", f"--jobs={jobs}", "--format=JobID,State,ExitCode,NodeList"])
        if result.code and not is_trouble(result):  # accounting is off
            return {}
        return read_sacct(_printed("sacct", result))


@functools.cache  # once for each set of them
def _report_defaults(names: tuple[str, ...]) -> None:
    if names and "SLURM_JOB_ID" not in os.environ:  # in a job they are that job's
        log.warning(
            "herd_slurm does not use %s: sbatch would prefer what is in the environment to what the config says; set "
            "hydra.launcher.partition, account, qos, ... or hydra.launcher.additional_parameters",
            ", ".join(names),
        )


def _with_time_to_end(options: dict[str, Any]) -> dict[str, Any]:
    """Return `options` with a warning that comes after the job's start: it would end each trial at once."""
    limit, delay = 60 * options["timeout_min"], options.get("signal_delay_s")
    if delay is None or delay < limit:
        return options
    _report_shortened(limit, delay)
    return {**options, "signal_delay_s": int(limit / 2)}


@functools.cache  # once for each limit
def _report_shortened(limit: float, delay: float) -> None:
    log.warning(
        "herd_slurm: hydra.launcher.signal_delay_s=%g would warn a job of %g s at its start; it is warned %d s before "
        "its end instead",
        delay,
        limit,
        limit / 2,
    )


def _printed(command: str, result: CommandResult) -> str:
    """Return what a command printed.

    Raises:
        SchedulerUnavailable: it failed, so that nothing is known.
    """
    if result.code == 0:
        return result.stdout
    what = "Slurm does not answer" if is_trouble(result) else f"{command} failed"
    raise SchedulerUnavailable(f"{what}: {result.message}")


def _is_called(array_id: str, name: str) -> bool:
    """Return whether Slurm has a job or an array of this id that is this user's and has this name.

    scancel cannot compare it: given `--name` and a waiting task of an array it cancels all that wait (seen in 22.05).

    Raises:
        SchedulerUnavailable: Slurm does not answer.
    """
    result = run(["scontrol", "--oneliner", "show", "job", array_id])
    if is_trouble(result):
        raise SchedulerUnavailable(f"Slurm does not answer: {result.message}")
    named = rf"\bJobName={re.escape(name)} UserId=[^ (]*\({os.geteuid()}\) "
    return re.search(named, result.stdout) is not None


def _own_job() -> str:
    """Return what Slurm knows of the job that this process runs in."""
    job = os.environ.get("SLURM_JOB_ID")
    # The trial waits for it to record its end, and is killed soon.
    return run(["scontrol", "--oneliner", "show", "job", job], _SECONDS_OF_A_JOB).stdout if job else ""


def _moment(shown: str, name: str) -> str:
    """Return a time of a job as Slurm prints it, which sorts as text; empty if it has none."""
    found = re.search(rf"\b{name}=(\d\S*)", shown)
    return found[1] if found else ""


def _lets_pass(exported: Any, variable: str) -> bool:
    words = [word.strip() for word in str(exported).split(",")]
    return exported is None or "ALL" in words or variable in words
