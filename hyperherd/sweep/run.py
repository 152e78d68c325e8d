"""The story of a sweep: plan, claim, reconcile, validate, record, launch, collect, tell."""

from __future__ import annotations

import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

import hyperherd
from hyperherd.errors import HyperherdError
from hyperherd.launch.base import JobHandle, TrialJob, TrialLauncher
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.launch.worker import TrialTask, join_trial, refuse_ranks, trial_to_join
from hyperherd.paths import SweepPaths
from hyperherd.records.provenance import git_version
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.collect import Collector
from hyperherd.sweep.directory import claimed
from hyperherd.sweep.failure_policy import Judge, check_policy
from hyperherd.sweep.live_table import watched
from hyperherd.sweep.messages import tell_detached, tell_end, tell_preview, tell_start
from hyperherd.sweep.plan import Plan
from hyperherd.sweep.preview import preview
from hyperherd.sweep.reconcile import Agenda, check_base, reconcile
from hyperherd.sweep.recover import recover
from hyperherd.sweep.resources import check_resources
from hyperherd.sweep.resume import find_plan
from hyperherd.sweep.run_loop import Running
from hyperherd.sweep.selection import select
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.validation.validate import validate
from hyperherd.trial.attempts import next_attempt
from hyperherd.trial.signals import EXIT_CODES, held_back, noted_signals

Batches = list[Sequence[JobReturn]]


def run_sweep(app: HydraApp, arguments: Sequence[str]) -> Batches:
    """Run a sweep, or join a trial of one that runs.

    Args:
        app: the Hydra app that sweeps.
        arguments: the overrides of its command line, sweeps and fixed ones, without those of `hydra.*`.

    Returns:
        What Hydra made of each trial that was run, in batches as they were launched.

    Raises:
        CompactHydraException: the sweep cannot start as asked; the message is for the user.
        SystemExit: 1 if a trial failed, after the users' `on_multirun_end` callbacks; 130 or 143 if it was interrupted.
    """
    try:
        trial_dir = trial_to_join(app.script)
        if trial_dir is not None:
            return _join(app, trial_dir)
        refuse_ranks()
        with noted_signals():
            settings = read_settings(app.config.hydra.sweeper)
            if settings.dry_run:
                tell_preview(preview(app, arguments, settings))
                return []
            return _sweep(app, arguments, settings)
    except HyperherdError as error:
        raise CompactHydraException(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_CODES[signal.SIGINT]) from None


def _join(app: HydraApp, trial_dir: Path) -> Batches:
    returned = join_trial(trial_dir, hydra_context=app.context, config=app.config, task_function=app.task_function)
    _ = returned.return_value  # raises what the rank raised
    return [[returned]]


def _sweep(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> Batches:
    resumed, plan = find_plan(app, arguments, settings)
    timestamped = resumed is None and app.sweep_dir_is_timestamped
    with claimed(resumed or app.sweep_dir, timestamped=timestamped) as directory:
        sweep_dir = directory.path
        base = app.base(plan.fixed)
        before = check_base(sweep_dir, base, allow_drift=settings.allow_drift)
        directories: dict[int, str | None] = {}
        launcher = _launcher(app, settings, sweep_dir, directories)
        agenda = reconcile(sweep_dir, plan.drafts)
        check_resources(agenda.to_run, launcher)
        check_policy(settings.policy, launcher)
        agenda, adopted = recover(agenda, launcher, sweep_dir)
        agenda = select(agenda, settings.only, sweep_dir)
        agenda = _placed(agenda, validate(app, agenda.to_run, sweep_dir, mode=settings.validate))
        directories.update({trial.number: trial.dir for trial in agenda.to_run})
        _record(app, plan, settings, before, base, sweep_dir, agenda)
        tell_start(sweep_dir, plan, agenda, adopted)
        return _run(app, settings, sweep_dir, agenda, launcher, adopted)


def _run(
    app: HydraApp,
    settings: SweepSettings,
    sweep_dir: Path,
    agenda: Agenda,
    launcher: TrialLauncher,
    adopted: Sequence[JobHandle],
) -> Batches:
    """Hand the trials to the launcher, await them unless they are to be left alone, and tell how they ended."""
    awaited = {handle.job.number for handle in adopted} | {trial.number for trial in agenda.to_run}
    trials = [trial for trial in agenda.trials if trial.number in awaited]
    collector = Collector(sweep_dir, trials, launcher.name if launcher.has_queue else None)
    collector.awaiting(adopted)
    judge = Judge(settings.policy, launcher, len(trials))
    metric = settings.objective["metric"] if settings.objective else None
    numbers = [trial.number for trial in agenda.to_run]
    try:
        with watched(launcher, sweep_dir, trials, metric) as look:
            running = Running(launcher, collector, sweep_dir, judge, app.job_label, look)
            if not launcher.waits:
                running.submit(numbers)
                tell_detached(sweep_dir, launcher.name)
                return []
            returned = running.run(numbers) if trials else {}
    except BaseException:  # Ctrl-C, SIGTERM, or whatever a launcher lets through: the books are closed all the same
        with held_back():  # a second Ctrl-C must not leave them half closed
            app.restore_logging()
            is_queued = launcher.has_queue and bool(collector.open)
            collector.close(collector.stopping or "the sweep was interrupted")
            tell_end(sweep_dir)  # now that the table is gone: it would erase that
            if is_queued:
                tell_detached(sweep_dir, launcher.name)
        raise
    tell_end(sweep_dir)
    if not all(standing.state.done for standing in collector.standings.values()):
        app.end_multirun()
        raise SystemExit(1)
    size = settings.max_batch_size or max(len(returned), 1)
    values = [returned[number] for number in sorted(returned)]
    return [values[start : start + size] for start in range(0, len(values), size)]


def _placed(agenda: Agenda, placed: Sequence[PlannedTrial]) -> Agenda:
    """Return `agenda` with the directories that validation found."""
    found = {trial.number: trial for trial in placed}
    trials = tuple(found.get(trial.number, trial) for trial in agenda.trials)
    return replace(agenda, trials=trials, to_run=tuple(placed))


def _record(
    app: HydraApp,
    plan: Plan,
    settings: SweepSettings,
    before: SweepRecord | None,
    base: dict[str, Any],
    sweep_dir: Path,
    agenda: Agenda,
) -> None:
    """Write `sweep.json`, `trials.jsonl`, and Hydra's `multirun.yaml` if this is the first invocation."""
    record = before or SweepRecord(
        name=settings.name or sweep_dir.name,
        created=time.time(),
        script=app.script,
        command=app.command,
        job_name=str(app.config.hydra.job.name),
        space=plan.written,
        base=base,
    )
    replace(
        record,
        space=plan.written,
        base=base,
        objective=settings.objective,
        seed_key=settings.seed_key,
        note=settings.note,
        invocations=[*record.invocations, _invocation(app)],
    ).write(sweep_dir)
    write_planned(sweep_dir, list(agenda.trials))
    if not SweepPaths(sweep_dir).multirun.exists():
        OmegaConf.save(app.config, SweepPaths(sweep_dir).multirun)


def _invocation(app: HydraApp) -> dict[str, Any]:
    return {
        "time": time.time(),
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "hyperherd": hyperherd.__version__,
        "git": git_version(str(Path(app.script).parent)),
    }


def _launcher(
    app: HydraApp, settings: SweepSettings, sweep_dir: Path, directories: Mapping[int, str | None]
) -> TrialLauncher:
    """Return the launcher of the config: the one it offers for trials if it is ours, else a wrapped one.

    Args:
        app: the Hydra app that sweeps.
        settings: `hydra.sweeper`.
        sweep_dir: absolute.
        directories: of the trials, by number; may be filled later.
    """
    plugin = app.launcher(TrialTask(app.task_function, sweep_dir), sweep_dir)
    if offered := getattr(plugin, "trial_launcher", None):
        ours: TrialLauncher = offered()
        return ours

    def has_started(job: TrialJob) -> bool:
        directory = directories.get(job.number)
        return directory is None or next_attempt(sweep_dir / directory) > job.attempt

    return HydraLauncher(plugin, has_started, max_block=settings.max_batch_size, contiguous=app.uses_job_number)
