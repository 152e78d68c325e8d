"""The story of a sweep: plan, claim, reconcile, validate, record, launch, collect, tell."""

from __future__ import annotations

import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

import hyperherd
from hyperherd.errors import HyperherdError
from hyperherd.launch.base import TrialJob, TrialLauncher
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.launch.worker import TrialTask, join_trial, trial_to_join
from hyperherd.overrides import place_overrides
from hyperherd.paths import SweepPaths
from hyperherd.records.provenance import git_version
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.collect import Collector
from hyperherd.sweep.directory import claimed
from hyperherd.sweep.plan import Plan, make_plan
from hyperherd.sweep.preview import preview
from hyperherd.sweep.reconcile import Agenda, check_base, reconcile
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.tell import tell_end, tell_preview, tell_resources, tell_start
from hyperherd.sweep.validate import validate
from hyperherd.trial.attempts import next_attempt
from hyperherd.trial.signals import EXIT_CODES, noted_signals

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
        with noted_signals():
            settings = read_settings(app.config.hydra.sweeper)
            if settings.dry_run:
                tell_preview(preview(app, arguments, settings))
                return []
            return _sweep(app, make_plan(app, arguments, settings), settings)
    except HyperherdError as error:
        raise CompactHydraException(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_CODES[signal.SIGINT]) from None


def _join(app: HydraApp, trial_dir: Path) -> Batches:
    returned = join_trial(trial_dir, hydra_context=app.context, config=app.config, task_function=app.task_function)
    _ = returned.return_value  # raises what the rank raised
    return [[returned]]


def _sweep(app: HydraApp, plan: Plan, settings: SweepSettings) -> Batches:
    with claimed(app.sweep_dir, timestamped=app.sweep_dir_is_timestamped) as directory:
        sweep_dir = directory.path
        base = app.base(plan.fixed)
        before = check_base(sweep_dir, base)
        agenda = reconcile(sweep_dir, plan.drafts)
        agenda = _placed(agenda, validate(app, agenda.to_run, sweep_dir, mode=settings.validate))
        _record(app, plan, settings, before, base, sweep_dir, agenda)
        tell_start(sweep_dir, plan, agenda)
        collector = Collector(sweep_dir, agenda.to_run)
        try:
            batches = _launch(app, settings, sweep_dir, agenda, collector)
        except BaseException:  # Ctrl-C, SIGTERM, or whatever a launcher lets through: the books are closed all the same
            app.restore_logging()
            collector.close("the sweep was interrupted")
            tell_end(sweep_dir)
            raise
        tell_end(sweep_dir)
        if not all(standing.state.done for standing in collector.standings.values()):
            app.end_multirun()
            raise SystemExit(1)
        return batches


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


def _launch(app: HydraApp, settings: SweepSettings, sweep_dir: Path, agenda: Agenda, collector: Collector) -> Batches:
    """Hand the trials to the launcher and collect them as they end."""
    if not agenda.to_run:
        return []
    launcher = _launcher(app, settings, sweep_dir, agenda)
    tell_resources(agenda.to_run, launcher.name)
    handles = launcher.submit([_job(trial, sweep_dir) for trial in agenda.to_run], sweep_dir.name)
    collector.handing_over(handles)
    ended = {}
    try:
        for end in launcher.events():
            ended[end.handle.job.number] = collector.ended(end)
    except BaseException:  # Ctrl-C, SIGTERM: what runs is told to end, and heard out
        launcher.cancel(handles)
        for end in launcher.events():
            collector.ended(end)
        raise
    returned = [ended[handle.job.number] for handle in handles if handle.job.number in ended]
    size = settings.max_batch_size or len(returned)
    return [returned[start : start + size] for start in range(0, len(returned), size)]


def _launcher(app: HydraApp, settings: SweepSettings, sweep_dir: Path, agenda: Agenda) -> TrialLauncher:
    """Return the launcher of the config: the one it offers for trials if it is ours, else a wrapped one."""
    plugin = app.launcher(TrialTask(app.task_function, sweep_dir), sweep_dir)
    if offered := getattr(plugin, "trial_launcher", None):
        ours: TrialLauncher = offered()
        return ours
    directories = {trial.number: trial.dir for trial in agenda.to_run}

    def has_started(job: TrialJob) -> bool:
        directory = directories[job.number]
        return directory is None or next_attempt(sweep_dir / directory) > job.attempt

    return HydraLauncher(plugin, has_started, max_block=settings.max_batch_size, contiguous=app.uses_job_number)


def _job(trial: PlannedTrial, sweep_dir: Path) -> TrialJob:
    attempt = next_attempt(sweep_dir / trial.dir) if trial.dir is not None else 0
    return TrialJob(trial.number, attempt, (*trial.overrides, *place_overrides(sweep_dir, trial.dir)))
