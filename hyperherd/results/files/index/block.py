"""Trials of an index that have the same names, column by column; a column is decoded when it is first asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate, islice, repeat
from typing import Any, NamedTuple

from hyperherd.errors import FormatError
from hyperherd.records.config import KeptSettings
from hyperherd.records.disk import kinds
from hyperherd.records.disk.guarded import RECORD_BYTES
from hyperherd.records.states import TrialState
from hyperherd.results.files.index.columns import ODD_JSON, REAL, WHOLE, decoded, encoded
from hyperherd.results.files.index.entry import FACTS, STATISTICS, IndexEntry, Shape

MOST = 2048
"""Trials of a block: so many are held in memory as Python's own values while an index is made."""
_LEAD = ("place", "time", "size", "inode", "others", "kept", "end")
"""The columns before `FACTS`; the last one is where the rest of each trial ends."""
_DONE = frozenset(state.value for state in TrialState if state.done)
_STATES = {state.value: state for state in TrialState}
_AFTER = len(_LEAD) + len(FACTS)
_WIDTH = 8
"""Bytes of a number."""
_PLAIN = frozenset({int, float, type(None)})

ReadRest = Callable[[int, int], bytes]
"""Returns some bytes of the rest, by their start and their number."""


_KINDS: dict[str, kinds.Kind] = {
    "others": kinds.text,
    "place": kinds.path,
    "time": kinds.whole,
    "size": kinds.whole,
    "inode": kinds.whole,
    "end": kinds.whole,
    "number": kinds.whole,
    "state": _DONE.__contains__,
    "key": kinds.text,
    "attempt": kinds.count,
    "started": kinds.optional(kinds.moment),
    "ended": kinds.optional(kinds.moment),
    "seconds": kinds.optional(kinds.seconds),
    "step": kinds.optional(kinds.whole),
    "max_step": kinds.optional(kinds.whole),
    "gpus": kinds.optional(kinds.amount),
}
"""What a `trial.json` may have there: the file may be anybody's."""


class Row(NamedTuple):
    """One trial of a block."""

    block: Block
    at: int

    @property
    def rest(self) -> bytes:
        """What few tables need, as JSON.

        Raises:
            OSError: it may not be read any more.
            FormatError: it is not there.
        """
        return self.block.rest(self.at)

    def fact(self, name: str) -> Any:
        """Return one of `FACTS`, or of where the trial lies."""
        return self.block.fact(name)[self.at]

    def entry(self) -> IndexEntry:
        """Return all that is kept of the trial."""
        block, at = self
        first = len(block.shape.params) + len(block.shape.final)
        after = first + len(STATISTICS) * len(block.shape.metrics)
        params, final = list(block.params[at]), list(block.final[at])
        statistics = [block.value(place)[at] for place in range(first, after)]
        signature = (self.fact("time"), self.fact("size"), self.fact("inode"))
        facts = [self.fact(name) for name in FACTS]
        facts[FACTS.index("state")] = facts[FACTS.index("state")].value
        kept = block.kept[self.fact("kept")]
        lead = (self.fact("place"), signature, self.fact("others"), block.shape, facts)
        try:
            rest = self.rest
        except (OSError, FormatError):  # It has gone; who asks for it without finding it looks into the trial.
            rest = b""
        return IndexEntry(*lead, params, final, statistics, kept, rest)


class Block:
    """Trials of one shape."""

    def __init__(
        self, shape: Shape, count: int, columns: Sequence[tuple[str, memoryview]], read_rest: ReadRest
    ) -> None:
        self.shape = shape
        self.count = count
        self.kept: list[KeptSettings | None] = []
        """What trials ran with beside their parameters; the column of that name says which one."""
        self.columns = columns
        self._read_rest = read_rest
        self._decoded: dict[int, Sequence[Any]] = {}
        self._facts: dict[str, Sequence[Any]] = {}
        self._summaries: dict[str, list[tuple[Any, ...]]] = {}

    def rows(self) -> dict[str, Row]:
        """Return all its trials by their directories below the sweep's."""
        return dict(zip(self.fact("place"), map(Row, repeat(self), range(self.count)), strict=True))

    def fact(self, name: str) -> Sequence[Any]:
        """Return one of `FACTS` of all trials, or of where they lie."""
        found = self._facts.get(name)
        if found is None:
            found = self._column(_PLACES[name])
            if name == "state":
                found = [_STATES[state] for state in found]
            self._facts[name] = found
        return found

    def value(self, place: int) -> Sequence[Any]:
        """Return one value of all trials: their parameters come first, then what is final, then the statistics."""
        found = self._decoded.get(place)
        return self._column(_AFTER + place, place) if found is None else found

    def _column(self, number: int, place: int | None = None) -> Sequence[Any]:
        kind, data = self.columns[number]
        found = decoded(kind, data, self.count)
        if place is not None:
            self._decoded[place] = found
        return found

    @cached_property
    def signatures(self) -> list[tuple[int, int, int]]:
        """Of each `trial.json`: modification time in nanoseconds, size and inode."""
        return list(zip(*map(self.fact, ("time", "size", "inode")), strict=True))

    @cached_property
    def phase_names(self) -> dict[str, tuple[str, ...]]:
        """Phase -> its metrics, in the order of the phases."""
        return dict(self.shape.phases)

    @cached_property
    def is_finite(self) -> bool:
        """Whether all its values are numbers that JSON has a word for; the rest is not looked at."""
        return all(_is_finite(form, data) for form, data in self.columns[_AFTER:])

    def summaries(self, metric: str) -> list[tuple[Any, ...]]:
        """Return `STATISTICS` of a metric that is among the starts, trial by trial."""
        found = self._summaries.get(metric)
        if found is None:
            start = self.starts[metric]
            found = self._summaries[metric] = self._together(start, start + len(STATISTICS))
        return found

    @cached_property
    def params(self) -> list[tuple[Any, ...]]:
        """The values of all parameters, trial by trial."""
        return self._together(0, len(self.shape.params))

    @cached_property
    def final(self) -> list[tuple[Any, ...]]:
        """The values logged without a step, trial by trial."""
        start = len(self.shape.params)
        return self._together(start, start + len(self.shape.final))

    @cached_property
    def starts(self) -> dict[str, int]:
        """Metric -> the place of the first of its `STATISTICS` among the values."""
        before = len(self.shape.params) + len(self.shape.final)
        return {name: before + place * len(STATISTICS) for place, name in enumerate(self.shape.metrics)}

    def _together(self, start: int, end: int) -> list[tuple[Any, ...]]:
        if start == end:
            return [()] * self.count
        return list(zip(*map(self.value, range(start, end)), strict=True))

    def rest(self, at: int) -> bytes:
        """Return what few tables need of a trial, as JSON.

        Raises:
            OSError: it may not be read any more.
            FormatError: it is not there.
        """
        ends = self.fact("end")
        start = ends[at - 1] if at else 0
        if not 0 <= start <= ends[at] <= start + RECORD_BYTES:
            raise FormatError("the index is broken")
        return self._read_rest(start, ends[at] - start)

    @property
    def rest_size(self) -> int:
        """How many bytes the rest of all its trials has."""
        return int(self.fact("end")[-1])

    def whole_rest(self) -> bytes:
        """Return the rest of all its trials.

        Raises:
            OSError: it may not be read any more.
            FormatError: it is not there.
        """
        found = self._read_rest(0, self.rest_size)
        if len(found) != self.rest_size:
            raise FormatError("the index is broken")
        return found

    def check(self, kept: Sequence[KeptSettings | None]) -> None:
        """Look whether all values are of the kinds that a `trial.json` may have.

        Raises:
            ValueError, LookupError, TypeError, RecursionError: one is not.
        """
        self.kept = list(kept)
        if not kinds.count(self.count) or not 0 < self.count <= MOST:
            raise ValueError("not a number of trials that we write")
        if len(self.columns) != _AFTER + len(self.shape.params) + len(self.shape.final) + self._width:
            raise ValueError("values without names")
        sizes = (_WIDTH, _WIDTH * self.count)
        if any(form in (WHOLE, REAL) and len(data) not in sizes for form, data in self.columns):
            raise ValueError("a column has another length than its neighbours")
        for name, kind in _KINDS.items():
            _check(self._column(_PLACES[name]), kind)
        if not all(type(code) is int and 0 <= code < len(kept) for code in self.fact("kept")):
            raise TypeError("not what a trial kept")
        for place, (form, _) in enumerate(self.columns[_AFTER:]):
            is_statistic = place >= len(self.shape.params) + len(self.shape.final)
            if form not in (WHOLE, REAL) and not (_PLAIN.issuperset(map(type, self.value(place))) or not is_statistic):
                raise TypeError("not a statistic")

    @property
    def _width(self) -> int:
        return len(STATISTICS) * len(self.shape.metrics)


def _is_finite(form: str, data: memoryview) -> bool:
    return form != ODD_JSON and (form != REAL or all(map(math.isfinite, data.cast("d"))))


def _check(values: Sequence[Any], kind: kinds.Kind) -> None:
    """Raise TypeError if a value is not of a kind; of plain numbers the least and the greatest are looked at."""
    types = set(map(type, values))
    if types <= {int} or (types <= {float} and not any(map(math.isnan, values))):
        values = [min(values), max(values)]
    elif types <= {str}:
        values = list(dict.fromkeys(values))
    if not all(map(kind, values)):
        raise TypeError("not a value that a trial may have")


_PLACES = {name: place for place, name in enumerate((*_LEAD, *FACTS))}


def blocks_of(entries: Iterable[IndexEntry]) -> list[Block]:
    """Return entries as blocks in memory, one for each shape or several."""
    by_shape: dict[Shape, list[IndexEntry]] = {}
    for entry in entries:
        by_shape.setdefault(entry.shape, []).append(entry)
    found = []
    for shape, members in by_shape.items():
        rest = iter(members)
        while some := list(islice(rest, MOST)):
            found.append(_block(shape, some))
    return found


def _block(shape: Shape, entries: Sequence[IndexEntry]) -> Block:
    texts = {id(entry.kept): repr(entry.kept) for entry in entries}  # many are the same object
    kept = {texts[id(entry.kept)]: entry.kept for entry in entries}
    codes = {text: code for code, text in enumerate(kept)}
    rest = b"".join(entry.rest for entry in entries)
    ends = accumulate(len(entry.rest) for entry in entries)
    rows = [_values(entry, codes[texts[id(entry.kept)]], end) for entry, end in zip(entries, ends, strict=True)]
    columns = [encoded(values) for values in zip(*rows, strict=True)]
    block = Block(shape, len(entries), [(kind, memoryview(data)) for kind, data in columns], _within(rest))
    block.kept = list(kept.values())
    return block


def _values(entry: IndexEntry, kept: int, end: int) -> list[Any]:
    lead = [entry.place, *entry.signature, entry.others, kept, end]
    return [*lead, *entry.facts, *entry.params, *entry.final, *entry.statistics]


def _within(data: bytes) -> ReadRest:
    return lambda start, size: data[start : start + size]
