"""A trial that no sweep of ours runs: a single run, a job of another sweeper, a loop in a plain script.

It leaves the files that a trial of a sweep leaves. Invariant: the record of an attempt that has begun says how it
ended, unless the process was killed.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hyperherd.errors import NoTrialError, TrialPruned
from hyperherd.paths import TrialPaths
from hyperherd.records.identity import trial_key
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord
from hyperherd.records.trial import TrialError
from hyperherd.trial import log as trial_log
from hyperherd.trial.alerts import alert
from hyperherd.trial.attempts import claim_attempt
from hyperherd.trial.checkpoint import PATTERNS, checkpoint_for
from hyperherd.trial.context import TrialPlace, hash_of, variables
from hyperherd.trial.ending import Ending, ending_of
from hyperherd.trial.kept_config import chosen_groups, keep_config
from hyperherd.trial.logbook import Logbook
from hyperherd.trial.notes import objective_of
from hyperherd.trial.output import copied_output
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.signals import held_back, noted_signals

_LEFT = "the process ended before the task function returned: sys.exit, or an exit of another kind"

log = logging.getLogger("hyperherd")


@dataclass(frozen=True)
class StandaloneJob:
    """What is known of such a trial when it begins."""

    trial_dir: Path
    sweep_dir: Path | None = None
    """Of another sweeper; None for a single run."""
    number: int = 0
    overrides: tuple[str, ...] = ()
    params: Mapping[str, Any] | None = None
    script: str = ""
    job_name: str = ""
    objective: Mapping[str, str] | None = None


class StandaloneTrial:
    """An attempt that has begun, until :meth:`close`; a process that ends without it is noted at its exit.

    Args:
        job: which trial.
        config: what it runs with, without Hydra's own; None where there is none.
        copies_output: whether what is printed is copied to `logs/`, too. It is no terminal any more, then.

    Raises:
        OSError: the directory cannot be written.
        AttemptTaken: another process has begun the same attempt at this moment.
    """

    def __init__(self, job: StandaloneJob, config: DictConfig | None, *, copies_output: bool = True) -> None:
        place = _place(job)
        self.attempt = claim_attempt(place.trial_dir, place.trial.key, again=True)
        self._logbook = Logbook(place.trial, place.trial_dir, self.attempt, place.sweep, job.sweep_dir)
        if config is not None:
            keep_config(config, place.trial_dir)  # before there are threads, because it may fork
        self._logbook.open(
            choices={} if config is None else chosen_groups(),
            config_hash="" if config is None else hash_of(place, config),
        )
        self._owner = os.getpid()
        self._open = ExitStack()
        self._signals = self._open.enter_context(noted_signals())
        if copies_output:
            paths = TrialPaths(job.trial_dir)
            copies = copied_output(paths.log(self.attempt, "out"), paths.log(self.attempt, "err"))
            self._open.enter_context(copies)
        self._open.enter_context(_environment(variables(place, self.attempt)))
        trial_log.enter(job.trial_dir, self.attempt)
        atexit.register(self._exited)

    def close(self, error: BaseException | None = None) -> None:
        """Note the end of the attempt: completed, or what `error` and the signals that came make of it."""
        self._end(ending_of(error, self._signals))

    def _exited(self) -> None:
        """Note an end of which Hydra says nothing: it calls no callback after ``sys.exit`` and Ctrl-C."""
        if self._owner != os.getpid():  # a process that the task has forked
            return
        ending = ending_of(None, self._signals)
        if ending.state is TrialState.COMPLETED:
            ending = Ending(TrialState.FAILED, FailureCause.EXIT, error=TrialError("SystemExit", _LEFT))
        self._end(ending)

    def _end(self, ending: Ending) -> None:
        if self._owner != os.getpid():
            return
        atexit.unregister(self._exited)
        with held_back():
            trial_log.leave()
            self._logbook.close(ending)
        self._open.close()


def _place(job: StandaloneJob) -> TrialPlace:
    params = dict(job.params or {})
    name = ",".join(job.overrides) or job.trial_dir.name
    trial = PlannedTrial(job.number, trial_key(params), name, job.overrides, params)
    sweep_dir = job.sweep_dir or job.trial_dir
    objective = dict(job.objective) if job.objective else None
    sweep = SweepRecord(sweep_dir.name, time.time(), job.script, job.job_name, {}, {}, objective)
    return TrialPlace(trial, sweep, sweep_dir, job.trial_dir)


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class StartedTrial:
    """The trial that a loop of one's own logs to; every call is that of :mod:`hyperherd`."""

    dir: Path
    attempt: int

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log several values; without a step they are final ones (:func:`hyperherd.log_metrics`)."""
        trial_log.log_metrics(metrics, step)

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Log what the block logs in a phase of its own, such as a fold (:func:`hyperherd.phase`)."""
        return trial_log.phase(name)

    def log_array(self, name: str, array: Any, step: int | None = None) -> None:
        """Keep an array (:func:`hyperherd.log_array`)."""
        trial_log.log_array(name, array, step)

    def alert(self, text: str, level: str = "info") -> bool:
        """Let people know something (:func:`hyperherd.alert`)."""
        return alert(text, level)

    def resumed(self, step: int) -> None:
        """Declare the step at which this attempt goes on (:func:`hyperherd.resumed`)."""
        trial_log.resumed(step)

    def total_steps(self, steps: int) -> None:
        """Declare how many steps there will be (:func:`hyperherd.total_steps`)."""
        trial_log.total_steps(steps)

    def checkpoint(self, *patterns: str) -> Path | None:
        """Return where to go on (:func:`hyperherd.checkpoint`), or None."""
        return checkpoint_for(self.dir, self.attempt, patterns or PATTERNS)


@contextmanager
def start_trial(
    directory: str | os.PathLike[str] | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    objective: str | None = None,
    direction: str | None = None,
) -> Iterator[StartedTrial]:
    """Make the block a trial, with everything that a trial of a sweep leaves behind.

    Inside of a trial, of a sweep or of another such block, it is that trial, which then ends as it would without this.
    In a Hydra job that no sweep of ours runs it is a trial in the job's output directory, in a plain script one in
    `directory`. Further ranks of a distributed training log beside the first one, whose state alone is kept.
    :class:`hyperherd.TrialPruned` ends the block, and not the program.

    Args:
        directory: of the trial; None for the one of the Hydra job.
        params: what distinguishes the trial from others; in a Hydra job the overrides do.
        objective: the metric that it is judged by.
        direction: ``minimize`` or ``maximize``; an objective needs one.

    Raises:
        NoTrialError: there is neither a trial, nor a Hydra job, nor a directory.
        ValueError: the direction is missing, or another word.
    """
    wanted = objective_of(objective, direction)
    current = trial_log.entered_trial()
    if current is not None:
        yield StartedTrial(current.trial_dir, current.attempt)
        return
    if current_rank():
        current = trial_log.enter(_directory(directory), 0)
        try:
            yield StartedTrial(current.trial_dir, current.attempt)
        finally:
            trial_log.leave()
        return
    if directory is None and HydraConfig.initialized():
        job, config = hydra_job(HydraConfig.get(), wanted), _written_config()
    else:
        job, config = _plain_job(_directory(directory), params or {}, wanted), None
    trial = StandaloneTrial(job, config, copies_output=False)
    try:
        yield StartedTrial(job.trial_dir, trial.attempt)
    except TrialPruned as pruned:  # a clean end, after which a loop goes on with its next trial
        trial.close(pruned)
        return
    except BaseException as error:
        trial.close(error)
        raise
    trial.close()


def hydra_job(hydra: Any, objective: Mapping[str, str] | None = None) -> StandaloneJob:
    """Return what the job of Hydra that runs in this process is as a trial.

    Args:
        hydra: the `hydra` of its config.
        objective: ``{"metric", "direction"}``, or None.
    """
    overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    parsed = OverridesParser.create().parse_overrides(overrides)
    is_sweep = hydra.mode is RunMode.MULTIRUN
    return StandaloneJob(
        trial_dir=Path(str(hydra.runtime.output_dir)),
        sweep_dir=Path(str(hydra.sweep.dir)).absolute() if is_sweep else None,
        number=0 if OmegaConf.is_missing(hydra.job, "num") else int(hydra.job.num),
        overrides=tuple(overrides),
        params={item.key_or_group: item.value() for item in parsed if not item.is_delete()},
        script=str(Path(sys.argv[0]).absolute()),
        job_name=str(hydra.job.name),
        objective=objective,
    )


def _plain_job(directory: Path, params: Mapping[str, Any], objective: Mapping[str, str] | None) -> StandaloneJob:
    script = Path(sys.argv[0])
    return StandaloneJob(
        directory, params=params, script=str(script.absolute()), job_name=script.stem, objective=objective
    )


def _written_config() -> DictConfig | None:
    """Return the config of the Hydra job that runs, as Hydra has written it; None where it was asked to write none."""
    hydra = HydraConfig.get()
    path = Path(str(hydra.runtime.output_dir), str(hydra.output_subdir), "config.yaml")
    config = OmegaConf.load(path) if path.is_file() else None
    return config if isinstance(config, DictConfig) else None


def _directory(given: str | os.PathLike[str] | None) -> Path:
    if given is not None:
        return Path(given).absolute()
    if HydraConfig.initialized():
        return Path(str(HydraConfig.get().runtime.output_dir))
    raise NoTrialError("no Hydra job is running in this process, so a trial needs a directory: start_trial('runs/1')")
