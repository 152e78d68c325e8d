"""The story of a sweep: plan, claim, reconcile, validate, record, launch, collect, report."""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

import hyperherd
from hyperherd.errors import HyperherdError, SweepError
from hyperherd.launch.base import JobHandle, TrialJob, TrialLauncher
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.launch.worker import TrialTask, join_trial, refuse_ranks, trial_to_join
from hyperherd.paths import SweepPaths
from hyperherd.records.code import imported_code
from hyperherd.records.disk.ownership import share_folders
from hyperherd.records.provenance import git_version, package_versions
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.deciding import Contest, begun_contest
from hyperherd.sweep.directory import SweepDirectory, claimed
from hyperherd.sweep.failure_policy import FailureTracker, check_policy
from hyperherd.sweep.messages import (
    report_detached,
    report_end,
    report_left,
    report_nothing_to_submit,
    report_preview,
    report_start,
)
from hyperherd.sweep.planning.plan import Plan
from hyperherd.sweep.preview import preview
from hyperherd.sweep.resuming.drift import check_code, check_drift
from hyperherd.sweep.resuming.pulse import Pulse
from hyperherd.sweep.resuming.reconcile import RunPlan, check_base, reconcile
from hyperherd.sweep.resuming.recover import recover
from hyperherd.sweep.resuming.resume import check_folder, find_plan
from hyperherd.sweep.resuming.selection import select
from hyperherd.sweep.running.collect import Collector
from hyperherd.sweep.running.live_table import watched
from hyperherd.sweep.running.resources import check_resources
from hyperherd.sweep.running.run_loop import RunLoop
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.validation.validate import validate
from hyperherd.sweep.working.order import take_order
from hyperherd.trial.attempts import next_attempt
from hyperherd.trial.signals import EXIT_CODES, held_back, noted_signals

log = logging.getLogger("hyperherd")

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
        order = take_order()
        with noted_signals(of_schedulers=True), hydra_config(app.config):  # Hydra 1.3 has no `${hydra:...}` in a sweep
            if order is not None:
                from hyperherd.sweep.working.by_hand import work_by_hand  # with the pool of processes, rarely needed

                work_by_hand(app, order)
                return []
            settings = read_settings(app.config.hydra.sweeper, app.hydra_overrides)
            if settings.dry_run:
                report_preview(preview(app, arguments, settings))
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
    # Before the directory is claimed: a mistake in the space leaves nothing on the disk.
    resumed, plan = find_plan(app, arguments, settings)
    timestamped = resumed is None and app.sweep_dir_is_timestamped
    if not timestamped:  # a folder that has this time as its name is another sweep's, and gets nothing from us
        check_folder(resumed or app.sweep_dir, shared=settings.shared)
    share_folders(settings.shared)
    with claimed(resumed or app.sweep_dir, timestamped=timestamped) as directory:
        # Held while trials are numbered: two sweeps at once would give one number to two of them.
        if contest := begun_contest(app, arguments, settings, plan):
            return _decide(app, settings, contest.resumed(directory.path), directory)
        sweep = SweepRun(app, settings, plan, directory)
        sweep.reconcile()
        sweep.record()
        return sweep.launch()


def _decide(app: HydraApp, settings: SweepSettings, contest: Contest, directory: SweepDirectory) -> Batches:
    """Run rounds of seeds until the contest is over, and report it as one sweep."""
    batches: Batches = []
    ran: set[int] = set()
    is_clean = True
    following: Contest | None = contest
    while following is not None:
        contest = following
        sweep = SweepRun(app, settings, contest.plan, directory, frozenset(ran))
        sweep.reconcile()
        sweep.record()
        ran |= sweep.numbers
        batches += sweep.run()
        is_clean = is_clean and sweep.is_clean
        verdict = contest.verdict(directory.path)
        following = None if sweep.was_stopped else contest.after(verdict)
    told = contest.record(verdict, directory.path)
    report_end(directory.path)
    log.info(told)
    if not is_clean:
        app.end_multirun()
        raise SystemExit(1)
    return batches


class SweepRun:
    """A sweep in progress, in a directory that it holds.

    Args:
        app: the Hydra app that sweeps.
        settings: `hydra.sweeper`.
        plan: what is to be tried.
        directory: where it runs.
        ran: the numbers of trials that earlier rounds of this invocation have run, and which do not run again.

    Raises:
        SweepError: the directory holds another sweep, or the launcher cannot start jobs.
    """

    def __init__(
        self,
        app: HydraApp,
        settings: SweepSettings,
        plan: Plan,
        directory: SweepDirectory,
        ran: frozenset[int] = frozenset(),
    ) -> None:
        self._app = app
        self._settings = settings
        self._plan = plan
        self._dir = directory.path
        self._lock = directory.lock
        self._base = app.base(plan.fixed)
        self._before = check_base(self._dir, self._base, allow_drift=settings.allow_drift)
        self._run_plan = RunPlan((), ())
        self._adopted: Sequence[JobHandle] = ()
        self._directories: Mapping[int, str | None] = {}
        self._ran = ran
        self._launcher = self._make_launcher()
        self.is_clean = True
        """Whether all trials that it ran are done."""
        self.was_stopped = False
        """Whether a rule on failures, or the launcher, ended it early."""
        if settings.decide and not self._launcher.waits:
            raise SweepError("hydra.sweeper.decide needs the trials' values, so hydra.launcher.wait must be true")

    @property
    def numbers(self) -> set[int]:
        """The numbers of the trials that are to run."""
        return {trial.number for trial in self._run_plan.to_run}

    def reconcile(self) -> None:
        """Find out which trials are to run, that they can, and where; and which an earlier sweep left in a queue."""
        run_plan = reconcile(self._dir, self._plan.drafts)
        # All trials, whether they are to run or not: what has run is compared with what would run now.
        check_drift(self._app, run_plan.trials, self._dir, allow_drift=self._settings.allow_drift)
        if self._before:
            check_code(self._app, self._before, run_plan, self._dir, refuse=self._settings.on_code_change == "refuse")
        check_resources(run_plan.to_run, self._launcher)
        check_policy(self._settings.policy, self._launcher)
        self._launcher.listen(Pulse(self._dir, run_plan.trials).sign)
        # Before the selection: jobs in a queue are awaited whether `only` means them or not.
        with self._beating():  # an outage of the scheduler is waited for
            run_plan, self._adopted = recover(run_plan, self._launcher, self._dir)
        run_plan = select(run_plan, self._settings.only, self._dir)
        run_plan = replace(run_plan, to_run=tuple(one for one in run_plan.to_run if one.number not in self._ran))
        self._run_plan = _placed(
            run_plan, validate(self._app, run_plan.to_run, self._dir, mode=self._settings.validate)
        )
        self._directories = {trial.number: trial.dir for trial in self._run_plan.to_run}

    def record(self) -> None:
        """Write `sweep.json`, `trials.jsonl`, and Hydra's `multirun.yaml` if this is the first invocation."""
        record = self._before or SweepRecord(
            name=self._settings.name or self._dir.name,
            created=time.time(),
            script=self._app.script,
            command=self._app.command,
            job_name=str(self._app.config.hydra.job.name),
            space=self._plan.written,
            base=self._base,
        )
        replace(
            record,
            space=self._plan.written,
            base=self._base,
            objective=self._settings.objective,
            seed_key=self._settings.seed_key,
            run_once=self._app.run_once,
            no_command=self._app.no_command,
            note=self._settings.note,
            invocations=[*record.invocations, *([] if self._ran else [_invocation(self._app)])],
        ).write(self._dir)
        write_planned(self._dir, list(self._run_plan.trials))
        # Never rewritten: it is the config that the first trials ran with.
        if not SweepPaths(self._dir).multirun.exists():
            OmegaConf.save(self._app.config, SweepPaths(self._dir).multirun)

    def launch(self) -> Batches:
        """Hand the trials to the launcher, wait for them unless `wait` is false, and report how they ended."""
        batches = self.run()
        if not self._launcher.waits:
            return []
        report_end(self._dir)
        if not self.is_clean:
            self._app.end_multirun()
            raise SystemExit(1)
        return batches

    def run(self) -> Batches:
        """Hand the trials to the launcher, and wait for them unless `wait` is false."""
        report_start(self._dir, self._plan, self._run_plan, self._adopted)
        numbers = [trial.number for trial in self._run_plan.to_run]
        awaited = {handle.job.number for handle in self._adopted}.union(numbers)
        trials = [trial for trial in self._run_plan.trials if trial.number in awaited]
        queue = self._launcher.name if self._launcher.has_queue else None
        collector = Collector(self._dir, trials, queue, lambda: self._launcher.cluster)
        collector.awaiting(self._adopted)
        self._launcher.listen(Pulse(self._dir, trials).sign)
        judge = FailureTracker(self._settings.policy, self._launcher, len(trials))
        metric = self._settings.objective["metric"] if self._settings.objective else None
        try:
            with self._beating(), watched(self._launcher, self._dir, trials, metric) as refresh:
                loop = RunLoop(self._launcher, collector, judge, self._app.job_label, (self._lock.beat, refresh))
                if not self._launcher.waits:
                    if numbers:
                        left, why = loop.submit(numbers)
                        report_detached(self._dir, self._launcher.name)
                        report_left(left, why)
                    else:
                        report_nothing_to_submit(self._dir, len(self._adopted))
                    return []
                returned = loop.run(numbers) if trials else {}
        except BaseException:  # Ctrl-C, SIGTERM, or whatever a launcher lets through: the end is recorded anyway
            with held_back():  # a second Ctrl-C must not leave it half recorded
                self._interrupted(collector)  # now that the table is gone: it would erase what is printed
            raise
        self.is_clean = all(status.state.done for status in collector.statuses.values())
        self.was_stopped = bool(collector.stopping)
        return self._batches(returned)

    def _beating(self) -> AbstractContextManager[None]:
        """Show other hosts that the sweep runs; where no thread may do so, the launcher's pauses do (`RunLoop`)."""
        return nullcontext() if self._launcher.forks else self._lock.beating()

    def _interrupted(self, collector: Collector) -> None:
        """Record and report how far the sweep came."""
        self._app.restore_logging()
        is_queued = self._launcher.has_queue and bool(collector.open)  # before the collector forgets them
        collector.close(collector.stopping or "the sweep was interrupted")
        report_end(self._dir)
        if is_queued:
            report_detached(self._dir, self._launcher.name)

    def _batches(self, returned: Mapping[int, JobReturn]) -> Batches:
        size = self._settings.max_batch_size or max(len(returned), 1)
        values = [returned[number] for number in sorted(returned)]
        return [values[start : start + size] for start in range(0, len(values), size)]

    def _make_launcher(self) -> TrialLauncher:
        """Return the launcher of the config: the one it offers for trials if it is ours, else a wrapped one."""
        plugin = self._app.launcher(TrialTask(self._app.task_function, self._dir, self._app.script), self._dir)
        if offered := getattr(plugin, "trial_launcher", None):
            ours: TrialLauncher = offered()
            return ours
        return HydraLauncher(
            plugin,
            self._has_started,
            max_block=self._settings.max_batch_size,
            contiguous=self._app.uses_job_number,
        )

    def _has_started(self, job: TrialJob) -> bool:
        """Return whether a job was ever begun, as far as can be seen."""
        directory = self._directories.get(job.number)
        return directory is None or next_attempt(self._dir / directory) > job.attempt


def _placed(run_plan: RunPlan, placed: Sequence[PlannedTrial]) -> RunPlan:
    """Return `run_plan` with the directories that validation found."""
    found = {trial.number: trial for trial in placed}
    trials = tuple(found.get(trial.number, trial) for trial in run_plan.trials)
    return replace(run_plan, trials=trials, to_run=tuple(placed))


def _invocation(app: HydraApp) -> dict[str, Any]:
    return {
        "time": time.time(),
        "argv": sys.argv,
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "hyperherd": hyperherd.__version__,
        "packages": package_versions(),
        "git": git_version(str(Path(app.script).parent)),
        "code": imported_code(app.script),
    }
