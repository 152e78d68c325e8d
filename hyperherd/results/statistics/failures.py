"""Why trials did not end well: grouped by what ended them and where, with what they share.

A shared setting is one that not all finished trials have: a setting that all trials have explains nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import PurePath
from typing import Any

from hyperherd.records.states import FailureCause, TrialState
from hyperherd.results.statistics.configurations import seed_keys
from hyperherd.results.statistics.failure_rates import Ended, Rates, rates
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command, resume
from hyperherd.results.trials.settings import settings_of, tokens_of
from hyperherd.results.trials.trial import Trial

_FRAME = re.compile(r'^[\s|+-]*File "(?P<file>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.M)
_FOREIGN = re.compile(
    r"site-packages|dist-packages|/lib(64)?/python\d|^<|/hyperherd/(?:trial|metrics|records|launch)/|/hyperherd_callbacks/"
)
_OPEN = frozenset(
    {
        TrialState.UNKNOWN,
        TrialState.WAITING,
        TrialState.SUBMITTED,
        TrialState.REQUEUED,
        TrialState.RUNNING,
        TrialState.PAUSED,
        TrialState.CANCELLED,
    }
)
_NOT_THE_SETTINGS = frozenset({FailureCause.NODE_FAILURE, FailureCause.PREEMPTED})
"""Causes that no setting has a part in."""
_MOST_COMBINED = 3
_MOST_SETTINGS = 30


@dataclass(frozen=True)
class Shared:
    """Settings that all trials of a group have."""

    settings: Mapping[str, Any]
    """The fewest that tell the group from the finished trials as well as all of them do."""
    finished: int
    """How many finished trials have them too."""
    of: int
    """How many trials finished."""


@dataclass(frozen=True)
class FailureGroup:
    """Trials that were ended by the same thing in the same place."""

    kind: str
    """The exception's type, else the failure cause, else the state: ``ValueError``, ``oom``, ``lost``."""
    where: str
    """The last frame in the user's own code, ``train.py:31 in main``; empty if none is known."""
    message: str
    """Of the first trial."""
    trials: tuple[Trial, ...]
    shared: Shared | None
    """None for a single trial, which shares everything with itself, and where nothing tells them apart."""
    traceback: str
    """Of the first trial that has one."""


@dataclass(frozen=True)
class Failures:
    """All that went wrong."""

    total: int
    """How many trials there are."""
    groups: tuple[FailureGroup, ...]
    """The largest first."""
    shared: Shared | None
    """What all failures of all groups share, if there are several groups."""
    again: tuple[Command, ...]
    """The commands that run them again where they are."""
    open: Mapping[TrialState, int] = field(default_factory=dict)
    """How many trials are in a state that does not say how they ended, or whether they ever will."""
    rates: Rates = field(default_factory=lambda: Rates((), 0, 0, 0))
    """Which settings fail more often than the others."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of all groups."""
        return tuple(trial for group in self.groups for trial in group.trials)


def failures(trials: TrialCollection) -> Failures:
    """Return the failed, lost, stalled and unreadable ones of `trials`, grouped, with what they share."""
    failed_trials = trials.problems
    compare = _Comparison(trials)
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in failed_trials:
        groups.setdefault((_kind(trial), last_own_frame(_traceback(trial))), []).append(trial)
    found = [_group(kind, where, members, compare) for (kind, where), members in groups.items()]
    found.sort(key=lambda group: -len(group.trials))
    shared = compare.shared(list(failed_trials)) if len(found) > 1 else None
    open_ = {state: count for state, count in trials.counts.items() if state in _OPEN}
    seeds = seed_keys(trials)
    split = rates(ended(trials, lambda trial: trial.state.problem, seeds), seeds)
    return Failures(len(trials), tuple(found), shared, tuple(resume(failed_trials)), open_, split)


def ended(trials: TrialCollection, failed: Callable[[Trial], bool], seeds: Collection[str]) -> list[Ended]:
    """Return the trials that came to an end of their own, with whether they failed.

    Args:
        trials: any.
        failed: whether one did.
        seeds: the parameters that repeat a configuration.
    """
    places: dict[frozenset[tuple[str, str]], int] = {}
    found = []
    for trial in trials:
        known = trial.state is not TrialState.UNREADABLE or trial.params
        if is_blameless(trial) or not known or not (trial.state.finished or trial.state.problem):
            continue
        settings = settings_of(trials, trial)
        tokens = tokens_of(settings)
        configuration = frozenset(item for item in tokens.items() if item[0] not in seeds)
        found.append(Ended(settings, tokens, failed(trial), places.setdefault(configuration, len(places))))
    return found


def is_blameless(trial: Trial) -> bool:
    """Return whether no setting has a part in how a trial ended: it is not counted where rates are compared."""
    return trial.cause in _NOT_THE_SETTINGS


def last_own_frame(traceback: str) -> str:
    """Return the last frame of a traceback that is neither a library's nor ours; the very last if all are."""
    frames = list(_FRAME.finditer(traceback))
    own = [frame for frame in frames if not _FOREIGN.search(frame["file"].replace("\\", "/"))]
    for frame in reversed(own or frames):
        place = f"{PurePath(frame['file'].replace(chr(92), '/')).name}:{frame['line']}"
        return f"{place} in {frame['function']}" if frame["function"] else place
    return ""


def _kind(trial: Trial) -> str:
    if trial.cause not in (None, FailureCause.EXCEPTION):
        return str(trial.cause)
    if trial.state is TrialState.FAILED and trial.error is not None:
        return trial.error.type
    return str(trial.cause or trial.state)


def _traceback(trial: Trial) -> str:
    return trial.error.traceback if trial.error is not None else ""


def _group(kind: str, where: str, members: Sequence[Trial], compare: _Comparison) -> FailureGroup:
    first = members[0]
    return FailureGroup(
        kind=kind,
        where=where,
        message=first.error.message if first.error is not None else first.reason,
        trials=tuple(members),
        shared=compare.shared(members),
        traceback=next((text for trial in members if (text := _traceback(trial))), ""),
    )


class _Comparison:
    """Finds what some trials share, and how many of the finished ones do.

    Which finished trials have a setting is kept as the bits of a number, because combinations are many.
    """

    def __init__(self, trials: TrialCollection) -> None:
        self._trials = trials
        self._finished = [self._tokens(trial) for trial in trials if trial.state.finished]
        self._everyone = (1 << len(self._finished)) - 1

    def shared(self, members: Sequence[Trial]) -> Shared | None:
        """Return the fewest settings that all `members` have and as few finished trials as can be."""
        known = [trial for trial in members if trial.state is not TrialState.UNREADABLE or trial.params]
        if len(known) < 2 or not self._finished:
            return None
        first, *others = map(self._tokens, known)
        common = {name: text for name, text in first.items() if all(item.get(name) == text for item in others)}
        having = {name: bits for name, text in common.items() if (bits := self._having(name, text)) != self._everyone}
        telling = list(having)[:_MOST_SETTINGS]
        fewest = self._count(having, telling)
        if fewest == len(self._finished):
            return None
        chosen = next(names for names in _choices(telling) if self._count(having, names) == fewest)
        settings = settings_of(self._trials, known[0])
        return Shared({name: settings[name] for name in chosen}, fewest, len(self._finished))

    def _tokens(self, trial: Trial) -> dict[str, str]:
        return tokens_of(settings_of(self._trials, trial))

    def _having(self, name: str, text: str) -> int:
        return int("".join("1" if item.get(name) == text else "0" for item in self._finished), 2)

    def _count(self, having: Mapping[str, int], names: Iterable[str]) -> int:
        return functools.reduce(lambda bits, name: bits & having[name], names, self._everyone).bit_count()


def _choices(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the ways to choose one, two or three of `names`, one first, and at last all of them."""
    for size in range(1, _MOST_COMBINED + 1):
        yield from combinations(names, size)
    yield names
