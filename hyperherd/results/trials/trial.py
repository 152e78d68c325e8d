"""One trial as its files tell it, and the sweep it belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hyperherd.errors import ResultsError, nearest
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.text.progress import steps_left

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from matplotlib.figure import Figure

    from hyperherd.results.files.trial_dir import Attempt
    from hyperherd.results.trials.objective import Objective


@dataclass(frozen=True)
class Sweep:
    """The sweep a trial belongs to: one of ours, one of Hydra's, or the folder that a job outside of any lies in."""

    name: str
    dir: Path
    """Absolute."""
    script: str = ""
    command: tuple[str, ...] = ()
    """What to type to run its script alone, before the overrides; empty if it is not recorded."""
    objective: Objective | None = None
    """What the sweep itself says it is judged by."""
    seed_key: str = ""
    """The parameter that repeats a configuration; empty if it is not recorded."""
    note: str = ""
    """What whoever started it said about it."""
    problem: str = ""
    """Which of its own files cannot be read, and why."""

    def __hash__(self) -> int:
        return hash(self.dir)


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial, whether it has run or not."""

    number: int | None
    """Stable within the sweep; None for a Hydra job outside of any."""
    name: str
    dir: Path | None
    """None while only the launcher knows it."""
    sweep: Sweep
    state: TrialState
    cause: FailureCause | None = None
    reason: str = ""
    """Why it is not simply done: the error, the scheduler's verdict, what cannot be read."""
    params: dict[str, Any] = field(default_factory=dict)
    """Parameter -> typed value."""
    overrides: tuple[str, ...] = ()
    key: str = ""
    """Identity of the assignment; empty for trials that HyperHerd did not plan."""
    script: str = ""
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Metric -> count, last, min, max, their steps and nan, as in `trial.json`."""
    final: dict[str, Any] = field(default_factory=dict)
    """Name -> value logged without a step."""
    objective: dict[str, Any] | None = None
    """How the sweep's objective stands: best, its step, the other metrics there and a curve, as in `trial.json`."""
    error: TrialError | None = None
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    """How long it ran, or has run until its last sign of life."""
    silent: float = 0.0
    """Seconds since a stalled trial last gave a sign of life."""
    attempt: int = 0
    step: int | None = None
    max_step: int | None = None
    step_seconds: float | None = None
    """The usual time between two logged steps."""
    host: str = ""
    job_id: str | None = None

    def __repr__(self) -> str:
        settings = " ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"<Trial {self.label} {self.state} {settings}".rstrip() + ">"

    @property
    def unread(self) -> str:
        """Why rows of its metrics that someone asked for could not be read; empty if none were, or all could."""
        told: str = self.__dict__.get("_unread", "")
        return told

    @property
    def command(self) -> list[str]:
        """The command that runs this trial alone, outside of the sweep; empty if its script is not known."""
        return self.command_with(self.overrides)

    def command_with(self, overrides: Iterable[str]) -> list[str]:
        """Return the command that runs its script with these overrides; empty if its script is not known."""
        if not self.script and not self.sweep.command:
            return []
        start = self.sweep.command or ("python", self.script)
        # Where the sweep put its results is no part of what the trial is.
        return [*start, *(item for item in overrides if not item.startswith("hydra.sweep."))]

    @property
    def label(self) -> str:
        """What people call it: its number, else its folder."""
        if self.number is not None:
            return str(self.number)
        return self.dir.name if self.dir else self.name

    @property
    def eta(self) -> float | None:
        """Seconds until its last step, at the usual pace, as of its last sign of life; None if nothing tells."""
        if self.state is not TrialState.RUNNING:
            return None
        return steps_left(self.step, self.max_step, self.step_seconds)

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of metric `name`.

        Args:
            name: the metric.
            aggregate: ``last``, ``max`` or ``min`` over the steps, ``mean:K`` over the last K of them (``mean``: all),
                or ``@STEP``; without it, the value logged without a step if there is one, else the last.

        Returns:
            a number, or whatever JSON value was logged; None if there is none.
        """
        if name in self.final and (aggregate is None or name not in self.metric_names):
            return self.final[name]
        summary = self.summary(name)
        if aggregate in (None, "last", "max", "min") or not summary:
            return summary.get(aggregate or "last")
        from hyperherd.results.files.metric_rows import aggregated

        return aggregated(self, name, aggregate or "last")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics it has logged with steps."""
        return tuple(self.metrics)

    def summary(self, name: str) -> dict[str, Any]:
        """Return count, last, min, max, their steps and nan of a metric; empty if it has not logged it."""
        return self.metrics.get(name, {})

    def history(self, *names: str) -> pa.Table:
        """Return the metric rows that stand (docs/format.md), of all metrics or of some; empty without a directory."""
        from hyperherd.results.files.metric_rows import rows

        return rows(self, names)

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of a metric in the order of their steps; what is no number is NaN.

        Raises:
            KeyError: it has logged no such metric.
        """
        if name not in self.metrics:
            raise KeyError(f"trial {self.label} has no metric {name!r}{nearest(name, self.metrics)}")
        from hyperherd.results.files.metric_rows import series

        return series(self, name)[1]

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole config it ran with, resolved as far as that is possible now; empty if it kept none."""
        from hyperherd.results.files.trial_dir import resolved

        return resolved(self.written_config)

    @cached_property
    def written_config(self) -> dict[str, Any]:
        """Its config as Hydra wrote it, interpolations as text; empty if it kept none."""
        from hyperherd.results.files.trial_dir import written_config

        return written_config(self.dir)

    @property
    def provenance(self) -> dict[str, Any]:
        """Code version, command line and environment, as in `provenance.json`; empty if it kept none."""
        from hyperherd.results.files.trial_dir import provenance

        return provenance(self._folder) if self.dir else {}

    @property
    def note(self) -> str:
        """What was said about it: a text logged as ``note``, else the note of its sweep."""
        own = self.final.get("note")
        return own if isinstance(own, str) else self.sweep.note

    @property
    def attempts(self) -> list[Attempt]:
        """Its executions so far, each with its logs."""
        from hyperherd.results.files.trial_dir import attempts

        return attempts(self._folder) if self.dir else []

    def logs(self) -> list[Path]:
        """Return its log files: what each attempt printed, then the ``*.log`` beside."""
        from hyperherd.results.files.trial_dir import logs

        return logs(self._folder) if self.dir else []

    def open_log(self, stream: str = "stdout", attempt: int | None = None) -> TextIO:
        """Open a log for reading, whatever bytes are in it.

        Args:
            stream: ``stdout``, ``stderr`` or the name of a log file.
            attempt: which one; None: the newest that has it.

        Raises:
            ResultsError: there is none.
        """
        from hyperherd.results.files.trial_dir import log_file

        return open(log_file(self._folder, stream, attempt), encoding="utf-8", errors="replace")

    @property
    def arrays(self) -> dict[str, list[int | None]]:
        """The names of its arrays, and the steps of each; None is the one without a step."""
        from hyperherd.metrics.arrays import list_arrays

        return list_arrays(self._folder) if self.dir else {}

    def array(self, name: str, step: int | None = None) -> np.ndarray[Any, Any]:
        """Return an array it logged; needs NumPy.

        Raises:
            ResultsError: there is none.
        """
        from hyperherd.metrics.arrays import read_array

        try:
            return read_array(self._folder, name, step)
        except FileNotFoundError:
            known = ", ".join(self.arrays) or "none"
            raise ResultsError(f"trial {self.label} has no array {name!r} at step {step}; it has: {known}") from None

    def path(self, name: str | os.PathLike[str] = "") -> Path:
        """Return the place of a file in its directory, whether it exists or not.

        Raises:
            ResultsError: it has no directory yet.
        """
        return self._folder / name

    def files(self, pattern: str = "*") -> list[Path]:
        """Return the files in its directory that match a glob at any depth (``*.pt``), but for hidden ones."""
        from hyperherd.results.files.trial_dir import files

        return files(self._folder, pattern) if self.dir else []

    def copy_in(self, source: str | os.PathLike[str], name: str | None = None) -> Path:
        """Copy a file or folder into its directory and return its place there; nothing is ever overwritten.

        Raises:
            ResultsError: something of that name is there already.
        """
        from hyperherd.results.files.trial_dir import copy_in

        return copy_in(Path(source), self._folder / (name or Path(source).name))

    def move_in(self, source: str | os.PathLike[str], name: str | None = None) -> Path:
        """Move a file or folder into its directory (see :meth:`copy_in`)."""
        from hyperherd.results.files.trial_dir import move_in

        return move_in(Path(source), self._folder / (name or Path(source).name))

    @property
    def _folder(self) -> Path:
        if self.dir is None:
            raise ResultsError(f"trial {self.label} has no directory yet")
        return self.dir

    def plot(self, metric: str | None = None, **look: Any) -> Figure:
        """Return the curve of a metric as a matplotlib Figure; what it takes, :meth:`hyperherd.Trials.plot` says."""
        from hyperherd.results.curves.figures import plot
        from hyperherd.results.trials.collection import Trials

        return plot(Trials([self]), metric, **look)
