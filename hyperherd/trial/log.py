"""What training code calls to log, and the question which trial a value belongs to.

A value is on its way to the disk when the call returns: it has been handed to the operating system in one ``write``, so
the death of this process cannot lose it.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from hyperherd.errors import FormatError, NoTrialError
from hyperherd.metrics.arrays import save_array
from hyperherd.metrics.rows.values import NotLogged
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import SweepPaths
from hyperherd.pruning.of_sweep import judge_of
from hyperherd.trial import notes
from hyperherd.trial.phases import Phases, RunningPhase, entered, logged_before, logged_by_others
from hyperherd.trial.ranks import current_rank
from hyperherd.trial.stopping.stopping import Stopping
from hyperherd.trial.stopping.watch import RequestWatch

WORKSPACE = "HYPERHERD_WORKSPACE"
SWEEP_NAME = "HYPERHERD_SWEEP_NAME"
TRIAL_ID = "HYPERHERD_TRIAL_ID"
TRIAL_NAME = "HYPERHERD_TRIAL_NAME"
TRIAL_DIR = "HYPERHERD_TRIAL_DIR"
ATTEMPT = "HYPERHERD_ATTEMPT"

RETURN_VALUE = "return_value"
"""The name of the final value that holds what the task function returned."""

log = logging.getLogger("hyperherd")


class Beside(Protocol):
    """What runs beside a trial."""

    def close(self) -> None:
        """End it; nothing is logged when this returns."""


@dataclass(frozen=True)
class CurrentTrial:
    """The trial this process logs to."""

    trial_dir: Path
    attempt: int
    writer: MetricWriter
    phases: Phases
    stopping: Stopping = field(default_factory=Stopping)
    """Whether it is to end before it is done."""
    beside: list[Beside] = field(default_factory=list)
    """What ends with it."""

    def close(self) -> None:
        """End what runs beside it, and close the writer."""
        for item in self.beside:
            item.close()
        self.writer.close()


_current: CurrentTrial | None = None
"""Set by the trial context, or found on the first log call; of the process and its forked children."""

_hydra_job: tuple[Any, object, CurrentTrial] | None = None
"""Where Hydra keeps the config in force, the one in force when a job outside of any sweep first logged, and where that
job logs."""


def log_result(name: str, value: Any, step: int | None = None) -> None:
    """Log one value of the running trial.

    Args:
        name: name of the metric; any text, ``/`` included.
        value: with `step`, a number, or any JSON value; without, any JSON value. NumPy and torch scalars are taken.
        step: a counter that never falls (global step, epoch): the value streams into the trial's history. Without it
            the value is the trial's final one under this name, and the last call wins.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job to log to.
        TypeError: JSON cannot hold the value, or the step is not an integer.
        TrialPruned: the value has been logged, and the trial is to end now (docs/pruning.md).
    """
    log_metrics({name: value}, step)


def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Log several values of the running trial as one record; see :func:`log_result`.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job to log to.
        TypeError: the step is not an integer; or JSON cannot hold some of the values, which the message names: all
            others have been logged then.
        TrialPruned: the values have been logged, and the trial is to end now (docs/pruning.md).
    """
    trial = _current or _find()
    if step is None:
        trial.writer.log_final(metrics)
        return
    if trial.phases.is_waiting:
        trial.phases.settle(metrics)
    trial.writer.log(metrics, step)
    if trial.stopping.is_active:
        trial.stopping.look([(metrics, step, 0.0)], trial.writer.phase)
        trial.stopping.heed()


def log_rows(rows: Sequence[tuple[Mapping[str, Any], int, float]]) -> None:
    """Log several records of one phase: metrics, their step, and when they were measured, in seconds since 1970.

    For callbacks, which write what many steps have logged at once, and end a training in its trainer's way.

    Raises:
        as :func:`log_metrics`, after everything that can be logged has been.
    """
    trial = _current or _find()
    if trial.phases.is_waiting:
        for metrics, _, _ in rows:
            trial.phases.settle(metrics)
    try:
        trial.writer.log_rows(rows)
    except NotLogged:
        trial.stopping.look(rows, trial.writer.phase)  # what could be logged counts
        raise
    if trial.stopping.is_active:
        trial.stopping.look(rows, trial.writer.phase)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Log what the block logs with a step in a phase of its own: one fold, a pretraining, a final evaluation.

    Rows of one metric and step in two phases do not replace each other, and tables show the last phase that trained;
    ``METRIC:PHASE`` is another one. What trainers with our callbacks do within the block belongs to it as well.

    Args:
        name: any text; a name whose last part is ``validate``, ``test``, ``predict`` or ``evaluate``, such as
            ``fold0/test``, is that of an evaluation.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job.
        TypeError: the name is not a string.
    """
    with entered((_current or _find()).phases, name):
        yield


def begin_phase(kind: str, prefix: str = "") -> RunningPhase | None:
    """Begin a phase of a trainer (`Phases.begin`), for callbacks; None outside of any trial."""
    trial = current_trial()
    return trial.phases.begin(kind, prefix) if trial is not None else None


def continue_phase(running: RunningPhase) -> None:
    """Go on with what :func:`begin_phase` returned, after it ended."""
    if (trial := current_trial()) is not None:
        trial.phases.go_on(running)


def end_phase(running: RunningPhase | None) -> None:
    """End what :func:`begin_phase` returned."""
    trial = current_trial() if running is not None else None
    if trial is not None and running is not None:
        trial.phases.end(running)


def log_array(name: str, array: Any, step: int | None = None) -> None:
    """Keep an array of the running trial beside its metrics, as a `.npy` file; the last one of a name and step stays.

    It needs NumPy: where that is not installed, a warning says once that nothing is saved.

    Args:
        name: any text, ``/`` included.
        array: what ``numpy.asarray`` takes; a tensor must be on the CPU and need no gradient.
        step: as in :func:`log_result`; None for one that has none.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job to keep it.
        TypeError: it is not an array of numbers, text or times, or the step is not an integer.
    """
    save_array((_current or _find()).trial_dir, name, array, step)


def resumed(step: int, metrics: Iterable[str] | None = None) -> None:
    """Declare the step at which this attempt continues: what older attempts logged from there on is superseded.

    In a phase (:func:`phase`) it is about that phase alone.

    Without it a newer attempt supersedes a metric from the first step at which it logs that metric, and everything if
    it does all again. Framework callbacks call this after loading a checkpoint.

    Args:
        step: the first step this attempt will do; 0 if it starts from nothing.
        metrics: names of the metrics that count these steps; None stands for all that are not named otherwise.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job.
        TypeError: the step is not an integer, or a name is not a string.
    """
    (_current or _find()).phases.resumed(step, metrics)


def total_steps(steps: int) -> None:
    """Declare how many steps this trial is going to take, so that the time left can be shown.

    Framework callbacks call this. Outside of a sweep it does nothing.

    Args:
        steps: in the count that the trial logs with; below 1, or infinite, it is not known.
    """
    notes.note(notes.MAX_STEP, int(steps) if 0 < steps < 2**63 else None)


def log_returned(value: Any) -> None:
    """Keep what a task function returned as the final value ``return_value``, if JSON can hold it.

    Scripts written for a sweeper that optimises return their objective, whether they log something or not.
    """
    if _current is None or value is None:
        return
    try:
        _current.writer.log_final({RETURN_VALUE: value})
    except NotLogged as error:
        log.info("what the task function returned is not kept (%s)", error)


def current_trial() -> CurrentTrial | None:
    """Return the trial this process logs to, or None outside of any; callbacks ask this and then do nothing."""
    try:
        return _current or _find()
    except NoTrialError:
        return None


def found_trial() -> CurrentTrial:
    """Return the trial this process logs to.

    Raises:
        NoTrialError: there is neither a trial nor a Hydra job.
    """
    return _current or _find()


def entered_trial() -> CurrentTrial | None:
    """Return the trial that this process has entered or inherited; None in a Hydra job that is not a trial of ours."""
    return _current or (_find() if os.environ.get(TRIAL_DIR) else None)


def enter(
    trial_dir: Path,
    attempt: int,
    *,
    keeps_state: bool = True,
    of_sweep: tuple[Path, int] | None = None,
    is_judged: bool = True,
) -> CurrentTrial:
    """Make `trial_dir` the trial this process logs to, until :func:`leave`.

    Args:
        trial_dir: its directory.
        attempt: which attempt this is.
        keeps_state: whether this process keeps the trial's state; else another one does, which started it.
        of_sweep: the directory of its sweep, and its number; there somebody may ask it to end.
        is_judged: whether that sweep has a pruner, as far as the caller knows.
    """
    global _current
    notes.begin(trial_dir.absolute(), attempt, keeps_state=keeps_state)
    _current = _trial(trial_dir, attempt)
    if of_sweep is not None:
        _current.stopping.is_possible = True
        _current.beside.append(RequestWatch(*of_sweep, attempt, _current.stopping))
        if is_judged and (judge := judge_of(*of_sweep, _current.trial_dir, attempt)) is not None:
            _current.stopping.judged_by(judge)
            if judge.verdict is not None:
                _current.stopping.decide(judge.verdict)
    return _current


def _trial(trial_dir: Path, attempt: int) -> CurrentTrial:
    trial_dir = trial_dir.absolute()  # The program may change its folder.
    writer = MetricWriter(trial_dir, attempt, rank=current_rank)
    before, others = partial(logged_before, trial_dir, attempt), partial(logged_by_others, trial_dir, attempt)
    return CurrentTrial(trial_dir, attempt, writer, Phases(writer, before, others))


def leave() -> None:
    """Close the writer of the current trial; later log calls search for a trial again."""
    global _current
    if _current is not None:
        _current.close()
        _current = None
        notes.hand_on()


def _find() -> CurrentTrial:
    """Return the trial named by the environment, else the Hydra job we are in."""
    # First, because a job looks itself up at every call: as long as Hydra's config is that one, it still runs.
    if _hydra_job is not None and _hydra_job[0].cfg is _hydra_job[1]:
        return _hydra_job[2]
    if trial_dir := os.environ.get(TRIAL_DIR):
        # A process that the trial started: it has no trial context that would close its journal.
        attempt = int(os.environ.get(ATTEMPT) or 0)
        trial = enter(Path(trial_dir), attempt, keeps_state=False, of_sweep=_sweep_of_environment())
        atexit.register(leave)
        return trial
    job = _find_hydra_job()
    if job is None:
        raise NoTrialError(
            "no Hydra job is running in this process, so this value cannot be saved. Start the script with Hydra: "
            "decorate its main function with @hydra.main and run `python script.py`, or sweep it with "
            "`python script.py -m key=a,b hydra/sweeper=herd`."
        )
    return job


def _sweep_of_environment() -> tuple[Path, int] | None:
    """Return the sweep of ours that the environment names, and the number of the trial in it."""
    workspace, number = os.environ.get(WORKSPACE), os.environ.get(TRIAL_ID, "")
    if not workspace or not number.isdecimal() or not number.isascii():
        return None
    # A trial without a sweep, or of another sweeper, has these variables as well.
    return (Path(workspace), int(number)) if SweepPaths(workspace).sweep.is_file() else None


def _find_hydra_job() -> CurrentTrial | None:
    """Return where a Hydra job outside of a sweep of ours logs: its output directory, attempt 0.

    Another sweeper may run several jobs in this process; each has a config object of its own.
    """
    global _hydra_job
    # Not imported for the question: without it there is no Hydra job.
    if "hydra.core.hydra_config" not in sys.modules:
        return None
    from hydra.core.hydra_config import HydraConfig

    holder = HydraConfig.instance()
    config = holder.cfg
    if config is None:
        return None
    if _hydra_job is None:
        atexit.register(_end_hydra_job)
    if _hydra_job is None or _hydra_job[1] is not config:
        _end_hydra_job()
        trial_dir = Path(str(HydraConfig.get().runtime.output_dir))
        _hydra_job = (holder, config, _trial(trial_dir, 0))
    return _hydra_job[2]


def _end_hydra_job() -> None:
    """Close the writer of the last Hydra job outside of a sweep, and merge what it wrote; no sweep does that."""
    global _hydra_job
    if _hydra_job is None:
        return
    from hyperherd.metrics.consolidate.merge import merge

    (_, _, job), _hydra_job = _hydra_job, None
    job.close()
    try:
        merge(job.trial_dir)
    except (OSError, ImportError, FormatError) as error:
        log.warning("the metrics of %s stay in their journals, which are read as well: %s", job.trial_dir, error)
