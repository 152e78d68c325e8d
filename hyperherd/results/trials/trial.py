"""One trial as read from its files, and the sweep it belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from hyperherd.errors import FormatError, ResultsError, nearest
from hyperherd.masking import masked_dict
from hyperherd.metrics.arrays import list_arrays, read_array
from hyperherd.records.alerts import Alert, read_alerts
from hyperherd.records.config import KeptConfig, KeptSettings, config_hash
from hyperherd.records.disk.guarded import open_text
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.files import trial_dir
from hyperherd.results.files.hydra_job import fixed_overrides
from hyperherd.results.files.metric_rows import read_phases, read_rows, read_values
from hyperherd.results.files.optimizers import Optimizer
from hyperherd.results.files.references import followed
from hyperherd.results.text.progress import steps_left
from hyperherd.results.trials.aggregates import aggregated
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.phases import split_phase
from hyperherd.results.values import flat

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from matplotlib.figure import Figure
    from typing_extensions import Self


@dataclass(frozen=True)
class Sweep:
    """The sweep a trial belongs to: one of ours, one of Hydra's, or the folder that a job outside of any lies in."""

    name: str
    dir: Path
    """Absolute."""
    script: str = ""
    command: tuple[str, ...] = ()
    """What to type to run its script alone, before the overrides; empty if it is not recorded."""
    cwd: Path | None = None
    """Where it was started last; None if that is not recorded."""
    run_once: tuple[str, ...] = ()
    """The overrides without which its script would sweep, whatever else it is given."""
    no_command: str = ""
    """Why there is no command that runs one of its trials, and what to do instead; empty if there is one."""
    objective: Objective | None = None
    """The sweep's own objective, if it is one."""
    objectives: tuple[Objective, ...] = ()
    """What an optimizer of Hydra's judges its jobs by; of a sweep of ours, the objectives if they are several."""
    optimizer: Optimizer | None = None
    """The optimizer that chose its trials, and what it found best; None if another sweeper of Hydra's or we did."""
    sampler: str = ""
    """The sampler of ours that chose its trials; empty if none did."""
    seed_key: str = ""
    """The parameter that repeats a configuration; empty if it is not recorded."""
    note: str = ""
    """The note given when it was started."""
    problem: str = ""
    """Which of its own files cannot be read, and why."""

    @property
    def several(self) -> tuple[Objective, ...]:
        """Its objectives, if they are several: then it looks for the best compromises between them."""
        return self.objectives if len(self.objectives) > 1 else ()

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
    phases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """Phase -> metric -> the same there, in their order; empty if there is only the phase without a name (`""`)."""
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
    gpus: float | None = None
    """How many GPUs it was given, or saw; None if that is not known."""
    resources: dict[str, Any] = field(default_factory=dict)
    """What it has taken of its machine, as in `trial.json`; empty until it has ended."""
    kept: KeptSettings | None = None
    """What its record says of its config; None if that is not in its record."""

    alert_counts: dict[str, int] = field(default_factory=dict)
    """Level -> how many alerts of it it has raised, the worst level first."""

    hint: str = ""
    """What it takes to read metrics that lie beside it and were not read; empty if nothing does."""

    plot: ClassVar[Callable[..., Figure]]
    """The curve of a metric as a figure, as :meth:`hyperherd.Trials.plot` draws it.

    What draws knows trials, and not the other way round: `hyperherd.results.api` gives them this method.
    """

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
        if self.sweep.no_command or (not self.script and not self.sweep.command):
            return []
        start = self.sweep.command or ("python", self.script)
        # Where the sweep put its results is not part of the configuration.
        own = (item for item in overrides if not item.startswith("hydra.sweep."))
        return [*start, *self.sweep.run_once, *own]

    @property
    def fixed_overrides(self) -> Sequence[str]:
        """The overrides of what is not a parameter, but for those of Hydra's own config."""
        return fixed_overrides(self.overrides, self.params)

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
            name: the metric, of the last phase that trained with it; ``METRIC:PHASE`` for another phase, and
                ``METRIC:evaluate`` for its last evaluation.
            aggregate: ``last``, ``max`` or ``min`` over the steps, ``mean:K`` over the last K of them (``mean``: all),
                or ``@STEP``; without it, the value logged without a step if there is one, else the last.

        Returns:
            a number, or whatever JSON value was logged; None if there is none.

        Raises:
            ResultsError: there is no such aggregate.
        """
        if name in self.final and (aggregate is None or name not in self.metric_names):
            return self.final[name]
        summary = self.summary(name)
        return (
            aggregated("last" if aggregate is None else aggregate, summary, lambda: self.readable_values(name))
            if summary
            else None
        )

    @property
    def param_names(self) -> tuple[str, ...]:
        """Its parameters."""
        return tuple(self.params)

    @property
    def final_names(self) -> tuple[str, ...]:
        """What it has logged without a step."""
        return tuple(self.final)

    @property
    def is_finite(self) -> bool:
        """Whether it is known to have no number but those that JSON has a word for."""
        return False

    @property
    def dir_text(self) -> str | None:
        """Its directory as text."""
        return None if self.dir is None else str(self.dir)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics it has logged with steps."""
        return tuple(self.metrics)

    @property
    def phase_names(self) -> Mapping[str, Collection[str]]:
        """Phase -> its metrics, in the order of the phases; empty if there is only the phase without a name."""
        return self.phases

    def summary(self, name: str) -> dict[str, Any]:
        """Return count, last, min, max, their steps and nan of a metric; empty if it has not logged it.

        Args:
            name: the metric, or ``METRIC:PHASE``.
        """
        return self.metrics.get(name) or self._summary_of_phase(name)

    def _summary_of_phase(self, name: str) -> dict[str, Any]:
        found = self.asked_phase(name)
        return {} if found is None else self.phases[found[1]][found[0]]

    def asked_phase(self, name: str) -> tuple[str, str] | None:
        """Return the metric and the phase in ``METRIC:PHASE``; None for another name, a metric's included."""
        return None if name in self.metric_names else split_phase(name, self.phase_names)

    def history(self, *names: str) -> pa.Table:
        """Return the metric rows that stand (docs/format.md), of all metrics or of some; empty without a directory.

        Rows of several phases are all there, told apart by the column `phase`, which is there if the trial has more
        than the phase without a name; of ``METRIC:PHASE`` there are those of that phase.
        """
        asked = {name: phase for name in names if (phase := self.asked_phase(name)) is not None}
        plain = [name for name in names if name not in asked]
        if not asked:
            return read_rows(self.dir, plain)
        return read_phases(self.dir, plain, [found for found in asked.values() if found[0] not in plain])

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of a metric in the order of their steps; a value that is not a number is NaN.

        Raises:
            KeyError: it has logged no such metric.
        """
        if not self.summary(name):
            raise KeyError(f"trial {self.label} has no metric {name!r}{nearest(name, self.metrics)}")
        return self._values(name)[1]

    def _values(self, name: str) -> tuple[list[int], list[float]]:
        """Return the steps and values of a metric, read once however many columns are made of it."""
        kept: dict[str, tuple[list[int], list[float]]] = self.__dict__.setdefault("_read", {})
        if name not in kept:
            kept[name] = read_values(self.dir, *(self.asked_phase(name) or (name,)))
        return kept[name]

    def readable_values(self, name: str) -> tuple[list[int], list[float]] | None:
        """Return the steps and values of a metric; None if they cannot be read, which :attr:`unread` then tells."""
        try:
            return self._values(name)
        except (OSError, FormatError) as error:
            self.__dict__["_unread"] = str(error)  # it is frozen, and one bad file must not end a table
            return None

    @cached_property
    def choices(self) -> dict[str, Any]:
        """Config group -> what was chosen of it, Hydra's own left out; empty if that is not known."""
        return self.kept.choices if self.kept is not None else trial_dir.written_choices(self.dir)

    @cached_property
    def config_hash(self) -> str:
        """The same for all configs that differ in nothing but these parameters; empty if it kept none."""
        if self.kept is not None:
            return self.kept.config_hash
        if not self.written_config or self.dir is None:
            return ""
        params = [name for name in self.params if name not in self.choices]
        places = (str(self.dir.absolute()), str(self.sweep.dir), self.name)
        return config_hash(self.written_config, params, places)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The whole config it ran with, as it resolved and kept it; empty if it kept none.

        Where it kept none resolved, references between keys are followed, and what calls a resolver stays as written
        (``${oc.env:HOME}``). Values of keys that look like secrets are masked.
        """
        return masked_dict(self._kept_config.config) if self._kept_config else followed(self.written_config)

    @cached_property
    def written_config(self) -> dict[str, Any]:
        """Its config as Hydra wrote it, interpolations as text; empty if it kept none."""
        return trial_dir.written_config(self.dir) or (self._kept_config.config if self._kept_config else {})

    @cached_property
    def written_values(self) -> dict[str, Any]:
        """The values of its config by dotted name; where they follow from others, the text of the interpolation."""
        if self._kept_config is None:
            return flat(self.written_config)
        return self._kept_config.written_values

    @cached_property
    def _kept_config(self) -> KeptConfig | None:
        return trial_dir.kept_config(self.dir)

    def state_alone(self) -> dict[str, Any]:
        """Return its state, for another process."""
        return self.__dict__

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        """Return the trial that :meth:`state_alone` was asked of."""
        trial = cls.__new__(cls)
        trial.__dict__.update(state)
        return trial

    def forget(self) -> None:
        """Let go of what was read of it on demand, and can be read again: of thousands that is more than memory."""

    @property
    def provenance(self) -> dict[str, Any]:
        """Code version, command line and environment, as in `provenance.json`; empty if it kept none."""
        return trial_dir.provenance(self._folder) if self.dir else {}

    @property
    def note(self) -> str:
        """The note: what was noted after the fact, else a text logged as ``note``, else the note of its sweep."""
        if self.dir is not None and (added := trial_dir.note(self.dir)):
            return added
        own = self.final.get("note")
        return own if isinstance(own, str) else self.sweep.note

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags that it was given after the fact, sorted."""
        return trial_dir.tags(self.dir) if self.dir else ()

    @cached_property
    def alerts(self) -> list[Alert]:
        """What it wanted people to know (:func:`hyperherd.alert`), the earliest first."""
        return read_alerts(self.dir) if self.dir and self.alert_counts else []

    @property
    def attempts(self) -> list[trial_dir.Attempt]:
        """Its executions so far, each with its logs."""
        return trial_dir.attempts(self._folder) if self.dir else []

    def logs(self) -> list[Path]:
        """Return its log files: what each attempt printed, then the ``*.log`` beside."""
        return trial_dir.logs(self._folder) if self.dir else []

    def open_log(self, stream: str = "stdout", attempt: int | None = None) -> TextIO:
        """Open a log for reading, whatever bytes are in it.

        Args:
            stream: ``stdout``, ``stderr`` or the name of a log file.
            attempt: which one; None: the newest that has it.

        Raises:
            ResultsError: there is none.
        """
        return open_text(trial_dir.log_file(self._folder, stream, attempt))

    @property
    def arrays(self) -> dict[str, list[int | None]]:
        """The names of its arrays, and the steps of each; None is the one without a step."""
        return list_arrays(self._folder) if self.dir else {}

    def array(self, name: str, step: int | None = None) -> np.ndarray[Any, Any]:
        """Return an array it logged; needs NumPy.

        Raises:
            ResultsError: there is none.
        """
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
        return trial_dir.files(self._folder, pattern) if self.dir else []

    def copy_in(self, source: str | os.PathLike[str], name: str | None = None) -> Path:
        """Copy a file or folder into its directory and return its place there; nothing is ever overwritten.

        Raises:
            ResultsError: something of that name is there already.
        """
        return trial_dir.copy_in(Path(source), self._folder / (name or Path(source).name))

    def move_in(self, source: str | os.PathLike[str], name: str | None = None) -> Path:
        """Move a file or folder into its directory (see :meth:`copy_in`)."""
        return trial_dir.move_in(Path(source), self._folder / (name or Path(source).name))

    @property
    def _folder(self) -> Path:
        if self.dir is None:
            raise ResultsError(f"trial {self.label} has no directory yet")
        return self.dir
