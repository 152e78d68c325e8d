"""A sweep that grows: as a slot comes free, the search is asked for the next point, and what it says is recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobHandle, TrialLauncher
from hyperherd.plural import counted
from hyperherd.records.sweep import PlannedTrial, write_planned
from hyperherd.records.workers.growth import end_growth, note_growth
from hyperherd.sweep.resuming.reconcile import RunPlan
from hyperherd.sweep.running.resources import check_resources
from hyperherd.sweep.searching.search import Search
from hyperherd.sweep.validation.validate import Validator

log = logging.getLogger("hyperherd")


class Growing:
    """Has a search choose trials, as many as the launcher has slots for.

    Invariant: a trial is in `trials.jsonl`, with how it was chosen, before it is handed to the launcher.

    Args:
        search: chooses them.
        launcher: runs them.
        validator: of all trials of the sweep.
        sweep_dir: absolute.
        takers: get each trial that is added, before it is launched.

    Raises:
        SweepError: the launcher cannot be given trials while others run.
    """

    def __init__(
        self,
        search: Search,
        launcher: TrialLauncher,
        validator: Validator,
        sweep_dir: Path,
        takers: Sequence[Callable[[Sequence[PlannedTrial]], object]],
    ) -> None:
        self._slots = _slots(launcher)
        self._search = search
        self._launcher = launcher
        self._validator = validator
        self._sweep_dir = sweep_dir
        self._trials: list[PlannedTrial] = []
        self._warned: set[str] = set()
        self._takers = takers

    def begun(self, run_plan: RunPlan, adopted: Sequence[JobHandle]) -> RunPlan:
        """Return a run plan with the trials that the search adds before anything is launched."""
        in_flight = {trial.number for trial in run_plan.to_run} | {handle.job.number for handle in adopted}
        left_alone = {queued.trial.number for queued in run_plan.queued}
        self._search.begin(self._sweep_dir, run_plan.trials, in_flight | left_alone)
        asked = self._search.ask(self._points(self._slots - len(in_flight)))
        self._warned |= check_resources(asked, self._launcher, self._warned)
        return replace(run_plan, trials=(*run_plan.trials, *asked), to_run=(*run_plan.to_run, *asked))

    def planned(self, run_plan: RunPlan) -> None:
        """Take note of the trials that the sweep begins with, and where they run."""
        self._trials = list(run_plan.trials)
        self._search.placed(run_plan.to_run)

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Let workers know, while the block lasts, that they are to wait for trials that follow."""
        if self._launcher.awaits_workers and not self._search.is_complete:
            note_growth(self._sweep_dir)
        try:
            yield
        finally:
            self.over()

    def over(self) -> None:
        """Let workers know that no trials follow."""
        if self._launcher.awaits_workers:
            end_growth(self._sweep_dir)

    @property
    def has_more_slots(self) -> bool:
        """Whether there are more slots than when trials were asked for last: workers that somebody started by hand."""
        return (self._launcher.slots or 0) > self._slots

    def ended(self, number: int) -> None:
        """Take note that a trial has ended and will not be run again."""
        self._search.ended(number)

    def more(self, open_trials: int) -> Sequence[int]:
        """Plan and record what runs next while so many trials are open; return the numbers.

        Raises:
            SweepError: there is nothing that can run, or it cannot be recorded.
        """
        if open_trials and self._launcher.takes_batches:
            return []
        self._slots = self._launcher.slots or self._slots
        asked = self._search.ask(self._points(self._slots - open_trials))
        if not asked:
            return []
        self._warned |= check_resources(asked, self._launcher, self._warned)
        placed = self._validator.placed(asked)
        self._search.placed(placed)
        self._trials += placed
        try:
            write_planned(self._sweep_dir, self._trials)
        except OSError as error:  # what runs may yet be able to write, and ends as it would have
            raise SweepError(f"trials that were chosen cannot be recorded in {self._sweep_dir}: {error}") from error
        for take in self._takers:
            take(placed)
        if self._search.is_complete:
            self.over()
        return [trial.number for trial in placed]

    def _points(self, slots: int) -> int:
        """Return how many points take up free slots, each with one trial for each seed."""
        return -(-slots // self._search.seeds)

    def report(self) -> None:
        """Report how it is going to choose."""
        points, trials = self._search.settings.trials, self._search.trials
        told = counted(points, "point") if trials == points else f"{counted(points, 'point')} ({trials} trials)"
        at_once = counted(self._slots, "trial")
        log.info("search: %s by %s, %s at once", told, self._search.settings.sampler, at_once)
        if self._launcher.takes_batches:
            log.warning(
                "%s runs trials in batches of %d, so the sampler waits until a whole batch has ended; herd_local, "
                "herd_slurm and herd_lsf run the next trial as soon as one has ended",
                self._launcher.name,
                self._slots,
            )
        elif self._search.settings.learns and 1 < self._search.settings.trials <= self._points(self._slots):
            log.warning(
                "%s runs %d trials at once, so all points are chosen before there is any result; let fewer run at once "
                "(hydra.launcher.max_parallel, array_parallelism or workers)",
                self._launcher.name,
                self._slots,
            )


def _slots(launcher: TrialLauncher) -> int:
    if not launcher.waits:
        raise SweepError("hydra.sweeper.sampler needs the trials' values, so hydra.launcher.wait must be true")
    if launcher.slots is not None:
        return launcher.slots
    if launcher.takes_batches:
        raise SweepError(
            f"hydra.sweeper.sampler: {launcher.name} runs trials in batches; give the number of trials in one as "
            "hydra.sweeper.max_batch_size, or choose hydra/launcher=herd_local, herd_slurm or herd_lsf"
        )
    raise SweepError(
        f"hydra.sweeper.sampler chooses trials while others run, and {launcher.name} takes none meanwhile; choose "
        "hydra/launcher=herd_local, herd_slurm or herd_lsf"
    )
