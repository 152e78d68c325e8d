"""The story of a sweep: plan, claim, reconcile, validate, record, launch, collect, report."""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from pathlib import Path

from hydra.errors import CompactHydraException

from hyperherd.errors import HyperherdError
from hyperherd.launch.worker import join_trial, refuse_ranks, trial_to_join
from hyperherd.records.disk.ownership import share_folders
from hyperherd.records.requests import go_on
from hyperherd.records.workers.growth import end_growth
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.deciding import Contest, begun_contest
from hyperherd.sweep.directory import SweepDirectory, claimed
from hyperherd.sweep.messages import report_end, report_preview
from hyperherd.sweep.notifying.notifications import checked_addresses, notifying
from hyperherd.sweep.notifying.notifier import Notifier
from hyperherd.sweep.preview import preview
from hyperherd.sweep.resuming.resume import check_folder, find_plan
from hyperherd.sweep.searching.start import find_search
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.streams import escaping_streams
from hyperherd.sweep.sweep_run import Batches, SweepRun
from hyperherd.sweep.working.order import take_order
from hyperherd.trial.signals import EXIT_CODES, noted_signals

log = logging.getLogger("hyperherd")


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
        # Hydra 1.3 has no `${hydra:...}` in a sweep.
        with noted_signals(of_schedulers=True), hydra_config(app.config), escaping_streams():
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
    search = None
    if settings.sampler is None:
        resumed, plan = find_plan(app, arguments, settings)
    else:
        resumed, search = find_search(app, arguments, settings)
        plan = search.plan
    addresses = checked_addresses(settings.notify)
    timestamped = resumed is None and app.sweep_dir_is_timestamped
    if not timestamped:  # a folder that has this time as its name is another sweep's, and gets nothing from us
        check_folder(resumed or app.sweep_dir, shared=settings.shared)
    share_folders(settings.shared)
    with (
        claimed(resumed or app.sweep_dir, timestamped=timestamped) as directory,
        notifying(settings, addresses, directory.path) as notifier,
    ):
        go_on(directory.path)
        end_growth(directory.path)  # a killed search may have left it, and this sweep says itself whether it grows
        # Held while trials are numbered: two sweeps at once would give one number to two of them.
        if contest := begun_contest(app, arguments, settings, plan):
            return _decide(app, settings, contest.resumed(directory.path), directory, notifier)
        sweep = SweepRun(app, settings, plan, directory, notifier=notifier, search=search)
        sweep.reconcile()
        sweep.record()
        return sweep.launch()


def _decide(
    app: HydraApp, settings: SweepSettings, contest: Contest, directory: SweepDirectory, notifier: Notifier | None
) -> Batches:
    """Run rounds of seeds until the contest is over, and report it as one sweep."""
    batches: Batches = []
    ran: set[int] = set()
    is_clean = True
    following: Contest | None = contest
    while following is not None:
        contest = following
        sweep = SweepRun(app, settings, contest.plan, directory, frozenset(ran), notifier)
        sweep.reconcile()
        sweep.record()
        ran |= sweep.numbers
        batches += sweep.run()
        is_clean = is_clean and sweep.is_clean
        verdict = contest.verdict(directory.path)
        following = None if sweep.was_stopped else contest.after(verdict)
    told = contest.record(verdict, directory.path)
    if notifier is not None and ran:
        notifier.finished(is_clean=is_clean)
    report_end(directory.path)
    log.info(told)
    if not is_clean:
        app.end_multirun()
        raise SystemExit(1)
    return batches
