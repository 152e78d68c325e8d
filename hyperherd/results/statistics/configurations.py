"""Configurations: trials that differ in nothing but their seed, and their statistics.

Only finished trials count, of several with one seed the newest. They are ranked by partially pooled means
(:mod:`hyperherd.results.statistics.pooling`): the fewer seeds of a configuration have a value, the less that says. A
seed that diverged counts against its configuration, one that was lost to the machine does not count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload

from hyperherd.errors import ResultsError, some_of
from hyperherd.records.states import TrialState
from hyperherd.results.statistics.endings import ended_badly
from hyperherd.results.statistics.pooling import Pool, Sample
from hyperherd.results.statistics.spread import Spread, check_kind, spread
from hyperherd.results.text.format import is_number
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.fields import Field, fact_field, find_field, param_field
from hyperherd.results.trials.objective import MINIMIZE, Objective
from hyperherd.results.trials.seed_names import is_seed
from hyperherd.results.trials.settings import SCRIPT
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.results.values import Gap, lookup
from hyperherd.space.values import identity as identity_of

if TYPE_CHECKING:
    from typing_extensions import Self

C = TypeVar("C", bound=TrialCollection, covariant=True)
"""The collection that the groups are of. The two constructors below take one, which is as safe as in ``__init__``: mypy
refuses it in a class method anyway."""
K = TypeVar("K", bound=TrialCollection)
_PLAIN = frozenset({int, float, str, bool, type(None)})
_FLOATS = frozenset({float})


@dataclass(frozen=True, eq=False)
class Group(Generic[C]):
    """Trials that are taken together: a configuration with its seeds, or what has the same values of some names."""

    settings: dict[str, Any]
    """Name -> the value (or gap) that all its trials have."""
    trials: C
    """All of them, in the order of their numbers."""
    seeds: tuple[Hashable, ...]
    """The seed of each trial, as a text for identical ones; trials without a seed differ in it."""

    @cached_property
    def planned(self) -> int:
        """How many different seeds there are, run or not."""
        return len(set(self.seeds))

    @cached_property
    def counted(self) -> tuple[Trial, ...]:
        """The finished trials, of several with one seed the newest."""
        newest: dict[Hashable, Trial] = {}
        for seed, trial in zip(self.seeds, self.trials, strict=True):
            if trial.state.finished and (seed not in newest or _when(newest[seed]) <= _when(trial)):
                newest[seed] = trial
        return tuple(newest.values())

    @cached_property
    def superseded(self) -> tuple[Trial, ...]:
        """The trials that do not count because another one of the same seed does."""
        return self._others(done=True)

    @cached_property
    def missing(self) -> tuple[Trial, ...]:
        """The trials whose seed has no finished trial: dead, running, waiting."""
        return self._others(done=False)

    def _others(self, *, done: bool) -> tuple[Trial, ...]:
        counted = set(map(id, self.counted))
        finished = {seed for seed, trial in zip(self.seeds, self.trials, strict=True) if id(trial) in counted}
        pairs = zip(self.seeds, self.trials, strict=True)
        return tuple(trial for seed, trial in pairs if id(trial) not in counted and (seed in finished) == done)

    def of(self, field: Field) -> Spread:
        """Return the finite numbers among the values of a field over the trials that count."""
        return _spread([field.value(trial) for trial in self.counted])

    def spread(self, metric: str, aggregate: str | None = None) -> Spread:
        """Return the finite values of a metric over the trials that count."""
        return _spread([trial.value(metric, aggregate) for trial in self.counted])

    def judged(self, objective: Objective) -> Spread:
        """Return the finite values of the objective over the trials that count."""
        known = self._judged
        if objective not in known:
            known[objective] = spread([objective.value(trial) for trial in self.counted])
        return known[objective]

    @cached_property
    def _judged(self) -> dict[Objective, Spread]:
        """What is known of it by the objectives that it was asked for."""
        return {}

    def bad_seeds(self, objective: Objective) -> int:
        """Return how many seeds have no finite value because of what their values did."""
        counted = self.counted
        # Each of them has finished: one with a finite value has not ended badly.
        bad = sum(ended_badly(trial, objective) for trial in counted) if self.judged(objective).n < len(counted) else 0
        if not self.missing:
            return bad
        missing = set(map(id, self.missing))
        pairs = zip(self.seeds, self.trials, strict=True)
        return bad + len({seed for seed, trial in pairs if id(trial) in missing and ended_badly(trial, objective)})


AnyGroup: TypeAlias = "Group[TrialCollection]"


class GroupCollection(Sequence[Group[C]]):
    """Groups of trials, best first, by partially pooled means; those without a value come last."""

    def __init__(
        self,
        trials: C,
        groups: Iterable[Group[C]],
        fields: Sequence[Field],
        keys: Sequence[str] = (),
        err: str = "std",
    ) -> None:
        self.trials = trials
        self.fields = tuple(fields)
        """The names whose values define the groups."""
        self.keys = tuple(keys)
        """The parameters that are seeds."""
        self.err = check_kind(err)
        found = list(groups)
        objective = trials.objective
        self._sign = -1.0 if objective and objective.direction == MINIMIZE else 1.0
        samples = [self.sample(group) for group in found]
        self._pool = Pool(sample for sample in samples if sample)
        with_value = [group for group, sample in zip(found, samples, strict=True) if sample]
        self.ranked: tuple[Group[C], ...] = tuple(with_value[place] for place in self._pool.order)
        """The groups of which any trial that counts has a finite value, best first."""
        without = (group for group, sample in zip(found, samples, strict=True) if not sample)
        self._groups = [*self.ranked, *without]

    @classmethod
    def by_configuration(cls, trials: C, err: str = "std", keys: Sequence[str] = ()) -> Self:  # type: ignore[misc]
        """Return the configurations of `trials` (see :meth:`hyperherd.Trials.seeds`).

        Trials are of one configuration if their parameters but for seeds, their group choices, and what else differs in
        their configs without following from these are identical, and if the same script ran them. What one sweep
        searches another one may have fixed.
        """
        seeds = seed_keys(trials, keys)
        names = [name for name in trials.varying if name not in seeds]
        identities = _identities(trials, seeds)
        found: dict[str, list[Trial]] = {}
        for trial, identity in zip(trials, identities, strict=True):
            found.setdefault(identity, []).append(trial)
        groups = [_configuration(trials, members, names, seeds) for members in found.values()]
        fields = [param_field(trials, name) for name in names]
        if trials.scripts:
            fields.insert(0, fact_field(SCRIPT))
        return cls(trials, groups, fields, seeds, err)

    @classmethod
    def by_names(cls, trials: C, names: Sequence[str], err: str = "std") -> Self:  # type: ignore[misc]
        """Return `trials` by the values of some names; of trials that differ in nothing at all the newest counts."""
        fields = [find_field(trials, name) for name in names]
        found: dict[str, tuple[dict[str, Any], list[Trial], list[str]]] = {}
        for trial, identity in zip(trials, _identities(trials, ()), strict=True):
            settings = {field.name: field.value(trial) for field in fields}
            _, members, seeds = found.setdefault(_identity(settings), (settings, [], []))
            members.append(trial)
            seeds.append(identity)
        groups = [Group(settings, trials.subset(members), tuple(seeds)) for settings, members, seeds in found.values()]
        return cls(trials, groups, fields, (), err)

    def sample(self, group: AnyGroup) -> Sample | None:
        """Return what is known of a group, greater values better; None without an objective or a finite value."""
        objective = self.objective
        if objective is None:
            return None
        values = group.judged(objective).values
        if not values:
            return None
        bad = group.bad_seeds(objective) if self.keys else 0  # without seeds it is other parameters that differ
        return Sample(tuple(self._sign * value for value in values), bad)

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group[C]]:
        return iter(self._groups)

    @overload
    def __getitem__(self, index: int) -> Group[C]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Group[C]]: ...
    def __getitem__(self, index: int | slice) -> Group[C] | list[Group[C]]:
        """Return the group at a position, or several."""
        return self._groups[index]

    @property
    def objective(self) -> Objective | None:
        """What they are judged by."""
        return self.trials.objective

    @cached_property
    def scores(self) -> tuple[float, ...]:
        """The value that ranks each of :attr:`ranked`: what its mean would be over many more seeds, as expected."""
        return tuple(self._sign * self._pool.scores[place] for place in self._pool.order)

    def judged_seeds(self, place: int) -> int:
        """Return how many seeds of one of :attr:`ranked` have a finite value."""
        return self._pool.samples[self._pool.order[place]].n

    @property
    def by_mean(self) -> bool:
        """Whether the order is that of the means, as it is where equally many seeds of each have a value."""
        return self._pool.is_plain

    @property
    def knows_noise(self) -> bool:
        """Whether any group has two values, which show how far seeds lie apart."""
        return self._pool.freedom > 0

    @cached_property
    def close(self) -> tuple[int, ...]:
        """The ranks of those that cannot be distinguished from the first (:meth:`.pooling.Pool.close`)."""
        ranks = {place: rank for rank, place in enumerate(self._pool.order, 1)}
        return tuple(sorted(ranks[place] for place in self._pool.close(self._pool.order[0]))) if self.ranked else ()

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Where the true mean of the first lies in 95 %, although it was chosen as the best; None if unknown."""
        found = self._pool.interval(self._pool.order[0]) if self.ranked else None
        if found is None:
            return None
        low, high = sorted(self._sign * end for end in found)
        return low, high

    @property
    def repeats(self) -> bool:
        """Whether any configuration has more than one seed."""
        return bool(self.keys) and any(group.planned > 1 for group in self)

    def best(self) -> Group[C]:
        """Return the best group.

        Raises:
            ResultsError: there is no objective, or no finished trial has a finite value of it.
        """
        if not self.ranked:
            self.trials.best()  # Raises the other errors; what is left is:
            raise ResultsError("no seed's newest finished trial has a finite value")
        return self[0]


AnyGroups: TypeAlias = "GroupCollection[TrialCollection]"


def seed_keys(trials: TrialCollection, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the parameters of `trials` that are seeds: those asked for, else the sweeps' own, else by name.

    Raises:
        ResultsError: no parameter matches what was asked for.
    """
    names = dict.fromkeys((*trials.params, *trials.beyond.config))
    said = {trial.sweep.seed_key for trial in trials if trial.sweep.seed_key in names}
    patterns = asked or tuple(said)
    found = tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
    if not patterns:
        found = tuple(filter(is_seed, names))
    if asked and not found:
        known = some_of(names)
        raise ResultsError(f"no parameter is called {' or '.join(asked)}; available: {known}")
    return found


def _configuration(trials: K, members: Sequence[Trial], names: Sequence[str], seeds: Sequence[str]) -> Group[K]:
    script = trials.scripts.get(members[0].sweep)
    settings = {SCRIPT: script} if script else {}
    settings |= {name: trials.setting(members[0], name) for name in names}
    values = [_seed(trials, trial, seeds, place) for place, trial in enumerate(members)]
    return Group(settings, trials.subset(members), tuple(values))


def _seed(trials: TrialCollection, trial: Trial, keys: Sequence[str], place: int) -> Hashable:
    """Return a key for the seed of a trial; one that cannot be read might have any."""
    known = [seed_of(trials, trial, key) for key in keys]
    return place if Gap.MISSING in known else _one_text(known)


def seed_of(trials: TrialCollection, trial: Trial, key: str) -> Any:
    """Return a seed of a trial; one that nobody thought of seeds for ran with that of its app's config."""
    if key in trial.params:
        return trial.params[key]
    found = trials.setting(trial, key)
    return lookup(trial.config, key) if found is Gap.NOT_APPLICABLE else found


def _identities(trials: TrialCollection, seeds: Sequence[str]) -> list[str]:
    """Return one text for each trial, the same for all of one configuration."""
    by_params = [_by_params(trial, seeds) for trial in trials]
    # Configs of one sweep are the same but for parameters, as a rule; then these tell everything.
    alone = any(trial.number is None for trial in trials)  # Jobs outside of any sweep: each may have its own config.
    beyond = [name for name in (*trials.beyond.choices, *trials.beyond.config) if name not in seeds]
    several = len(trials.sweeps) > 1 or alone
    if not several and not beyond and not trials.beyond.rewritten:
        return by_params
    names = [*(name for name in trials.params if name not in seeds and several), *beyond]
    known: dict[str, str] = {}
    found: list[str] = []
    for trial, text in zip(trials, by_params, strict=True):
        if trial.config_hash:
            told = _by_config(trials, trial, names) + ("" if several else text)
            known.setdefault(text, told)
            found.append(told)
        else:
            found.append("")
    # What has not run yet keeps no config: it is taken to be as those with the same parameters.
    return [told or known.get(text, text) for told, text in zip(found, by_params, strict=True)]


def _by_config(trials: TrialCollection, trial: Trial, names: Sequence[str]) -> str:
    """Return one text for all trials that run the same, whatever their sweeps searched."""
    values = [_effective(trial, name) for name in names]
    texts = [trial.written_values.get(name) for name in trials.beyond.rewritten]
    return f"{trials.scripts.get(trial.sweep, '')}\n{_one_text(values)}{_one_text(texts)}"


def _effective(trial: Trial, name: str) -> Any:
    """Return a setting of a trial, also one that a condition left to its config."""
    if name in trial.params:
        return trial.params[name]
    return trial.choices[name] if name in trial.choices else lookup(trial.config, name)


def _by_params(trial: Trial, seeds: Sequence[str]) -> str:
    """Return one text for the trials of one sweep that have the same parameters but for seeds."""
    if trial.number is None or (trial.state is TrialState.UNREADABLE and not trial.params):
        return f"{trial.dir}"
    names = _names(trial.param_names, tuple(seeds))
    params = trial.params
    return f"{_place(trial.sweep, names)}{_one_text([params[name] for name in names])}"


@lru_cache(maxsize=1024)
def _place(sweep: Sweep, names: tuple[str, ...]) -> str:
    return f"{sweep.dir}\n{names}"


@lru_cache(maxsize=1024)
def _names(params: tuple[str, ...], seeds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(params).difference(seeds)))


def _identity(values: dict[str, Any]) -> str:
    names = sorted(values)
    return f"{names}{_one_text([values[name] for name in names])}"


def _one_text(values: Sequence[Any]) -> str:
    """Return one text for all values that are identical to some: to a trial 1, 1.0 and true are three values."""
    if not _PLAIN.issuperset(map(type, values)):
        values = [value if type(value) in _PLAIN else _text(value) for value in values]
    return repr(values)


def _text(value: Any) -> Any:
    return value.name if isinstance(value, Gap) else identity_of({"": value})


def _spread(values: list[Any]) -> Spread:
    if _FLOATS.issuperset(map(type, values)):  # as nearly always: thousands of seeds need not be looked at one by one
        return spread(values)
    return spread([float(value) if is_number(value) else None for value in values])


def _when(trial: Trial) -> float:
    return trial.ended or trial.started or 0.0
