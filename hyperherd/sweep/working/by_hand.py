"""A worker that was started by hand, in the process of the script: it composes and runs trials as their sweep would.

It holds no lock: what it may run is claimed trial by trial. Where no sweep runs it puts in the queue what nobody else
would start: trials that have not begun, and those whose attempt was cut short by the death of whoever ran it.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.escape import one_line
from hyperherd.launch.local.launcher import LocalLauncher
from hyperherd.launch.worker import TrialTask
from hyperherd.launch.workers.loop import Worker
from hyperherd.launch.workers.sharing import pool_options
from hyperherd.plural import counted
from hyperherd.records.code import changed_files
from hyperherd.records.lock import may_start_trials
from hyperherd.records.provenance.packages import package_versions
from hyperherd.records.requests import go_on, is_readmitted
from hyperherd.records.snapshot import in_use
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import SweepRecord
from hyperherd.records.workers.ledger import Roster
from hyperherd.records.workers.queue import Attempt, has_queue, is_in_queue, is_to_end, put_in_queue
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.failure_policy import Policy
from hyperherd.sweep.resuming.reconcile import GIVEN_UP, QueuedTrial, RunPlan, reconcile
from hyperherd.sweep.resuming.resume import recorded_plan
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.working.order import Order
from hyperherd.trial.attempts import is_abandoned, next_attempt

log = logging.getLogger("hyperherd")


def work_by_hand(app: HydraApp, order: Order) -> None:
    """Run trials of a sweep until nothing is left.

    Raises:
        SweepError: the sweep that runs hands out its trials itself, or has a policy that nobody would enforce.
        KeyboardInterrupt, Terminated: it was told to end.
    """
    record = SweepRecord.read(order.sweep_dir)
    for note in _differences(app, record):
        log.warning(one_line(note))
    settings = read_settings(app.config.hydra.sweeper, app.hydra_overrides)
    policy = [] if order.ignore_policy else _policy(settings)
    if may_start_trials(order.sweep_dir):
        if not has_queue(order.sweep_dir):
            raise SweepError(
                f"the sweep that runs in {order.sweep_dir} hands out its trials itself; start it with "
                "hydra.launcher.workers, or wait for its end"
            )
    else:
        _check_nobody_is_needed(settings, policy, order)
        go_on(order.sweep_dir)
        _queue_the_rest(order.sweep_dir, record)
    worker = _worker(app, order, policy)
    try:
        worker.run()
    finally:
        ended = Counter(map(str, worker.states))
        log.info(
            "ran %s%s", counted(len(worker.states), "trial"), "".join(f", {n} {state}" for state, n in ended.items())
        )


def _worker(app: HydraApp, order: Order, policy: Sequence[str]) -> Worker:
    def is_run() -> bool:
        return may_start_trials(order.sweep_dir)

    task = TrialTask(app.task_function, order.sweep_dir, app.script).of_worker()
    task.snapshot = in_use()
    pool = LocalLauncher(app.context, task, app.config, pool_options(order.at_once), shows_output=False)
    # With a policy it starts nothing more when the sweep is gone, as it would not have begun.
    may_claim = is_run if policy else lambda: True
    return Worker(order.sweep_dir, pool, at_once=order.at_once, may_claim=may_claim, lingers=is_run)


def _differences(app: HydraApp, record: SweepRecord) -> list[str]:
    """Return in what this process differs from that of the sweep."""
    last: Mapping[str, Any] = record.invocations[-1] if record.invocations else {}
    notes = []
    code, packages = last.get("code"), last.get("packages")
    if isinstance(code, dict) and (changed := changed_files(code, app.script)):
        notes.append(f"the code differs from that of the sweep: {', '.join(changed)}")
    here = package_versions()
    other = [
        f"{name} {version} there, {here.get(name, 'none')} here"
        for name, version in (packages.items() if isinstance(packages, dict) else ())
        if here.get(name) != version
    ]
    if other:
        notes.append(f"package versions differ from those of the sweep: {'; '.join(other)}")
    return notes


def _policy(settings: SweepSettings) -> list[str]:
    """Return what a sweep is to do about failures, by the names of the keys of `hydra.sweeper`."""
    names = {
        "retry": "retry",
        "canary": "canary",
        "failures": "stop_after_failures",
        "same_error": "stop_after_same_error",
    }
    given, none = settings.policy, Policy()
    return [
        names[item.name] for item in dataclasses.fields(Policy) if getattr(given, item.name) != getattr(none, item.name)
    ]


def _check_nobody_is_needed(settings: SweepSettings, policy: Sequence[str], order: Order) -> None:
    """Refuse to work without a sweep where nobody does about failures what it was to do; warn of what else it would do.

    Raises:
        SweepError: its policy is not empty.
    """
    if settings.notify is not None:
        log.warning(
            "notifications: no sweep runs in %s, so nobody sends any; `herd-results` shows alerts", order.sweep_dir
        )
    if settings.sampler is not None:
        log.warning(
            "no sweep runs in %s, so nobody chooses further trials of its search: only those that it has chosen run",
            order.sweep_dir,
        )
    if policy:
        raise SweepError(
            f"no sweep runs in {order.sweep_dir}, so nobody would enforce hydra.sweeper.{', '.join(policy)}: run the "
            "sweep's command as well, which awaits the trials of all workers, or pass --ignore-policy"
        )


def _queue_the_rest(sweep_dir: Path, record: SweepRecord) -> None:
    """Put in the queue what no sweep is there to put there."""
    run_plan = reconcile(sweep_dir, recorded_plan(sweep_dir, record).drafts)
    attempts = _unstarted(sweep_dir, run_plan)
    if attempts:
        put_in_queue(sweep_dir, f"by-hand-{socket.gethostname().split('.')[0]}-{secrets.token_hex(3)}", "", attempts)


def _unstarted(sweep_dir: Path, run_plan: RunPlan) -> list[Attempt]:
    """Return what nobody runs and nobody will start."""
    of_others = [one for one in run_plan.queued if not is_in_queue(sweep_dir, one.batch)]
    _report_left_alone(of_others)
    left = {one.trial.number for one in of_others}
    in_queue = {one.trial.number for one in run_plan.queued}
    roster = Roster(sweep_dir)
    roster.news()
    found, unplaced = [], 0
    for trial in run_plan.trials:
        status = run_plan.statuses.get(trial.number)
        if trial.number in left or trial.orphan or status is None:
            continue
        if trial.dir is None:
            unplaced += not status.state.ended
            continue
        following = next_attempt(sweep_dir / trial.dir)
        if status.state in (TrialState.WAITING, TrialState.SUBMITTED):
            # What is in the queue and was claimed nobody else takes from there.
            is_left = is_abandoned(sweep_dir / trial.dir) if following else trial.number not in in_queue
            is_left = is_left or is_readmitted(sweep_dir, trial.number, status.attempt)
        elif status.state is TrialState.CANCELLED:
            # By the death of its worker: of what was cancelled on request the worker has noted the end.
            worker = roster.running.get(Attempt(trial.number, status.attempt))
            is_left = worker is not None and roster.is_dead(worker)
        else:
            is_left = status.state is TrialState.LOST or status.silent > GIVEN_UP
        if is_left and not is_to_end(sweep_dir, attempt := Attempt(trial.number, following)):
            found.append(attempt)
    if unplaced:
        log.warning("left untouched: %s that the sweep has planned and not placed yet", counted(unplaced, "trial"))
    return found


def _report_left_alone(others: Sequence[QueuedTrial]) -> None:
    for launcher, number in Counter(one.launcher for one in others).items():
        log.warning("left untouched: %s submitted through %s as jobs of their own", counted(number, "trial"), launcher)
