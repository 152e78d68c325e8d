"""Whether a trial that runs is to end, as one of its processes knows it.

Invariant: a verdict is the first one that came, and stays; the trial's records say that it ended by it only if its
training was told.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from hyperherd.errors import TrialPruned
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial.notes import VERDICT, note
from hyperherd.trial.ranks import current_rank, world_size

log = logging.getLogger("hyperherd")


_PASSED_BEFORE_WARNING = 2
"""Log calls since the verdict, in a rank that does not end by them: its loop has not asked between these."""


class Judge(Protocol):
    """Judges a trial by what it logs."""

    def judge(self, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
        """Return why the trial is to end, if it is.

        Args:
            metrics: what has been logged together.
            step: at which step.
            phase: in which phase; empty for the one without a name.
        """


class Stopping:
    """Whether the current trial is to end; any thread may ask.

    Args:
        judge: judges what is logged; None: only people end the trial.
    """

    def __init__(self, judge: Judge | None = None) -> None:
        self._judge = judge
        self.verdict: StopVerdict | None = None
        self.is_active = judge is not None
        """Whether a log call has anything to do beside logging."""
        self.is_possible = judge is not None
        """Whether there may be a verdict at all."""
        self.is_told = False
        """Whether the training knows of the verdict."""
        self._trainers = 0
        self._judging = threading.Lock()
        self._has_warned = False
        self._passed = 0

    def judged_by(self, judge: Judge) -> None:
        """Have a judge look at what is logged from now on."""
        self._judge, self.is_active, self.is_possible = judge, True, True

    @property
    def is_judged(self) -> bool:
        """Whether a rule judges what is logged."""
        return self._judge is not None

    def decide(self, verdict: StopVerdict) -> None:
        """Take a verdict, unless there is one."""
        self.verdict = self.verdict or verdict
        self.is_active = True

    def look(self, rows: Iterable[tuple[Mapping[str, Any], int, float]], phase: str) -> None:
        """Have the judge look at what was logged; in further ranks, and after a verdict, it does nothing."""
        if self._judge is None or self.verdict is not None or current_rank():
            return
        with self._judging:
            for metrics, step, _ in rows:
                if self.verdict is None and (found := self._judged(self._judge, metrics, step, phase)):
                    self.decide(found)

    def _judged(self, judge: Judge, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
        try:
            return judge.judge(metrics, step, phase)
        except Exception:  # The boundary to a rule of the user's: its error must not end the training.
            if not self._has_warned:
                self._has_warned = True
                log.warning("the pruning rule failed; training continues, and this is not said again", exc_info=True)
            return None

    def heed(self) -> None:
        """End a loop of the user's own, if there is a verdict, by an exception.

        A trainer that is told by its callback ends by itself; one of several ranks that raised alone would leave the
        others waiting for it.

        Raises:
            TrialPruned: there is a verdict.
        """
        if self.verdict is None or self._trainers:
            return
        if world_size() > 1:
            self.warn_of_ranks()
            return
        raise TrialPruned(self.tell().reason)

    def warn_of_ranks(self) -> None:
        """Say once that rank 0 does not end alone."""
        if self.verdict is None or self.is_told:
            return
        self._passed += 1
        if self._passed == _PASSED_BEFORE_WARNING:
            log.warning(
                "this trial is to end (%s), but it runs in several ranks, which end together only where all of "
                "them ask hyperherd.should_stop() at the same steps, or have our callback",
                self.verdict.reason,
            )

    def refuse_after_end(self) -> None:
        """Refuse to begin anything else in a trial whose training was told to end.

        Raises:
            TrialPruned: it was.
        """
        if self.is_told and self.verdict is not None:
            raise TrialPruned(self.verdict.reason)

    def tell(self) -> StopVerdict:
        """Note that the training is told of the verdict, and return that."""
        assert self.verdict is not None
        if not self.is_told:
            self.is_told = True
            note(VERDICT, {"state": str(self.verdict.state), "reason": self.verdict.reason})
        return self.verdict

    def learn(self) -> StopVerdict:
        """Note that the training is told, in a rank that may only know that rank 0 has a verdict; return that."""
        self.decide(StopVerdict(TrialState.PRUNED, "rank 0 has decided that it ends"))
        return self.tell()

    def trainer_begins(self) -> None:
        """Leave telling the training to the callback of its trainer: until it ends, log calls raise nothing."""
        self._trainers += 1

    def trainer_ends(self) -> None:
        """Take what :meth:`trainer_begins` did back."""
        self._trainers = max(self._trainers - 1, 0)
