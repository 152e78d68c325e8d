"""MLflow: a run for each trial, in the experiment of its sweep, on a server or in a store of its own.

MLflow gives runs their ids, so ours is the tag `hyperherd.id`, by which a run is found again. Of a run that was there
already, MLflow is asked what it has of the values that the ledger does not know; so nothing is there twice, whether the
store itself drops what it has (SQL) or not (files), and also where the ledger cannot be written.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from hyperherd.errors import ResultsError
from hyperherd.forward.ledger import Ledger, alone, ledgers
from hyperherd.forward.names import mapped
from hyperherd.forward.retries import PAUSES, Retries
from hyperherd.forward.runs import PREFIX, Run, as_text, identity
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker, needed
from hyperherd.records.disk.ownership import is_own
from hyperherd.records.states import TrialState

_BATCH = 500
"""Values in one request; MLflow takes 1,000."""
_SETTINGS = 100
"""Settings or tags in one request, as many as MLflow takes."""
_MOST_NAME, _MOST_TEXT = 250, 5000
_ALLOWED = re.compile(r"[\w.\- /]")
"""What every version of MLflow takes in a name; newer ones take the colon, too."""
_STATUS = {
    TrialState.COMPLETED: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.PAUSED: "FINISHED",
    TrialState.UNKNOWN: "FINISHED",
    TrialState.CANCELLED: "KILLED",
}
_TAG = "tag."


@dataclass(frozen=True)
class _Value:
    """One number, as MLflow knows it."""

    key: str
    value: float
    time: int
    """Milliseconds since 1970."""
    step: int
    mark: bytes
    """Its entry in the ledger."""

    @property
    def place(self) -> tuple[str, int, int]:
        """What no two values of a run share."""
        return self.key, self.step, self.time


class MlflowTracker(Tracker):
    """Sends to an MLflow tracking server, or to a store that MLflow opens itself.

    Args:
        uri: of the server or the store; None: as MLflow finds it (``MLFLOW_TRACKING_URI``).
        experiment: for all runs; None: the name of each run's sweep.
        pauses: seconds before each further try of what fails.

    Raises:
        ResultsError: `mlflow` is not installed, or cannot open the store.
    """

    def __init__(self, uri: str | None = None, experiment: str | None = None, pauses: Sequence[float] = PAUSES) -> None:
        # Read when it is imported: it would call its makers, and print a line for each run.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        self._mlflow = needed("mlflow", "mlflow")
        self._error = needed("mlflow.exceptions", "mlflow").MlflowException
        self._experiment = experiment
        self._experiments: dict[str, str] = {}
        self._retries = Retries(pauses)
        self._asked: set[str] = set()
        try:
            self._client = self._mlflow.MlflowClient(tracking_uri=uri)
        except self._error as error:
            raise ResultsError(f"MLflow cannot open {uri or 'its store'}: {error}") from None
        self._name = f"mlflow-{identity(uri or self._mlflow.get_tracking_uri(), experiment).hex()}"

    def send(self, run: Run) -> Sent:
        """Send what MLflow does not have yet; see `Tracker.send`."""
        self._retries.begin()
        if not is_own(run.sweep_dir):  # Nothing is written there; MLflow itself knows what it has.
            return self._send(run)
        with alone(ledgers(run.sweep_dir, self._name) / "lock"):
            return self._send(run)

    def _send(self, run: Run) -> Sent:
        values, renamed = _values(run)
        left_out = sum(len(row.others) for row in run.rows)
        found: list[Any] = []
        problem = self._retries.offer(lambda: found.append(self._opened(run)), self._is_refusal)
        if problem:
            return Sent(1, 0, 0, left_out, len(values), (f"{run.sweep}/{run.name}: {problem}",), renamed)
        (opened,) = found
        folder = ledgers(run.sweep_dir, self._name) if is_own(run.sweep_dir) else None
        # By MLflow's id, too: in a store that was made anew nothing is there yet.
        ledger = Ledger(folder and folder / f"{run.id}-{identity(opened.info.run_id).hex()}")
        try:
            sent = self._deliver(opened.info.run_id, values, ledger)
        finally:
            ledger.close()
        steps = (self._send_settings, self._send_tags, self._send_state)
        told = [self._retries.offer(partial(step, run, opened), self._is_refusal) for step in steps]
        failed = sent.failed + sum(map(bool, told))
        problems = tuple(f"{run.sweep}/{run.name}: {text}" for text in (*sent.problems, *told) if text)[:1]
        return Sent(1, sent.delivered, sent.already, left_out, failed, problems, renamed)

    def _is_refusal(self, error: Exception) -> bool:
        """Return whether MLflow has answered that it does not take something: trying again does not help."""
        status = getattr(error, "get_http_status_code", None)
        return isinstance(error, self._error) and callable(status) and 400 <= int(status()) < 500

    def _opened(self, run: Run) -> Any:
        """Return MLflow's run, made if there is none."""
        name = (self._experiment or run.sweep or PREFIX)[:_MOST_NAME]
        if name not in self._experiments:
            known = self._client.get_experiment_by_name(name)
            self._experiments[name] = known.experiment_id if known else self._client.create_experiment(name)
        experiment = self._experiments[name]
        found = self._client.search_runs([experiment], f"tags.`{PREFIX}.id` = '{run.id}'", max_results=1)
        if found:
            return found[0]
        made = self._client.create_run(
            experiment, start_time=_millis(run.started), tags={f"{PREFIX}.id": run.id}, run_name=run.name[:_MOST_NAME]
        )
        self._asked.add(made.info.run_id)  # It has nothing yet.
        return made

    def _deliver(self, run_id: str, values: list[_Value], ledger: Ledger) -> Sent:
        pending = [value for value in values if value.mark not in ledger]
        if pending and run_id not in self._asked:
            there = self._there(run_id, {value.key for value in pending})
            ledger.add(value.mark for value in pending if value.place in there)
            pending = [value for value in pending if value.mark not in ledger]
            self._asked.add(run_id)
        sent = Sent(already=len(values) - len(pending))
        for start in range(0, len(pending), _BATCH):
            sent += self._batch(run_id, pending[start : start + _BATCH], ledger)
        return sent

    def _there(self, run_id: str, keys: set[str]) -> set[tuple[str, int, int]]:
        """Return what a run has of some metrics."""
        found: set[tuple[str, int, int]] = set()
        for key in sorted(keys):
            history = self._client.get_metric_history(run_id, key)
            found.update((item.key, item.step, item.timestamp) for item in history)
        return found

    def _batch(self, run_id: str, values: list[_Value], ledger: Ledger) -> Sent:
        if self._retries.has_given_up:
            return Sent(failed=len(values))
        refused: list[Exception] = []

        def is_refusal(error: Exception) -> bool:
            refused[:] = [error] if self._is_refusal(error) else []
            return bool(refused)

        problem = self._retries.offer(partial(self._log, run_id, values, ledger), is_refusal)
        if not problem:
            return Sent(delivered=len(values))
        if not refused:
            self._asked.discard(run_id)  # It may have taken them, and the answer was lost.
        if not refused or len(values) == 1:
            return Sent(failed=len(values), problems=(problem,))
        # One value may be the reason, and must not cost the others.
        half = len(values) // 2
        return self._batch(run_id, values[:half], ledger) + self._batch(run_id, values[half:], ledger)

    def _log(self, run_id: str, values: list[_Value], ledger: Ledger) -> None:
        metric = self._mlflow.entities.Metric
        self._client.log_batch(run_id, metrics=[metric(one.key, one.value, one.time, one.step) for one in values])
        ledger.add(value.mark for value in values)

    def _send_settings(self, run: Run, opened: Any) -> None:
        """Send the settings that are missing; MLflow never lets one change."""
        param = self._mlflow.entities.Param
        settings = {_name(name): _cut(as_text(value)) for name, value in run.settings.items()}
        for part in _parts({name: text for name, text in settings.items() if name not in opened.data.params and text}):
            self._client.log_batch(opened.info.run_id, params=[param(name, text) for name, text in part])

    def _send_tags(self, run: Run, opened: Any) -> None:
        run_id, data, tag = opened.info.run_id, opened.data, self._mlflow.entities.RunTag
        tags = _tags(run)
        for part in _parts({name: text for name, text in tags.items() if data.tags.get(name) != text}):
            self._client.log_batch(run_id, tags=[tag(name, text) for name, text in part])
        for name in data.tags:
            if name.startswith(_TAG) and name not in tags:
                self._client.delete_tag(run_id, name)

    def _send_state(self, run: Run, opened: Any) -> None:
        run_id = opened.info.run_id
        status = _STATUS.get(run.state, "FAILED") if run.has_ended else "RUNNING"
        if not run.has_ended:
            if opened.info.status != status:
                self._client.update_run(run_id, status=status)
        elif (opened.info.status, opened.info.end_time) != (status, _millis(run.ended)):
            self._client.set_terminated(run_id, status, _millis(run.ended))


def _values(run: Run) -> tuple[list[_Value], tuple[tuple[str, str], ...]]:
    """Return all numbers of a run, and the names that MLflow does not take with those it gets."""
    names: dict[str, str] = {}
    found: list[_Value] = []
    for row in run.all_rows():
        at = _millis(row.time if row.time is not None else run.started)
        for name, mark in row.identities().items():
            key = names.setdefault(name, _name(name))
            found.append(_Value(key, row.metrics[name], at, row.step, mark))
    return found, tuple((name, key) for name, key in names.items() if name != key)


def _name(name: str) -> str:
    return mapped(name, _is_taken, lambda char: char.isascii() and bool(_ALLOWED.match(char)), _MOST_NAME)


def _is_taken(name: str) -> bool:
    """Return whether MLflow takes a name: of these characters, and a path below where it is kept."""
    plain = name.isascii() and all(map(_ALLOWED.match, name))
    return plain and posixpath.normpath(name) == name and not name.startswith(("/", "..")) and name != "."


def _tags(run: Run) -> dict[str, str]:
    links = {f"{PREFIX}.{name}": text for name, text in run.links.items()}
    found = {
        f"{PREFIX}.id": run.id,
        f"{PREFIX}.sweep": run.sweep,
        f"{PREFIX}.trial": "" if run.number is None else str(run.number),
        f"{PREFIX}.state": run.state.value,
        f"{PREFIX}.reason": run.reason,
        "mlflow.note.content": run.note,
        "mlflow.source.git.commit": run.links.get("commit", ""),
        **links,
        **{_name(f"final.{name}"): as_text(value) for name, value in run.other_finals.items()},
        **{_name(f"{_TAG}{tag}"): "true" for tag in run.tags},
    }
    return {name: _cut(text) for name, text in found.items() if text}


def _parts(items: dict[str, str]) -> Iterator[list[tuple[str, str]]]:
    listed = list(items.items())
    for start in range(0, len(listed), _SETTINGS):
        yield listed[start : start + _SETTINGS]


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def _millis(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1000)
