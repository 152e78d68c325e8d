"""Weights & Biases: an offline run for each trial, below `wandb/` of a folder, which ``wandb sync`` uploads.

Such a file cannot be added to by another process, so a run that has changed is written again: whole, in a folder
beside, which then takes the place of the old one. So a kill leaves the old run or the new one, and a folder that the
next call removes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, ResultsError
from hyperherd.forward.ledger import alone
from hyperherd.forward.names import mapped
from hyperherd.forward.retries import Retries
from hyperherd.forward.runs import PREFIX, Run
from hyperherd.forward.sent import Sent
from hyperherd.forward.trackers.base import Tracker, needed
from hyperherd.records.disk.files import dumps, read_json, replace_json
from hyperherd.records.states import TrialState
from hyperherd.results.values import Gap, lookup

_MARK = "hyperherd.json"
"""Beside the run's own file: which run it is, and a hash of all that went into it."""
_GOOD = (
    TrialState.COMPLETED,
    TrialState.PRUNED,
    TrialState.PAUSED,
    TrialState.UNKNOWN,
    TrialState.RUNNING,
)
_RESERVED = ("_step", "_timestamp", "_runtime", "_wandb")
_MOST = 128
"""Characters of a name."""
History = dict[int, tuple[float | None, dict[str, float]]]
"""Step -> when it was logged, and all that was: W&B has one row for each step."""


class WandbTracker(Tracker):
    """Writes offline runs; nothing is uploaded.

    Args:
        folder: made if it is missing.
        project: of all runs; None: the name of each run's sweep.

    Raises:
        ResultsError: `wandb` is not installed.
    """

    def __init__(self, folder: Path, project: str | None = None) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # Read when it is imported: it would call its makers.
        self._wandb = needed("wandb", "wandb")
        self._folder = folder
        self._project = project
        self._retries = Retries()

    def close(self) -> None:
        """End the process that wrote the files."""
        self._wandb.teardown()

    def send(self, run: Run) -> Sent:
        """Write the run if it has changed; see `Tracker.send`."""
        content = dumps([self._project, run.facts(), [vars(row) for row in run.rows]])
        mark = {"id": run.id, "digest": hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()}
        history, renamed = _history(run)
        total = sum(len(values) for _, values in history.values())
        told = _refused(run)
        place = self._folder / "wandb" / f"offline-run-{_moment(run)}-{run.id}"
        with alone(self._folder / ".hyperherd.lock"):
            self._tidy(run, place)
            if _marked(place) == mark:
                return replace(told, already=total, renamed=renamed)
            problem = self._retries.offer(partial(self._write, run, history, place, mark))
        if problem:
            return replace(told, failed=told.failed + total, problems=(f"{run.sweep}/{run.name}: {problem}",))
        return replace(told, delivered=total, renamed=renamed)

    def _tidy(self, run: Run, place: Path) -> None:
        """Remove what a killed call was writing, and bring back the run that it was about to replace."""
        for leftover in (self._folder / "wandb").glob(f".{PREFIX}-*-{run.id}"):
            if leftover.name.startswith(f".{PREFIX}-old-") and not place.exists():
                leftover.rename(place)
            else:
                shutil.rmtree(leftover, ignore_errors=True)  # Its writer, a process of its own, may still be ending.
        if place.exists() and _marked(place).get("id") != run.id:
            raise ResultsError(f"{place} was not written by {PREFIX}; choose another folder")
        for earlier in (self._folder / "wandb").glob(f"offline-run-*-{run.id}"):
            if earlier != place and _marked(earlier).get("id") == run.id:
                shutil.rmtree(earlier)

    def _write(self, run: Run, history: History, place: Path, mark: dict[str, str]) -> None:
        made = place.parent / f".{PREFIX}-new-{secrets.token_hex(4)}-{run.id}"
        made.mkdir(parents=True)
        try:
            self._log(run, history, made)
            (written,) = (made / "wandb").glob("offline-run-*")
            _sync(written)
            replace_json(written / _MARK, mark)
            old = place.parent / f".{PREFIX}-old-{secrets.token_hex(4)}-{run.id}"
            if place.exists():
                place.rename(old)
            written.rename(place)
            if old.exists():
                shutil.rmtree(old)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _log(self, run: Run, history: History, folder: Path) -> None:
        missing = {name: value for name, value in run.params.items() if isinstance(lookup(run.config, name), Gap)}
        facts = {name: value for name, value in run.facts().items() if name not in ("config", "params", "final")}
        opened = self._wandb.init(
            project=_named(self._project or run.sweep),
            id=run.id,
            name=_named(run.name),
            group=_named(run.sweep),
            tags=run.tags,
            notes=run.note or None,
            config={**run.config, **missing, PREFIX: facts},
            settings=self._settings(run, folder),
            reinit="create_new",
        )
        for step, (at, metrics) in history.items():
            opened.log({**metrics, "_timestamp": at or run.started or 0.0}, step=step)
        opened.summary.update(run.final)
        opened.finish(exit_code=0 if run.state in _GOOD else 1)

    def _settings(self, run: Run, folder: Path) -> Any:
        """Return settings by which nothing of this machine and this process is taken for the trial's."""
        return self._wandb.Settings(
            mode="offline",
            root_dir=str(folder),
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            x_start_time=run.started or 0.0,
        )


def _refused(run: Run) -> Sent:
    """Return how many values of a run W&B does not take."""
    below = sum(len(row.metrics) for row in run.rows if row.step < 0)
    problems = (f"{run.sweep}/{run.name}: W&B takes no step below 0",) if below else ()
    return Sent(1, left_out=sum(len(row.others) for row in run.rows), failed=below, problems=problems)


def _history(run: Run) -> tuple[History, tuple[tuple[str, str], ...]]:
    """Return the history in the order of steps, and the names that W&B does not take."""
    found: History = {}
    taken = sorted((row for row in run.rows if row.step >= 0), key=lambda row: row.step)
    names = {name: _metric(name) for row in taken for name in row.metrics}
    for row in taken:
        at, metrics = found.get(row.step, (None, {}))
        times = [time for time in (at, row.time) if time is not None]
        values = {names[name]: value for name, value in row.metrics.items()}
        found[row.step] = (max(times, default=None), {**metrics, **values})
    return found, tuple((name, other) for name, other in names.items() if name != other)


def _metric(name: str) -> str:
    return mapped(name, lambda text: text not in _RESERVED and text.isprintable(), str.isprintable, _MOST * 2)


def _named(text: str) -> str:
    """Return the name of a run, a group or a project, without what their addresses have a meaning for."""
    return mapped(text, lambda found: not set(found) & set("/\\#?%:"), lambda char: char not in "/\\#?%:", _MOST)


def _moment(run: Run) -> str:
    return time.strftime("%Y%m%d_%H%M%S", time.gmtime(run.started or 0.0))


def _marked(place: Path) -> dict[str, Any]:
    try:
        return read_json(place / _MARK)
    except (FileNotFoundError, NotADirectoryError, FormatError):
        return {}


def _sync(folder: Path) -> None:
    for path in folder.glob("*.wandb"):
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
