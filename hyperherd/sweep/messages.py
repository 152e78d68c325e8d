"""Messages of a sweep: what it is about to run, what became of it, and how to follow trials left in a queue."""

from __future__ import annotations

import logging
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.errors import HyperherdError, ResultsError
from hyperherd.escape import one_line
from hyperherd.plural import counted
from hyperherd.pruning.decisions import as_ranges, read_decisions
from hyperherd.pruning.of_sweep import folder_of
from hyperherd.pruning.settings import read_pruner
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.loading.load import load_trials
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import from_here
from hyperherd.sweep.streams import is_unicode, say
from hyperherd.trial.unobserved import FRAMEWORKS

if TYPE_CHECKING:
    from hyperherd.launch.base import JobHandle
    from hyperherd.records.sweep import PlannedTrial
    from hyperherd.results.trials.trial import Trial
    from hyperherd.sweep.planning.plan import Plan
    from hyperherd.sweep.resuming.reconcile import RunPlan

log = logging.getLogger("hyperherd")

_SHOWN_AT_EACH_END = 20


def report_start(sweep_dir: Path, plan: Plan, run_plan: RunPlan, adopted: Sequence[JobHandle]) -> None:
    """Report what is going to run, and what conditions and limits did to the grid."""
    for note in plan.notes:
        log.warning(note)
    for line in plan_lines(plan):
        log.info(line)
    # A trial that waits, and nobody has asked for it again, has never begun: it may be new.
    begun = [one for one in run_plan.statuses.values() if one.state is not TrialState.WAITING or one.reason]
    told = [f"{counts(Counter(status.state for status in begun))} before"] if begun else []
    if orphans := sum(trial.orphan for trial in run_plan.trials):
        told.append(f"{orphans} no longer in the search space")
    before = f" ({'; '.join(told)})" if told else ""
    awaited = f", {len(adopted)} already submitted" if adopted else ""
    trials = counted(len(run_plan.trials), "trial")
    log.info("sweep %s: %s, %d to run%s%s", sweep_dir, trials, len(run_plan.to_run), awaited, before)


def report_preview(preview: object) -> None:
    """Report what would run."""
    log.info("dry run: nothing was run or written\n%s", preview)


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what conditions and limits made of the grid."""
    report = plan.report
    for effect in report.effects:
        yield f"{effect.label}: {effect.summary}"
    if report.merged:
        yield f"merged {counted(report.merged, 'duplicate trial')}"
    if report.left_out is None:
        yield f"kept {len(plan.drafts):,} of a grid of {counted(report.size, 'point')}"
    elif report.left_out:
        yield f"left out {counted(report.left_out, 'trial')} (hydra.sweeper.sample or max_trials)"


def trial_lines(trials: Sequence[PlannedTrial], sweep_dir: Path) -> Iterator[str]:
    """Yield a line for each trial, with its overrides, directory and resources; the first and last ones of many."""
    shown: list[PlannedTrial | None] = [*trials]
    if len(trials) > 2 * _SHOWN_AT_EACH_END:
        shown = [*trials[:_SHOWN_AT_EACH_END], None, *trials[-_SHOWN_AT_EACH_END:]]
    for trial in shown:
        if trial is None:
            yield f"  ... {len(trials) - 2 * _SHOWN_AT_EACH_END} more"
            continue
        where = from_here(str(sweep_dir / trial.dir)) if trial.dir is not None else "(chosen by its launcher)"
        asked = (
            f"  {shlex.join(f'{name}={value}' for name, value in trial.resources.items())}" if trial.resources else ""
        )
        yield f"  {trial.number:>4}  {shlex.join(trial.overrides)}  ->  {where}{asked}"


def report_end(sweep_dir: Path) -> None:
    """Report what finished, what failed and why, and the best trial with the command that reproduces it."""
    try:
        trials = TrialCollection(load_trials([sweep_dir]))
    except (ResultsError, OSError) as error:
        say(f"sweep {sweep_dir} has ended, but its results cannot be read: {error}", logging.WARNING)
        return
    # It is made of statistics and tables, which take longer to import than all else at the start of a sweep.
    from hyperherd.results.pages.overview import closing

    where = shlex.quote(from_here(str(sweep_dir)))
    told = closing(trials, Screen(unicode=is_unicode(sys.stdout)))
    lines = [f"table: herd-results {where}"]
    if trials.problems:
        lines.append(f"why:   herd-results failures {where}")
    lines += _paused(trials, where)
    if any(not trial.state.settled for trial in trials):
        lines.append(f"go on: the same command with hydra.sweeper.resume={where}; what is done is kept")
    lines += _hint(trials) + unjudged(sweep_dir, trials)
    say("\n".join([f"sweep {sweep_dir}: {counts(trials.counts)}\n{told}{lines[0]}", *lines[1:]]))


def _paused(trials: TrialCollection, where: str) -> list[str]:
    """Return a line on the trials that have stayed paused, and how they run on."""
    numbers = [trial.number for trial in trials if trial.state is TrialState.PAUSED and trial.number is not None]
    if not numbers:
        return []
    given = as_ranges(numbers) or "NUMBERS"
    told = f"{counted(len(numbers), 'trial')} not among the best when they came to their rung"
    return [f"paused: {told}; to run them on: herd-results continue {where} {given}, then the same command"]


def _hint(trials: TrialCollection) -> list[str]:
    """Return a line for a sweep whose trials have trained and logged nothing; one of them is enough to know."""
    silent = next((trial for trial in trials if trial.state.finished and not trial.metric_names), None)
    training = silent.provenance.get("training") if silent is not None else None
    if silent is None or not isinstance(training, dict) or training.get("observed") is not False:
        return []
    framework = str(training.get("trainer"))
    if framework not in FRAMEWORKS:
        return []
    return [
        f"hint:  trial {silent.label} uses {FRAMEWORKS[framework]}, and no metric was logged; add "
        f"hyperherd_callbacks.{framework}.HyperHerdStreamCallback() to the trainer's callbacks"
    ]


def unjudged(sweep_dir: Path, trials: Sequence[Trial]) -> list[str]:
    """Return a line for a sweep whose pruner has had nothing to compare, although a trial has completed."""
    try:
        pruner = SweepRecord.read(sweep_dir).pruner
        if pruner is None or not any(trial.state is TrialState.COMPLETED for trial in trials):
            return []
        settings = read_pruner(pruner)
        first = next(iter(settings.rungs), None)
        if first is None or folder_of(sweep_dir, settings).positions() or any(map(_has_been_judged, trials)):
            return []
    except (HyperherdError, OSError):
        return []
    where = "the first phase that trains" if settings.phase is None else f"the phase {settings.phase}"
    told = f"it judges {settings.metric}, logged in {where} at {settings.unit} {first} or later"
    return [
        f"hint:  no trial has come to a rung of the pruner; {one_line(told + _how_logged(settings.metric, trials))}"
    ]


def _has_been_judged(trial: Trial) -> bool:
    """Return whether a trial has come to a rung, also where that could not be noted in the sweep's folder."""
    return trial.dir is not None and bool(read_decisions(trial.dir))


def _how_logged(metric: str, trials: Sequence[Trial]) -> str:
    """Return how far trials have logged a metric that a pruner was to judge, after a semicolon."""
    steps = [summary.get("last_step") or 0 for trial in trials if (summary := trial.summary(metric))]
    if steps:
        return f"; its steps end at {max(steps)}"
    if any(metric in trial.final for trial in trials):
        return "; it was logged without a step, and is judged with one: log_metrics({...}, step=...)"
    return "; nothing of that name was logged"


def report_detached(sweep_dir: Path, launcher: str) -> None:
    """Report how to inspect, wait for and cancel trials that are left in a queue."""
    where = shlex.quote(from_here(str(sweep_dir)))
    log.info(
        "the trials were submitted through %s\n"
        "status: herd-results %s\n"
        "wait:   the same command with hydra.sweeper.resume=%s (and hydra.launcher.wait=true); unfinished "
        "trials run again\n"
        "cancel: herd-results cancel %s",
        launcher,
        where,
        where,
        where,
    )


def report_nothing_to_submit(sweep_dir: Path, queued: int) -> None:
    """Report that a sweep that does not wait has nothing to submit, and why."""
    why = f"{counted(queued, 'trial')} already submitted" if queued else "no trial is left to run"
    log.info("nothing to submit: %s; status: herd-results %s", why, shlex.quote(from_here(str(sweep_dir))))


def report_left(left: int, why: str) -> None:
    """Report how many trials the scheduler did not take, if any."""
    if left:
        log.warning(
            "%s not submitted yet: %s; run the same command again when some have ended, and it goes on with them",
            counted(left, "trial"),
            one_line(why),
        )


def counts(states: Mapping[TrialState, int] | Counter[TrialState]) -> str:
    """Return e.g. ``3 completed, 1 failed``."""
    return ", ".join(f"{count} {state}" for state, count in states.items())
