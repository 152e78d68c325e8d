"""Handing trials to a launcher and taking their ends, as the sweep's policy has it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Protocol

from hydra.core.utils import JobReturn

from hyperherd.errors import HyperherdError
from hyperherd.escape import one_line
from hyperherd.launch.base import JobEnd, JobHandle, JobRequeued, TrialLauncher
from hyperherd.plural import counted
from hyperherd.records.requests import Wish, stop_verdict, take_requests
from hyperherd.records.states import TrialState
from hyperherd.records.status import READMITTED
from hyperherd.sweep.failure_policy import FailureTracker
from hyperherd.sweep.running.backlog import Backlog
from hyperherd.sweep.running.collect import Collector
from hyperherd.sweep.running.queue_reasons import QueueReasons
from hyperherd.trial.checkpoint import PATTERNS, newest_checkpoint
from hyperherd.trial.ending import in_words
from hyperherd.trial.signals import Terminated

log = logging.getLogger("hyperherd")


class Growth(Protocol):
    """Gives further trials as slots come free."""

    @property
    def has_more_slots(self) -> bool:
        """Whether there are more slots than when trials were asked for last."""

    def ended(self, number: int) -> None:
        """Take note that a trial has ended and will not be run again."""

    def more(self, open_trials: int) -> Sequence[int]:
        """Return the numbers of trials that are to be run now, planned and recorded, while others are open."""

    def over(self) -> None:
        """Take note that no more trials are asked for."""


class RunLoop:
    """One launch of a sweep's trials.

    Args:
        launcher: runs them.
        collector: records their submissions and ends.
        judge: decides what follows from failures.
        label: prefix of their jobs' names.
        refreshes: called at every end, and about once a second where the launcher allows it.
        unwanted: returns the trials, and why, that are pruned without having run; each of them once.
        growth: where further trials come from while others run, if the sweep is to grow.
        promoted: returns the paused trials, and why, that are to run on, the first one first.
    """

    def __init__(
        self,
        launcher: TrialLauncher,
        collector: Collector,
        judge: FailureTracker,
        label: str,
        refreshes: Sequence[Callable[[], None]],
        unwanted: Callable[[], Mapping[int, str]] = dict,
        growth: Growth | None = None,
        promoted: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self._launcher = launcher
        self._collector = collector
        self._judge = judge
        self._backlog = Backlog(launcher, collector, label)
        self._reasons = QueueReasons(collector)
        self._refreshes = refreshes
        self._unwanted = unwanted
        self._growth = growth
        self._promoted = promoted
        self._fault: HyperherdError | None = None
        self._returned: dict[int, JobReturn] = {}
        self._dropped: set[int] = set()
        self._to_run_on: set[int] = set()
        self._has_warned = False

    def run(self, numbers: Sequence[int]) -> dict[int, JobReturn]:
        """Run these trials, await them and those that were adopted, and return what became of each.

        Raises:
            SweepError: the launcher refuses them; trials that it took before run on, or were awaited.
            HyperherdError: no more trials can be chosen; those that ran have ended.
        """
        try:
            for part in self._parts(numbers):
                self._add(part)
                self._take_ends(of=set(part) if len(part) < len(numbers) else None)
            self._promote()
            if self._collector.open or self._backlog.numbers:
                self._take_ends()  # of those in a queue that a canary did not wait for
            if self._fault is not None:
                raise self._fault
        except BaseException as error:  # Ctrl-C, SIGTERM, a refusal: trials are asked to stop, and their ends collected
            if isinstance(error, Exception) and not self._collector.stopping:
                message = str(error) if isinstance(error, HyperherdError) else in_words(error)
                self._collector.stopping = f"{self._launcher.name} could not continue: {message}"
            # Jobs in a queue outlive the sweep on purpose; its next invocation awaits them.
            if not self._launcher.has_queue:
                self._backlog.drop(self._backlog.numbers)
                self._hear_out()
            raise
        return self._returned

    def _hear_out(self) -> None:
        """Tell what runs to end, and take its ends; a second Ctrl-C kills it, and one after that leaves it alone."""
        for _ in range(3):
            try:
                self._launcher.cancel(self._collector.open)
                for end in self._ends():
                    self._collector.ended(end)
            except (KeyboardInterrupt, Terminated):
                continue
            return

    def submit(self, numbers: Sequence[int]) -> tuple[int, str]:
        """Hand these trials over and do not wait for them; returns how many the scheduler does not take now, and why.

        Raises:
            SweepError: the launcher refuses all of them.
        """
        self._add(numbers)
        while self._backlog.numbers and not self._backlog.is_full:
            time.sleep(min(self._backlog.seconds_left, 1.0))  # the scheduler does not answer
            self._hand_over()
        return len(self._backlog.numbers), self._backlog.is_full

    def _add(self, numbers: Sequence[int]) -> None:
        self._backlog.add([self._collector.job(number) for number in numbers])
        self._hand_over()

    def _hand_over(self) -> None:
        """Hand over what can be; a trial whose retry is refused has failed for good."""
        for refusal in self._backlog.hand_over():
            number, reason = refusal.job.number, one_line(refusal.reason)
            has_failed = refusal.is_retry and number in self._collector.statuses
            if refusal.is_retry and not has_failed:  # it was paused, or stopped, and was to run on
                self._collector.refused([refusal.job], refusal.reason)
            if not has_failed:
                log.error("trial %d cannot be submitted: %s", number, reason)
                continue
            log.error("trial %d cannot be run again: %s", number, reason)
            self._collector.retry_refused(refusal.job, refusal.reason)
            self._failed_for_good(number)
            self._grow(number)  # its end came before it was to run again

    def _parts(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield what is run together: the canary, and then the others unless it failed."""
        canary = self._judge.policy.canary
        if canary is None or canary >= len(numbers):
            yield numbers
            return
        # The caller takes the ends of these before it asks for the others.
        yield numbers[:canary]
        if verdict := self._judge.canary_verdict(numbers[:canary]) or self._collector.stopping:
            log.error("%s; %s not started", verdict, counted(len(numbers) - canary, "trial"))
        else:
            yield [number for number in numbers[canary:] if number not in self._dropped]

    def _take_ends(self, of: Set[int] | None = None) -> None:
        """Take ends until none is left, or from a queue none of these trials: others there may take days."""
        for end in self._ends():
            number = end.handle.job.number
            self._backlog.room_came()
            self._returned[number] = self._collector.ended(end)
            status = self._collector.statuses[number]
            if not status.state.settled and status.state is not TrialState.CANCELLED:
                self._failed(end.handle)
            self._grow(number)
            self._attend()
            if of is not None and self._launcher.has_queue and not of & self._open_numbers:
                return

    def _ends(self) -> Iterator[JobEnd]:
        while True:
            for end in self._launcher.events():
                if isinstance(end, JobRequeued):
                    self._collector.requeued(end)
                elif end is not None:
                    yield end
                    continue
                self._attend()
            if not self._backlog.numbers:
                return
            time.sleep(min(self._backlog.seconds_left, 1.0))  # nothing runs, and the scheduler takes nothing
            self._attend()

    def _grow(self, number: int) -> None:
        """Run what follows from the end of a trial, unless that runs again."""
        if self._growth is None or number in self._open_numbers:
            return
        self._growth.ended(number)
        self._ask_for_more()

    def _ask_for_more(self) -> None:
        """Run what takes up free slots."""
        if self._growth is None or self._collector.stopping:
            return
        try:
            numbers = self._growth.more(len(self._open_numbers))
        except HyperherdError as error:  # what runs is not to blame, and ends as it would have
            log.error("no more trials are started: %s", one_line(str(error)))
            self._stop_growing()
            self._fault = error
            return
        if numbers:
            self._add(numbers)

    def _stop_growing(self) -> None:
        if self._growth is not None:
            self._growth.over()
            self._growth = None

    @property
    def _open_numbers(self) -> Set[int]:
        return self._backlog.numbers | {handle.job.number for handle in self._collector.open}

    def _failed(self, handle: JobHandle) -> None:
        """Retry a failed trial if the policy allows it, else count it and stop the sweep if that was one too many."""
        number = handle.job.number
        status = self._collector.statuses[number]
        again = None
        if not self._collector.stopping and number not in self._dropped:
            again = self._judge.again(handle.job, status, self._collector.next_attempt(number))
        if again is not None:
            why = f"{status.cause or status.state}: {one_line(status.reason)}"
            log.warning("retrying trial %d after %s", number, why)
            self._collector.retried(number)
            self._backlog.retry(again)
            self._hand_over()
            return
        self._failed_for_good(number)

    def _failed_for_good(self, number: int) -> None:
        self._judge.failed(number, self._collector.error_of(number))
        if self._judge.verdict and not self._collector.stopping:
            self._stop(self._judge.verdict)

    def _attend(self) -> None:
        """Hand over what can be, refresh what others see, and carry out requests to cancel that have arrived since."""
        self._hand_over()
        self._reasons.note(self._launcher.waiting)
        for refresh in self._refreshes:
            refresh()
        if numbers := set(take_requests(self._collector.sweep_dir)):
            # First, so that none of them is retried when its end comes.
            self._dropped |= numbers
            self._backlog.drop(numbers)
            meant = [handle for handle in self._collector.open if handle.job.number in numbers]
            waiting = self._collector.drop(numbers, "cancelled on request")
            if not self._open_numbers - numbers:  # all of them: nothing is to follow
                self._promoted = dict
                if self._growth is not None:
                    self._stop_growing()
                    log.warning("the search asks for no more trials")
            log.warning("%s cancelled on request", counted(len(meant) + len(waiting), "trial"))
            self._launcher.cancel(meant)
        if not self._collector.stopping and stop_verdict(self._collector.sweep_dir) is not None:
            self._stop("herd-results stop was called", logging.WARNING)
        self._prune_unstarted()
        self._run_on()
        if self._growth is not None and self._growth.has_more_slots:
            self._ask_for_more()
        self._promote()

    def _run_on(self) -> None:
        """Run trials on that somebody wants to be; one whose end has not been seen yet when it has."""
        self._to_run_on |= set(take_requests(self._collector.sweep_dir, Wish.CONTINUE.value))
        for number in sorted(self._to_run_on - self._open_numbers):
            self._to_run_on.discard(number)
            status = self._collector.statuses.get(number)
            if status is not None and status.state not in READMITTED:  # it was paused, and has run on meanwhile
                continue
            if self._collector.stopping or (job := self._collector.reopen(number)) is None:
                why = self._collector.stopping or "it is not part of what runs here"
                log.warning("trial %d runs on when the sweep is started again: %s", number, one_line(why))
                continue
            log.info("trial %d is continued", number)
            self._dropped.discard(number)
            self._backlog.retry(job)
            self._hand_over()

    def _promote(self) -> None:
        """Run paused trials on that are among the best of their rung by now."""
        if self._collector.stopping:
            return
        promoted = self._promoted()
        paused = self._collector.paused if promoted else {}
        for number, why in promoted.items():
            if number in self._dropped:  # it was cancelled, and paused before it could know
                continue
            if (job := self._collector.reopen(number)) is not None:
                log.info("trial %d runs on: %s", number, one_line(why))
                self._warn_of_anew(number, paused[number])
                self._backlog.retry(job)
        self._hand_over()

    def _warn_of_anew(self, number: int, trial_dir: Path) -> None:
        """Say once that a trial which runs on may have nothing to go on from."""
        if not self._has_warned and newest_checkpoint(trial_dir) is None:
            self._has_warned = True
            log.warning(
                "trial %d has left no checkpoint (%s) in %s: unless its script goes on from something else, it takes "
                "all its steps again; this is not said of others",
                number,
                ", ".join(PATTERNS),
                one_line(str(trial_dir)),
            )

    def _prune_unstarted(self) -> None:
        """Do without the seeds of configurations that were pruned."""
        if reasons := self._unwanted():
            failed = self._backlog.retries & reasons.keys()
            self._backlog.drop(set(reasons))
            before = len(self._collector.statuses)
            meant = self._collector.prune_unstarted(reasons)
            if count := len(meant) + len(self._collector.statuses) - before:
                log.info("%s of pruned configurations not started", counted(count, "seed"))
            self._launcher.cancel(meant)
            for number in sorted(failed):
                log.warning("trial %d has failed, and is not run again: its configuration was pruned", number)
                self._failed_for_good(number)
            for number in reasons:  # what was cancelled has its end to come
                self._grow(number)

    def _stop(self, verdict: str, level: int = logging.ERROR) -> None:
        self._collector.stopping = f"the sweep stopped: {verdict}"
        self._stop_growing()
        waiting = self._backlog.numbers
        self._backlog.drop(waiting)
        unstarted = self._collector.unstarted
        dropped = len(unstarted) + len(self._collector.drop(waiting, self._collector.stopping))
        also = f"; cancelled {counted(dropped, 'trial')} that had not started" if dropped else ""
        log.log(level, "%s%s", verdict, also)
        self._launcher.cancel(unstarted)
