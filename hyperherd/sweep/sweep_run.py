"""One run of a sweep: reconcile, validate, record, launch, collect, report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from hyperherd.compat.hydra import config_folders
from hyperherd.errors import SweepError
from hyperherd.launch.base import JobHandle, TrialJob, TrialLauncher
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.launch.worker import TrialTask
from hyperherd.paths import SweepPaths
from hyperherd.pruning.of_sweep import PrunedSeeds
from hyperherd.pruning.promotions import Promotions
from hyperherd.pruning.settings import read_pruner
from hyperherd.records.code import imported_code
from hyperherd.records.sweep import PlannedTrial, SweepRecord, write_planned
from hyperherd.records.workers.growth import end_growth
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.directory import SweepDirectory
from hyperherd.sweep.failure_policy import FailureTracker, check_policy
from hyperherd.sweep.freezing.take import check_launcher, take_snapshot
from hyperherd.sweep.invocation import invocation
from hyperherd.sweep.messages import (
    report_detached,
    report_end,
    report_left,
    report_nothing_to_submit,
    report_start,
)
from hyperherd.sweep.notify_settings import address_files
from hyperherd.sweep.notifying.notifier import LaunchView, Notifier
from hyperherd.sweep.pauses import check_pauses, pauses
from hyperherd.sweep.planning.plan import Plan
from hyperherd.sweep.resuming.drift import check_code, check_drift
from hyperherd.sweep.resuming.pulse import Pulse
from hyperherd.sweep.resuming.reconcile import RunPlan, check_base, reconcile
from hyperherd.sweep.resuming.recover import recover
from hyperherd.sweep.resuming.selection import select
from hyperherd.sweep.running.collect import Collector
from hyperherd.sweep.running.growing import Growing
from hyperherd.sweep.running.live_table import watched
from hyperherd.sweep.running.resources import check_resources
from hyperherd.sweep.running.run_loop import RunLoop
from hyperherd.sweep.searching.search import Search
from hyperherd.sweep.settings import SweepSettings
from hyperherd.sweep.validation.validate import Validator
from hyperherd.trial.attempts import next_attempt
from hyperherd.trial.signals import held_back

log = logging.getLogger("hyperherd")

Batches = list[Sequence[JobReturn]]


class SweepRun:
    """A sweep in progress, in a directory that it holds.

    Args:
        app: the Hydra app that sweeps.
        settings: `hydra.sweeper`.
        plan: what is to be tried.
        directory: where it runs.
        ran: the numbers of trials that earlier rounds of this invocation have run, and which do not run again.
        notifier: tells people about it; None if nobody is to be told.
        search: chooses the trials as it goes; None if the plan has them all.

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
        notifier: Notifier | None = None,
        search: Search | None = None,
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
        self._directories: dict[int, str | None] = {}
        """Of the trials that were launched here, by number."""
        self._ran = ran
        self._notifier = notifier
        self._task = TrialTask(app.task_function, self._dir, app.script)
        if settings.snapshot:
            imported_code(app.script)  # it counts as it is now: what is edited from here on would differ from it
        self._launcher = self._make_launcher()
        self._search = search
        self._validator = Validator(app, self._dir, settings.validate)
        self._takers: list[Callable[[Sequence[PlannedTrial]], object]] = [self._note_directories]
        """Get each trial that is added while others run, before it is launched."""
        self._growing = None
        if search is not None:
            self._growing = Growing(search, self._launcher, self._validator, self._dir, self._takers)
        self.is_clean = True
        """Whether all trials that it ran are done, or paused."""
        self.was_stopped = False
        """Whether a rule on failures, or the launcher, ended it early."""
        if settings.decide and not self._launcher.waits:
            raise SweepError("hydra.sweeper.decide needs the trials' values, so hydra.launcher.wait must be true")
        check_pauses(app, settings)

    @property
    def numbers(self) -> set[int]:
        """The numbers of the trials that are to run."""
        return {trial.number for trial in self._run_plan.to_run}

    def reconcile(self) -> None:
        """Find out which trials are to run, that they can, and where; and which an earlier sweep left in a queue."""
        drafts = self._plan.drafts if self._search is None else self._search.recorded(self._dir)
        run_plan = reconcile(self._dir, drafts, holds_paused=pauses(self._settings))
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
        if self._growing is not None:
            run_plan = self._growing.begun(run_plan, self._adopted)
        if self._settings.snapshot and self._will_start(run_plan):  # before validation, which may take long
            folders = config_folders(self._app.loader)
            without = address_files(self._settings.notify) if self._settings.notify else ()
            self._task.snapshot = take_snapshot(self._dir, self._app.script, self._settings.snapshot, folders, without)
        self._run_plan = _placed(run_plan, self._validator.placed(run_plan.to_run))
        self._validator.placed(run_plan.held)  # which have a place: they may run on
        if self._growing is not None:
            self._growing.planned(self._run_plan)
        self._note_directories(self._run_plan.to_run)

    def _will_start(self, run_plan: RunPlan) -> bool:
        """Return whether a trial may be started now or later: one that is awaited may have to run again."""
        may_follow = bool(self._adopted) or (self._search is not None and not self._search.is_complete)
        return bool(run_plan.to_run or run_plan.held) or (self._launcher.waits and may_follow)

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
        # Of several rounds the first alone is a start.
        begun = [] if self._ran else [invocation(self._app.script, self._dir, self._task.snapshot)]
        replace(
            record,
            space=self._plan.written,
            base=self._base,
            objective=self._settings.one_objective,
            objectives=list(self._settings.objective) if len(self._settings.objective) > 1 else [],
            pruner=self._settings.pruner,
            seed_key=self._settings.seed_key,
            run_once=self._app.run_once,
            no_command=self._app.no_command,
            note=self._settings.note,
            invocations=[*record.invocations, *begun],
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
        if self._notifier is not None and (self._directories or self._adopted):
            self._notifier.finished(is_clean=self.is_clean)
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
        pulse = Pulse(self._dir, trials)
        self._launcher.listen(pulse.sign)
        self._takers += [collector.plan, pulse.add, trials.extend]
        expected = len(trials)
        if self._growing is not None and self._search is not None:
            in_space = sum(not trial.orphan for trial in self._run_plan.trials)
            expected += max(self._search.trials - in_space, 0)
            self._growing.report()
        judge = FailureTracker(self._settings.policy, self._launcher, expected)
        metrics = [objective["metric"] for objective in self._settings.objective]
        end_growth(self._dir)  # of a search that was killed; this sweep may have none, or one that is complete
        try:
            with (
                self._beating(),
                self._growing.announced() if self._growing is not None else nullcontext(),
                watched(self._launcher, self._dir, trials, metrics, expected, self._run_plan.held) as refresh,
                self._told_of(collector, judge) as tell,
            ):
                refreshes = (self._lock.beat, refresh, tell)
                unwanted = self._pruned_seeds(trials)
                loop = RunLoop(
                    self._launcher,
                    collector,
                    judge,
                    self._app.job_label,
                    refreshes,
                    unwanted,
                    self._growing,
                    self._promotions(collector),
                )
                if not self._launcher.waits:
                    if numbers:
                        left, why = loop.submit(numbers)
                        report_detached(self._dir, self._launcher.name)
                        report_left(left, why)
                    else:
                        report_nothing_to_submit(self._dir, len(self._adopted))
                    return []
                returned = loop.run(numbers) if trials or self._run_plan.held else {}
        except BaseException:  # Ctrl-C, SIGTERM, or whatever a launcher lets through: the end is recorded anyway
            with held_back():  # a second Ctrl-C must not leave it half recorded
                self._interrupted(collector)  # now that the table is gone: it would erase what is printed
            raise
        self.is_clean = all(status.state.settled for status in collector.statuses.values())
        self.was_stopped = bool(collector.stopping)
        for warning in self._search.unmatched if self._search else ():
            log.warning(warning)
        return self._batches(returned)

    def _pruned_seeds(self, trials: Sequence[PlannedTrial]) -> Callable[[], Mapping[int, str]]:
        if self._settings.pruner is None:
            return dict
        seeds = PrunedSeeds(self._dir, read_pruner(self._settings.pruner), trials, self._settings.seed_key)
        self._takers.append(seeds.add)
        return seeds.found

    def _promotions(self, collector: Collector) -> Callable[[], Mapping[int, str]]:
        """Return a function that finds the paused trials that are to run on, those of earlier sweeps among them."""
        if not pauses(self._settings) or self._settings.pruner is None:
            return dict
        promotions = Promotions(self._dir, read_pruner(self._settings.pruner))
        collector.hold(self._run_plan.held, self._run_plan.statuses, self._joins)
        return lambda: promotions.found(collector.paused)

    def _joins(self, trial: PlannedTrial) -> None:
        for take in self._takers:
            take([trial])

    def _note_directories(self, trials: Sequence[PlannedTrial]) -> None:
        self._directories.update({trial.number: trial.dir for trial in trials})

    def _beating(self) -> AbstractContextManager[None]:
        """Show other hosts that the sweep runs; where no thread may do so, the launcher's pauses do (`RunLoop`)."""
        return nullcontext() if self._launcher.forks else self._lock.beating()

    @contextmanager
    def _told_of(self, collector: Collector, judge: FailureTracker) -> Iterator[Callable[[], None]]:
        """Yield a function that tells people what is new; it is cheap to call often."""
        if self._notifier is None:
            yield lambda: None
            return
        if not self._launcher.waits:
            log.warning(
                "notifications: with hydra.launcher.wait=false nobody waits for the trials, so nobody sends any; "
                "`herd-results` shows alerts"
            )
            yield lambda: None
            return
        trials = {trial.number: trial for trial in self._run_plan.trials}
        self._takers.append(lambda more: trials.update({trial.number: trial for trial in more}))
        view = LaunchView(
            trials=trials,
            open=lambda: [handle.job.number for handle in collector.open],
            statuses=collector.statuses,
            failed_for_good=lambda: judge.failed_for_good,
            stopping=lambda: collector.stopping,
            retries=bool(self._settings.policy.retry),
        )
        with self._notifier.watching(view, [trial for trial in self._run_plan.trials if self._before]):
            yield self._notifier.refresh

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
        plugin = self._app.launcher(self._task, self._dir)
        if offered := getattr(plugin, "trial_launcher", None):
            ours: TrialLauncher = offered()
            return ours
        if self._settings.snapshot:
            check_launcher(type(plugin))
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
