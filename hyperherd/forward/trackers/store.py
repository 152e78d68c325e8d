"""Anything with ``log_metrics(run_id=, step=, metrics=)``: what a lab has of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hyperherd.errors import ResultsError
from hyperherd.forward.ledger import Ledger, alone, ledgers
from hyperherd.forward.retries import PAUSES, Retries
from hyperherd.forward.runs import Row, Run, identity
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker
from hyperherd.records.disk.ownership import is_own


class Store(Protocol):
    """What is needed of it.

    With a method ``log_run(run_id=, run=)`` it also gets what a run is beside its history, as a dict that JSON can
    hold, at first and whenever that has changed. With an attribute ``identity``, a text, two stores of one class are
    told apart in later calls: what one has got is not there for the other.
    """

    def log_metrics(self, *, run_id: str, step: int, metrics: Mapping[str, float]) -> object:
        """Take the numbers that were logged at one step; an exception means that it did not."""


def name_of(store: Any) -> str:
    """Return the name under which is kept what a store has got: of its class, and of its ``identity``."""
    kind = type(store)
    mark = identity(f"{kind.__module__}.{kind.__qualname__}", str(getattr(store, "identity", ""))).hex()
    return f"{kind.__name__}-{mark}"


class StoreTracker(Tracker):
    """Sends row by row, and notes what the store has acknowledged in a ledger beside the sweep.

    A store cannot be asked what it has, so what it acknowledged in the instant of a kill is sent to it once more.

    Args:
        store: see `Store`.
        pauses: seconds before each further try of a row that fails.
    """

    def __init__(self, store: Any, pauses: Sequence[float] = PAUSES) -> None:
        if not callable(getattr(store, "log_metrics", None)):
            raise ResultsError(f"{store!r} has no method log_metrics(run_id=, step=, metrics=)")
        self._store = store
        self._name = name_of(store)
        self._retries = Retries(pauses)

    def send(self, run: Run) -> Sent:
        """Send what the store has not acknowledged yet; see `Tracker.send`."""
        if not is_own(run.sweep_dir):
            raise ResultsError(f"{run.sweep_dir} belongs to another user, so what was sent cannot be noted there")
        folder = ledgers(run.sweep_dir, self._name)
        with alone(folder / "lock"):
            ledger = Ledger(folder / run.id)
            try:
                return self._send(run, ledger)
            finally:
                ledger.close()

    def _send(self, run: Run, ledger: Ledger) -> Sent:
        self._retries.begin()
        total = Sent(runs=1)
        if problem := self._describe(run, ledger):
            total += Sent(failed=1, problems=(problem,))
        for row in run.all_rows():
            total += self._row(run, row, ledger)
        return Sent(**{**vars(total), "problems": total.problems[:1]})

    def _describe(self, run: Run, ledger: Ledger) -> str:
        if not callable(getattr(self._store, "log_run", None)):
            return ""
        facts = run.facts()
        mark = identity("run", facts)
        if mark in ledger:
            return ""
        problem = self._retries.offer(lambda: self._store.log_run(run_id=run.id, run=facts))
        if not problem:
            ledger.add([mark])
        return problem

    def _row(self, run: Run, row: Row, ledger: Ledger) -> Sent:
        marks = {name: mark for name, mark in row.identities().items() if mark not in ledger}
        already, left_out = len(row.metrics) - len(marks), len(row.others)
        if not marks:
            return Sent(already=already, left_out=left_out)
        if self._retries.has_given_up:
            return Sent(already=already, left_out=left_out, failed=len(marks))
        metrics = {name: row.metrics[name] for name in marks}
        problem = self._retries.offer(lambda: self._store.log_metrics(run_id=run.id, step=row.step, metrics=metrics))
        if problem:
            problems = (f"{run.sweep}/{run.name}, step {row.step}: {problem}",)
            return Sent(already=already, left_out=left_out, failed=len(marks), problems=problems)
        ledger.add(marks.values())
        return Sent(delivered=len(marks), already=already, left_out=left_out)
