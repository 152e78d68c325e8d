"""The trial context without our sweeper: for single runs, and for jobs of Hydra's own sweeper, Optuna's, or any other.

A callback that Hydra calls around each job; `hydra/callbacks=herd` adds it. Such a job then leaves in its directory
what a trial of a sweep of ours does: state, metrics, provenance, config, output.
"""

from __future__ import annotations

from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from hyperherd.compat.hydra import result_of
from hyperherd.launch.worker import TrialTask
from hyperherd.trial import log as trial_log
from hyperherd.trial.notes import objective_of
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.standalone import StandaloneTrial, hydra_job

__all__ = ["HyperHerdCallback"]


class HyperHerdCallback(Callback):
    """Makes each job of Hydra a trial, unless a sweep of ours has done so.

    Hydra itself turns an error in it into a warning, and runs the job.

    Args:
        objective: the metric by which trials are judged, where the sweeper does not say; None to let results guess.
        direction: ``minimize`` or ``maximize``; an objective needs one.
        copy_output: whether what a job prints is copied to the trial's directory, too. Its output is no terminal then.

    Raises:
        ValueError: the direction is missing, or another word.
    """

    def __init__(self, objective: str | None = None, direction: str | None = None, *, copy_output: bool = True) -> None:
        self._objective = objective_of(objective, direction)
        self._copies_output = copy_output
        self._trial: StandaloneTrial | None = None

    def on_job_start(self, config: DictConfig, *, task_function: Any = None, **kwargs: Any) -> None:
        """Begin the trial."""
        # A trial of a sweep of ours begins inside of the task function; a further rank, or a script that a trial
        # starts, belongs to the trial that its environment names.
        if isinstance(task_function, TrialTask) or trial_log.entered_trial() is not None or current_rank():
            return
        task = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        self._trial = StandaloneTrial(
            hydra_job(HydraConfig.get(), self._objective), task, copies_output=self._copies_output
        )

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Note how the trial has ended."""
        trial, self._trial = self._trial, None
        if trial is None:
            return
        result = result_of(job_return)
        if job_return.status is JobStatus.FAILED and isinstance(result, BaseException):
            trial.close(result)
            return
        trial_log.log_returned(result)
        trial.close()
