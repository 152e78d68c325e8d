"""The winners of a sweep, and what one needs to use them or to try them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.records.places import below
from hyperherd.records.states import TrialState
from hyperherd.results.files.hydra_job import hydra_folder
from hyperherd.results.statistics.configurations import AnyGroup, AnyGroups, GroupCollection, seed_of
from hyperherd.results.statistics.front import Front, FrontPoint, front_of
from hyperherd.results.statistics.spread import Spread
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command, more_seeds, run_again, usual_seed_key
from hyperherd.results.trials.judging import needed
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap
from hyperherd.trial.checkpoint import PATTERNS, newest_checkpoint

_WEIGHTS = (*PATTERNS, "*.pt", "*.pth", "*.safetensors", "*.keras", "*.h5", "*.pkl", "*.joblib")
"""What frameworks call what they have learned."""
_TO_RUN = frozenset(
    {TrialState.FAILED, TrialState.CANCELLED, TrialState.LOST, TrialState.WAITING, TrialState.UNREADABLE}
)
"""States of trials that are run, or run again, when their seed is added."""


@dataclass(frozen=True)
class Chosen:
    """A configuration by one of its trials, and what one needs to use it."""

    trial: Trial
    repeating: tuple[str, ...]
    """The parameters that only repeat the configuration: its seeds, if several were run."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What makes the configuration: the trial's overrides, without those that repeat it."""
        return tuple(_overrides(self.trial, self.repeating))

    @property
    def command(self) -> Command | None:
        """Runs the trial again."""
        return run_again(self.trial)

    @property
    def config(self) -> Path | None:
        """The whole config that the trial ran with."""
        return _config(self.trial)

    @property
    def checkpoint(self) -> Path | None:
        """In its directory: what its trainer took for the best one, else the newest complete one, by its name."""
        return _checkpoint(self.trial)


@dataclass(frozen=True)
class Winner(Chosen):
    """One of the best configurations, and the best trial of it."""

    rank: int
    group: AnyGroup
    spread: Spread
    """The objective over the seeds that finished."""
    score: float
    """The value that ranks it: its mean, partially pooled."""
    seeds: dict[str, float | None]
    """The seed of each finished trial, as text, and its value; empty if nothing repeats the configuration.

    A trial that ran before anybody thought of seeds has that of its config, and is ``unset`` where none is found.
    """
    value: float
    """The objective of its best trial."""
    groups: AnyGroups = field(repr=False)
    """All configurations, of which this is one."""


@dataclass(frozen=True)
class Compromise(Chosen):
    """A configuration of the Pareto front, or one that may belong to it, and the first of its trials that count."""

    point: FrontPoint

    @property
    def group(self) -> AnyGroup:
        """The configuration."""
        return self.point.group


def compromises(trials: TrialCollection, *, near: bool = False) -> list[Compromise]:
    """Return the Pareto front of several objectives, along the first one.

    Args:
        trials: all of them.
        near: whether those follow that may be off the front by chance.

    Raises:
        ResultsError: they are not judged by several objectives.
    """
    front = front_of(trials)
    return [_compromise(point, front) for point in (*front.front, *(front.near if near else ()))]


def winners(trials: TrialCollection, count: int = 1) -> list[Winner]:
    """Return the best configurations, the best one first; trials, where no seed repeats a configuration.

    Raises:
        ResultsError: the trials have no objective, or none can be ranked.
    """
    objective = needed(trials)
    groups = competing(trials)
    return [_winner(rank, groups, objective) for rank in range(1, min(count, len(groups.ranked)) + 1)]


def contenders(trials: TrialCollection) -> list[Winner]:
    """Return the best configuration and those that cannot be distinguished from it.

    Raises:
        ResultsError: as :func:`winners`.
    """
    objective = needed(trials)
    groups = competing(trials)
    return [_winner(rank, groups, objective) for rank in (1, *groups.close)]


def competing(trials: TrialCollection) -> AnyGroups:
    """Return the configurations that :func:`winners` are of.

    Raises:
        ResultsError: none can be ranked.
    """
    groups = GroupCollection.by_configuration(trials)
    groups.best()  # raises if there is none
    return groups


def add_seeds(
    trials: TrialCollection, winner: Winner | Compromise, seeds: Sequence[int], key: str = ""
) -> Command | None:
    """Return the sweep that runs a configuration with those of `seeds` that no trial of it has; None if all are there.

    Args:
        trials: all of them.
        winner: the configuration.
        seeds: those wanted. The one that the app's config has counts as there, although nobody swept over it.
        key: the parameter that repeats a configuration; empty: as the sweep says, else ``seed``.

    Raises:
        ResultsError: no command runs it.
    """
    key = key or usual_seed_key(winner.trial)
    there = [seed_of(trials, trial, key) for trial in winner.group.trials if trial.state not in _TO_RUN]
    absent = [seed for seed in seeds if not any(type(known) is int and known == seed for known in there)]
    return more_seeds(winner.trial, absent, key) if absent else None


def seeds_to_add(groups: AnyGroups) -> str:
    """Return the seeds, as ``best --seeds`` takes them, that the best configuration and those close to it should have.

    They are those that any of these has, and as many new ones as the best one has, at least two; empty where seeds
    are not whole numbers, or several parameters are.
    """
    if len(groups.keys) != 1:
        return ""
    [key] = groups.keys
    contending = [groups.ranked[rank - 1] for rank in (1, *groups.close)]
    found = {seed_of(groups.trials, trial, key) for group in contending for trial in group.trials}
    known = sorted(seed for seed in found if type(seed) is int)
    if not known or len(known) < len(found) or known[0] < 0:
        return ""
    last = known[-1] + max(2, groups.judged_seeds(0))
    if known[-1] - known[0] < len(known):
        return f"{known[0]}..{last}"
    return ",".join([*map(str, known), f"{known[-1] + 1}..{last}"])


def _winner(rank: int, groups: AnyGroups, objective: Objective) -> Winner:
    group = groups.ranked[rank - 1]
    best = min((trial for trial in group.counted if objective.ranks(trial)), key=objective.order)
    value = objective.value(best)
    assert value is not None
    repeated = group.planned > 1
    return Winner(
        rank=rank,
        group=group,
        spread=group.judged(objective),
        score=groups.scores[rank - 1],
        seeds={_seed(trial, groups): objective.value(trial) for trial in group.counted} if repeated else {},
        trial=best,
        repeating=groups.keys if repeated else (),
        value=value,
        groups=groups,
    )


def _compromise(point: FrontPoint, front: Front) -> Compromise:
    return Compromise(point.trial, front.groups.keys if point.group.planned > 1 else (), point)


def _seed(trial: Trial, groups: AnyGroups) -> str:
    known = [seed_of(groups.trials, trial, key) for key in groups.keys]
    return ",".join(str(value) for value in known if not isinstance(value, Gap)) or "unset"


def _overrides(trial: Trial, without: tuple[str, ...]) -> Iterator[str]:
    for item in trial.overrides:
        name = item.lstrip("+~").partition("=")[0]
        if not name.startswith(("hydra.", "hydra/")) and name not in without:
            yield item


def _checkpoint(trial: Trial) -> Path | None:
    if trial.dir is None:
        return None
    kept = trial.provenance.get("checkpoint")
    written = kept.get("path") if isinstance(kept, dict) else None
    if isinstance(written, str):
        with suppress(OSError, FormatError):  # it is elsewhere: what a record says leads nowhere outside of the trial
            path = below(trial.dir, written)
            if path.exists():
                return path
    return newest_checkpoint(trial.dir, _WEIGHTS)


def _config(trial: Trial) -> Path | None:
    if trial.dir is None:
        return None
    path = hydra_folder(trial.dir) / "config.yaml"
    return path if path.is_file() else None
