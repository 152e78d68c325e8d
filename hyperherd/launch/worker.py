"""What runs inside a job: the user's task function in its trial context, and a distributed rank that joins a trial."""

from __future__ import annotations

import copy
import functools
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from hyperherd.errors import SweepError, TrialPruned
from hyperherd.escape import one_line
from hyperherd.launch.payload import PortableFunction
from hyperherd.launch.script import running_script
from hyperherd.overrides import place_overrides
from hyperherd.records.code import remember, remembered_hash
from hyperherd.records.snapshot import VARIABLE, Snapshot
from hyperherd.records.sweep import SweepRecord, find_planned_number
from hyperherd.trial import log as trial_log
from hyperherd.trial.attempts import attempt_of_job
from hyperherd.trial.context import ends_at_once, find_place, run_in_context, variables
from hyperherd.trial.ending import TrialFailed, in_words
from hyperherd.trial.ranks import started_together

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


log = logging.getLogger("hyperherd")

_RANK_SECONDS = 300.0
"""How long a rank waits for rank 0 to begin the trial: nodes load libraries at their own pace."""


class TrialTask:
    """The task function as a launcher gets it. Picklable if the task function is; carries no table of trials."""

    # Jobs in a queue may have been packed by a version that had none of these.
    _script, _script_hash = "", ""
    _is_requeued: Callable[[], bool] | None = None
    _is_claimed = False
    snapshot: Snapshot | None = None
    """What it runs from; None for the project as it is then."""

    def __init__(self, task_function: TaskFunction, sweep_dir: Path, script: str) -> None:
        functools.update_wrapper(self, task_function)  # for callbacks that inspect the task function
        self._task_function = PortableFunction(task_function, running_script(sys.modules["__main__"]))
        self._sweep_dir = sweep_dir
        self._sweep_pid = os.getpid()
        self._attempt: int | None = None
        self._script, self._script_hash = script, remembered_hash(script)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what :func:`functools.update_wrapper` has put in: it would be pickled beside the portable one."""
        return {name: value for name, value in vars(self).items() if name != "__wrapped__"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what :meth:`__getstate__` of this version, or the pickle of an earlier one, has left."""
        vars(self).update(state)
        vars(self)["__wrapped__"] = getattr(self._task_function, "function", self._task_function)

    def for_attempt(self, attempt: int, is_requeued: Callable[[], bool] | None = None) -> TrialTask:
        """Return this task for one execution of a trial alone; a launcher that numbers them hands that to its job.

        Args:
            attempt: the number.
            is_requeued: see :func:`hyperherd.trial.context.run_in_context`.
        """
        task = copy.copy(self)
        task._attempt, task._is_requeued = attempt, is_requeued
        return task

    def of_worker(self) -> TrialTask:
        """Return this task for trials that a worker starts, which claims each attempt before."""
        task = copy.copy(self)
        task._is_claimed = True
        return task

    def __call__(self, config: DictConfig) -> Any:
        """Run the trial that this job is for; see :func:`hyperherd.trial.context.run_in_context`."""
        hydra = HydraConfig.get()
        if self.snapshot is None:
            remember(self._script, self._script_hash)  # a job of a cluster runs it as it was when it was submitted
        # Unresolved: an override may be an interpolation, and the plan holds it as written.
        overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        place = find_place(self._sweep_dir, overrides, Path(hydra.runtime.output_dir), _likely_number(hydra))
        try:
            is_requeued = self._is_requeued or (lambda: False)
            value = run_in_context(
                place,
                config,
                lambda: self._task_function(config),
                self._attempt,
                is_requeued,
                is_claimed=self._is_claimed,
            )
        except Exception as error:
            if self._is_elsewhere and not _can_travel(error):
                raise TrialFailed(in_words(error)) from None
            raise
        return value if not self._is_elsewhere or _can_travel(value) else None

    def join(self, config: DictConfig) -> Any:
        """Run as a further rank of the trial that another process of the same scheduler's job runs.

        Raises:
            SweepError: no process of the job has begun the trial in time.
        """
        hydra = HydraConfig.get()
        overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        place = find_place(self._sweep_dir, overrides, Path(hydra.runtime.output_dir), _likely_number(hydra))
        attempt = _await_attempt(place.trial_dir)
        os.environ.update(variables(place, attempt))
        if ends_at_once(place, attempt):
            return None
        try:
            return self._task_function(config)
        except TrialPruned as pruned:
            log.info("this rank ends: %s", one_line(str(pruned)))
            return None

    @property
    def _is_elsewhere(self) -> bool:
        """Whether what it returns or raises has to be pickled on its way to the sweep."""
        return os.getpid() != self._sweep_pid


def snapshot_of(task_function: Any) -> Snapshot | None:
    """Return the snapshot that what a launcher is to run runs from; None for the project as it is then."""
    return task_function.snapshot if isinstance(task_function, TrialTask) else None


def _likely_number(hydra: Any) -> int | None:
    """Return how the launcher counts this job; None if it does not."""
    return None if OmegaConf.is_missing(hydra.job, "num") else hydra.job.num


def _await_attempt(trial_dir: Path) -> int:
    deadline = time.monotonic() + _RANK_SECONDS
    while (attempt := attempt_of_job(trial_dir)) is None:
        if time.monotonic() > deadline:
            raise SweepError(f"rank 0 of this job did not start the trial in {trial_dir} in {_RANK_SECONDS:.0f} s")
        time.sleep(0.1)
    return attempt


def _can_travel(value: Any) -> bool:
    """Return whether `value` survives pickling; a launcher may lose a whole batch over one that does not."""
    try:
        cloudpickle.loads(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001 - user code: pickling runs methods of their classes, which may raise anything
        return False
    return True


def trial_to_join(script: str) -> Path | None:
    """Return the directory of the trial that this process is a further rank of, or None if it is not one.

    Lightning starts the other ranks of a distributed fit by running the whole command line again, ``-m`` and all. Such
    a process inherits its trial's variables and has a rank above 0. A script that a trial starts for another purpose
    has no rank, or is another script.

    Args:
        script: absolute path of the script this process runs.

    Raises:
        SweepError: the trial runs from a snapshot, and this process does not.
    """
    trial_dir = os.environ.get(trial_log.TRIAL_DIR)
    workspace = os.environ.get(trial_log.WORKSPACE)
    ranks = (os.environ.get(name, "0") for name in ("LOCAL_RANK", "RANK"))
    if not (trial_dir and workspace) or all(rank in ("", "0") for rank in ranks):
        return None
    record = SweepRecord.read(Path(workspace)).script
    if frozen := os.environ.get(VARIABLE):
        if record == script:
            raise SweepError(
                f"this process is a rank of a trial that runs from the snapshot in {frozen}, and was started from "
                f"{script} itself (`python -m` finds modules in the working directory): start the script by its path, "
                "let one job have several tasks (tasks_per_node), or remove hydra.sweeper.snapshot"
            )
        return Path(trial_dir) if script.startswith(f"{frozen}/") and record.endswith(script[len(frozen) :]) else None
    return Path(trial_dir) if record == script else None


def refuse_ranks() -> None:
    """Refuse to start a sweep in each of several processes that one command was started as.

    Raises:
        SweepError: this process is one of several, outside of any trial; the message says how to do it.
    """
    together = started_together(os.environ)
    if together is None or trial_log.TRIAL_DIR in os.environ:
        return
    starter, size = together
    once = shlex.join(["python", *sys.argv])
    raise SweepError(
        f"{starter} has started {size} processes of this command, and each would run the whole sweep: start it once "
        f"(`{once}`) and have each trial start its own ranks: with `devices` of Lightning, with `torchrun` that the "
        f"task function runs, or with `tasks_per_node` of hydra/launcher=herd_slurm and herd_lsf."
    )


def join_trial(
    trial_dir: Path, *, hydra_context: HydraContext, config: DictConfig, task_function: TaskFunction
) -> JobReturn:
    """Run the task function as a further rank of the trial in `trial_dir`.

    It gets the trial's config and output directory. It writes no Hydra files, claims no attempt, and the user's Hydra
    callbacks stay with rank 0.
    """
    from hydra.core.utils import run_job
    from omegaconf import open_dict

    from hyperherd.compat.hydra import Callbacks

    sweep_dir = Path(os.environ[trial_log.WORKSPACE])
    trial = find_planned_number(sweep_dir, int(os.environ[trial_log.TRIAL_ID]))
    place = place_overrides(sweep_dir, os.path.relpath(trial_dir, sweep_dir))
    job = hydra_context.config_loader.load_sweep_config(config, [*trial.overrides, *place])
    with open_dict(job):
        job.hydra.job.num = trial.number
        job.hydra.job.id = str(trial.number)
        job.hydra.output_subdir = None
    return run_job(
        hydra_context=replace(hydra_context, callbacks=Callbacks()),  # Hydra 1.4's has more fields
        task_function=task_function,
        config=job,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
