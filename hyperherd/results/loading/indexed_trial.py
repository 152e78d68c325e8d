"""Trials made of their entries in the index, of which each value is decoded when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hyperherd.errors import FormatError
from hyperherd.masking import masked_params
from hyperherd.metrics.store.foreign import first_results
from hyperherd.paths import SweepPaths
from hyperherd.records.config import KeptSettings
from hyperherd.records.trial import TrialError
from hyperherd.results.files import trial_dir
from hyperherd.results.files.index.block import Block, Row, blocks_of
from hyperherd.results.files.index.entry import STATISTICS, Rest, read_rest
from hyperherd.results.files.recorded_metrics import recorded_metrics
from hyperherd.results.files.trial_json import decode_numbers, read_record
from hyperherd.results.trials.trial import Sweep, Trial

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
_PLACES = {None: 1, "last": 1, "min": 3, "max": 5}
"""Aggregate -> its place among `STATISTICS`."""


@lru_cache(maxsize=64)
def _index_of(sweep_dir: Path) -> Path:
    return SweepPaths(sweep_dir).index


class _Fact:
    """One of the facts that the index has of every trial; like a cached property it gives way to what is set."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, trial: IndexedTrial, _owner: type) -> Any:
        told = trial.__dict__
        return told["_block"].fact(self._name)[told["_at"]]


class _Lazy(Generic[T]):
    """A cached property without the lock that Python 3.11 takes, which is most of its time for thousands of trials."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, trial: Any, _owner: type) -> T:
        value: T
        value = trial.__dict__[self._name] = self._make(trial)
        return value


class IndexedTrial(Trial):
    """A trial that is done, as the index has it."""

    @classmethod
    def of(cls, row: Row, path: str, sweep: Sweep) -> IndexedTrial:
        """Return the trial in the directory `path`."""
        trial = cls.__new__(cls)
        told = trial.__dict__
        block, at = row
        told["_block"], told["_at"], told["_path"], told["sweep"] = block, at, path, sweep
        told["number"], told["state"] = block.fact("number")[at], block.fact("state")[at]
        return trial

    key = _Fact("key")
    started = _Fact("started")
    ended = _Fact("ended")
    seconds = _Fact("seconds")
    attempt = _Fact("attempt")
    step = _Fact("step")
    max_step = _Fact("max_step")
    gpus = _Fact("gpus")

    @property
    def _row(self) -> Row:
        return Row(self.__dict__["_block"], self.__dict__["_at"])

    @_Lazy
    def dir(self) -> Path:
        """Its directory."""
        return Path(self.__dict__["_path"])

    @_Lazy
    def script(self) -> str:
        """The script that its sweep ran."""
        return self.sweep.script

    @_Lazy
    def kept(self) -> KeptSettings | None:
        """What its record says of its config."""
        told = self.__dict__
        block: Block = told["_block"]
        code: int = block.fact("kept")[told["_at"]]
        return block.kept[code]

    @_Lazy
    def params(self) -> dict[str, Any]:
        """Parameter -> typed value."""
        told = self.__dict__
        block: Block = told["_block"]
        return masked_params(dict(zip(block.shape.params, block.params[told["_at"]])))  # noqa: B905 - it is done so often

    @_Lazy
    def final(self) -> dict[str, Any]:
        """Name -> value logged without a step."""
        told = self.__dict__
        block: Block = told["_block"]
        return dict(zip(block.shape.final, block.final[told["_at"]])) if block.shape.final else {}  # noqa: B905

    @_Lazy
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric -> count, last, min, max, their steps and nan."""
        return {name: self.summary(name) for name in self.metric_names}

    @_Lazy
    def phases(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Phase -> metric -> count, last, min, max, their steps and nan there."""
        found = self._record.phases if self._record and self.phase_names else {}
        return {name: decode_numbers(some) for name, some in found.items()}

    @property
    def phase_names(self) -> dict[str, tuple[str, ...]]:
        """Phase -> its metrics, in the order of the phases."""
        block: Block = self.__dict__["_block"]
        return block.phase_names

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics it has logged."""
        block: Block = self.__dict__["_block"]
        return block.shape.metrics

    @property
    def param_names(self) -> tuple[str, ...]:
        """Its parameters."""
        block: Block = self.__dict__["_block"]
        return block.shape.params

    @property
    def final_names(self) -> tuple[str, ...]:
        """What it has logged without a step."""
        block: Block = self.__dict__["_block"]
        return block.shape.final

    @property
    def is_finite(self) -> bool:
        """Whether it is known to have no number but those that JSON has a word for."""
        block: Block = self.__dict__["_block"]
        return block.is_finite and not self._row.fact("others")

    @property
    def dir_text(self) -> str:
        """Its directory as text."""
        path: str = self.__dict__["_path"]
        return path

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of a metric (see :class:`Trial`)."""
        told = self.__dict__
        block: Block = told["_block"]
        start = block.starts.get(name)
        place = _PLACES.get(aggregate)
        if start is None or place is None or name in block.shape.final:
            return super().value(name, aggregate)
        return block.value(start + place)[told["_at"]]

    def summary(self, name: str) -> dict[str, Any]:
        """Return count, last, min, max, their steps and nan of a metric; empty if it has not logged it."""
        told = self.__dict__
        block: Block = told["_block"]
        if name not in block.starts:
            return self._summary_of_phase(name) if ":" in name else {}
        return dict(zip(STATISTICS, block.summaries(name)[told["_at"]]))  # noqa: B905 - it is done so often

    @_Lazy
    def _record(self) -> Rest | None:
        """What the index has of its `trial.json` for few tables; None if that has gone since."""
        try:
            return read_rest(self._row.rest, _index_of(self.sweep.dir))
        except (OSError, FormatError):
            return self._read()

    def _read(self) -> Rest | None:
        """Return what its `trial.json` says now: the index was made by a program of ours, or spoiled by somebody."""
        try:
            found = read_record(self.__dict__["_path"])
        except (OSError, FormatError):
            return None
        if found is None:
            return None
        sweep = self.sweep
        spec = sweep.objective.spec if sweep.objective else None
        told = recorded_metrics(found.record, self.__dict__["_path"], first_results(sweep.dir), spec)
        return Rest.of(found.record, told)

    def state_alone(self) -> dict[str, Any]:
        """Return its state with what the index has of this trial, and not of thousands of others."""
        told = {name: value for name, value in self.__dict__.items() if name not in ("_block", "_at")}
        return {**told, "_entry": self._row.entry()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        """Return the trial that :meth:`state_alone` was asked of."""
        (block,) = blocks_of([state["_entry"]])
        told = {name: value for name, value in state.items() if name != "_entry"}
        return super().of_state({**told, "_block": block, "_at": 0})

    def forget(self) -> None:
        """Let go of what is read of it on demand."""
        for name in ("_record", "metrics", "phases", "objective", "overrides", "resources"):
            self.__dict__.pop(name, None)

    @_Lazy
    def tags(self) -> tuple[str, ...]:
        """The tags that it was given after the fact, sorted."""
        return trial_dir.tags(self.__dict__["_path"])

    @_Lazy
    def name(self) -> str:
        """For people."""
        return self._record.name if self._record else self.label

    @_Lazy
    def overrides(self) -> tuple[str, ...]:
        """Its overrides."""
        return self._record.overrides if self._record else ()

    @property
    def fixed_overrides(self) -> tuple[str, ...]:
        """The overrides of what is not a parameter, but for those of Hydra's own config."""
        return self._row.block.shape.fixed

    @_Lazy
    def objective(self) -> dict[str, Any] | None:
        """How the sweep's objective stands."""
        return self._record.objective if self._record else None

    @_Lazy
    def error(self) -> TrialError | None:
        """The exception that ended it, if there was one."""
        return self._record.error if self._record else None

    @_Lazy
    def reason(self) -> str:
        """Why it is not simply done."""
        if self.error:
            return f"{self.error.type}: {self.error.message}".strip(": ")
        return self._record.stop_reason if self._record else ""

    @_Lazy
    def step_seconds(self) -> float | None:
        """The usual time between two logged steps."""
        return self._record.step_seconds if self._record else None

    @_Lazy
    def resources(self) -> dict[str, Any]:
        """What it has taken of its machine."""
        return self._record.resources if self._record else {}

    @_Lazy
    def alert_counts(self) -> dict[str, int]:
        """Nothing: a trial with alerts has no entry."""
        return {}

    @_Lazy
    def host(self) -> str:
        """Where it ran."""
        return self._record.host if self._record else ""

    @_Lazy
    def job_id(self) -> str | None:
        """The scheduler's number of its job."""
        return self._record.job_id if self._record else None
