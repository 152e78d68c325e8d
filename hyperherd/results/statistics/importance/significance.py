"""Which parameters matter: those that hold an F test at 5 % for all parameters together.

The parameters are named one by one, the surest first, each at 5 % over the number of those left (Holm 1979); a named
one is in the model of the next. A number has two tests, of a line at nine tenths of its level and of a smooth curve at
the rest, so that a trend is found nearly as surely as if only lines were looked for. Where there are too few trials for
a model of all parameters, each is tested beside the named ones alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from hyperherd.results.statistics.distributions import LEVEL, kurtosis, normal_scores, telling_share
from hyperherd.results.statistics.importance.design import Column, Term, orthonormal, together
from hyperherd.results.statistics.importance.variance import Explained, Model, Noise, Products, squares

_FOR_LINES = 0.9
"""The part of a number's level that the test of its line has; that of its curve has the rest."""
_LEAST_FREEDOM = 3
_LEFT_BY_CURVES = 8
"""With fewer degrees of freedom left, a curve is not tested: it would cost the line power and find next to nothing."""
_FEWEST_FOR_CURVES = 20
"""With fewer trials and without a model of all parameters, only lines are looked for."""
_TOO_MUCH = 0.8
"""Where a parameter had to explain more than this of what the others leave, there are too few trials to tell."""
_MOST_COLUMNS = 300
"""With more, curves are not looked for: it would take seconds."""
_MOST_INTERACTIONS = 200


@dataclass(frozen=True)
class Verdict:
    """What can be said of one term."""

    term: Term
    p: float | None
    """Of all terms together (Holm); None if it cannot be tested."""
    share: float | None
    """The part of the variance that it explains beyond the others, without what chance explains."""
    unique: float | None
    """The same with chance."""
    chance: float | None
    """What a parameter without effect explains on average."""
    telling: bool
    """Whether there are enough trials to tell a strong effect from chance."""

    @property
    def matters(self) -> bool:
        """Whether it holds the test."""
        return self.p is not None and self.p <= LEVEL


@dataclass(frozen=True)
class Joint:
    """Two parameters of which the effect of one depends on the other."""

    names: tuple[tuple[str, ...], tuple[str, ...]]
    share: float
    p: float
    """Of all pairs that were looked at (Holm)."""


@dataclass(frozen=True)
class Verdicts:
    """What can be said of all."""

    verdicts: tuple[Verdict, ...]
    joint: tuple[Joint, ...]
    """The pairs that hold the test."""
    ranks: bool
    """Whether ranks were tested instead of values: some lie far out, or there are too few trials for a model of all."""
    together: bool
    """Whether there were enough trials for a model of all parameters."""
    differ: float | None
    """The p of whether configurations differ at all beyond their seeds; None where nothing is repeated."""


def verdicts(values: Sequence[float], terms: Sequence[Term], configurations: Sequence[int]) -> Verdicts:
    """Return what can be said of terms from the values of trials.

    Args:
        values: of the trials.
        terms: the parameters.
        configurations: for each trial the number of its configuration.
    """
    # Without a model of all parameters many are tested at small levels, where an F is about the shape of the tails.
    ranks = far_out(values, doubtful=not _fit_together(len(values), terms))
    unit = _unit(normal_scores(values) if ranks else values)
    if unit is None:
        nothing = [Verdict(item, None, None, None, None, telling=False) for item in terms]
        return Verdicts(tuple(nothing), (), ranks=False, together=False, differ=None)
    noise = _noise(unit, configurations)
    tests = _Tests(unit, terms, noise)
    found = tests.verdicts()
    differ = noise.differ(1.0, len(values) - 1)  # a unit: its sum of squares is 1
    return Verdicts(found, tests.joint([item for item in found if item.matters]), ranks, tests.together, differ)


def _fit_together(count: int, terms: Sequence[Term]) -> bool:
    """Return whether there are enough trials for a model of all terms: as many are left as it has columns."""
    columns = sum(len(item.columns) for item in terms)
    return count - 1 - columns >= max(columns, _LEAST_FREEDOM)


def far_out(values: Sequence[float], *, doubtful: bool = False) -> bool:
    """Return whether some values lie so far out that sums of squares are about these alone.

    Normal values are beyond the limit in about 5 % of all samples, and lose next to nothing by being ranked; where an F
    is `doubtful` everything is with longer tails than theirs.
    """
    return len(values) > 4 and kurtosis(values) > 3 + (0.0 if doubtful else min(1.1, 8 / math.sqrt(len(values))))


def _unit(values: Sequence[float]) -> Column | None:
    if not values or values.count(values[0]) == len(values):
        return None
    found = orthonormal([values])
    return found[0] if found else None


def _noise(values: Column, configurations: Sequence[int]) -> Noise:
    groups: dict[int, list[float]] = {}
    for value, configuration in zip(values, configurations, strict=True):
        groups.setdefault(configuration, []).append(value)
    return Noise(math.fsum(map(squares, groups.values())), len(values) - len(groups))


class _Tests:
    """The tests of the terms on one set of values."""

    def __init__(self, values: Column, terms: Sequence[Term], noise: Noise) -> None:
        self._values = values
        self._products = Products(values)
        self._noise = noise
        self._terms = list(terms)
        self.together = _fit_together(len(values), terms)
        few = sum(len(item.columns) + len(item.curve) for item in terms) <= _MOST_COLUMNS
        self._curves = few and (self.together or len(values) >= _FEWEST_FOR_CURVES)
        self._named: list[Term] = []
        self._curved: list[Term] = []

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the verdicts in the order of the terms, those that cannot be told apart as one."""
        if self.together:
            self._terms = _untangled(self._model(), self._terms)
        ps = self._holm([item for item in self._terms if item.columns])
        model, shares = self._model(), self._share_model()
        return tuple(self._verdict(item, ps.get(id(item)), model, shares or model) for item in self._terms)

    def _model(self) -> Model:
        base = self._terms if self.together else self._named
        return Model(self._products, self._terms, base, self._curved, self._curves)

    def _holm(self, terms: Sequence[Term]) -> dict[int, float]:
        left, found, floor = list(terms), dict[int, float](), 0.0
        model = self._model()
        while left:
            ps = {id(item): self._p(model, item) for item in left}
            best = min(left, key=lambda item: ps[id(item)])
            adjusted = {key: max(floor, min(1.0, p * len(left))) for key, p in ps.items()}
            if adjusted[id(best)] > LEVEL:
                return {**found, **adjusted}
            floor = found[id(best)] = adjusted[id(best)]
            left.remove(best)
            self._named.append(best)
            is_bent = self._is_bent(model, best)
            if is_bent:
                self._curved.append(best)
            if is_bent or not self.together:
                model = self._model()
        return found

    def _is_bent(self, model: Model, item: Term) -> bool:
        """Return whether a curve belongs into the model of the others: it would cost them if it explained nothing."""
        line, curve = model.of(item), model.of(item, curve=self._curves)
        more = Explained(curve.squares - line.squares, curve.freedom - line.freedom, curve.rest, curve.left)
        return more.p(self._noise) <= LEVEL

    def _p(self, model: Model, item: Term) -> float:
        line = model.of(item)
        p = line.p(self._noise)
        if item.curve and self._curves:
            curve = model.of(item, curve=True)
            if curve.left >= _LEFT_BY_CURVES and curve.freedom > line.freedom:
                p = min(p / _FOR_LINES, curve.p(self._noise) / (1 - _FOR_LINES))
        return min(1.0, max(p, self._least(item, line.rest)))

    def _least(self, item: Term, rest: float) -> float:
        """Return the p that no data can go below: one trial against all others is any of them by chance."""
        count = len(self._values)
        least = 1 / count if item.lone else 0.0
        if rest < 1e-12:  # exact fits of rounded values come about by chance, which no F knows
            alike = math.fsum(map(_log_ties, Counter(self._values).values()))
            least = max(least, 2 * math.exp(alike - math.lgamma(count + 1)))
        return least

    def _share_model(self) -> Model | None:
        """Return the model for shares with all curves, where there are enough trials for them."""
        columns = sum(len(item.columns) + len(item.curve) for item in self._terms)
        if self._curves and len(self._values) - 1 - columns >= columns:
            return Model(self._products, self._terms, self._terms, self._terms)
        return None

    def _verdict(self, item: Term, p: float | None, model: Model, shares: Model) -> Verdict:
        if p is None:
            return Verdict(item, None, None, None, None, telling=False)
        own = shares.of(item)
        if own.left <= 0 or not own.freedom:
            return Verdict(item, p, None, None, None, telling=False)
        chance = own.freedom * own.rest / own.left
        line = model.of(item)
        level = (
            LEVEL * (_FOR_LINES if item.curve and self._curves else 1.0) / sum(bool(one.columns) for one in self._terms)
        )
        _, freedom = self._noise.error(line.rest, line.left) if line.left > 0 else (0.0, 0)
        telling = freedom > 0 and telling_share(level, max(1, line.freedom), freedom) <= _TOO_MUCH
        unique = min(1.0, own.squares)
        return Verdict(item, p, max(0.0, unique - chance), unique, chance, telling)

    def joint(self, named: Sequence[Verdict]) -> tuple[Joint, ...]:
        """Return the pairs with a named one in which the effect of one depends on the other."""
        if not self.together or not named:
            return ()
        sure = {id(item.term) for item in named}
        pairs = [
            (one, other)
            for one, other in combinations([item for item in self._terms if item.columns], 2)
            if id(one) in sure or id(other) in sure
        ]
        products = [_product(one, other) for one, other in pairs]
        base = self._terms
        if len(pairs) > _MOST_INTERACTIONS or sum(len(item.columns) for item in products) > _MOST_COLUMNS:
            return ()
        model = Model(self._products, [*base, *products], base, self._curved, curves=False)
        found = [model.of(item) for item in products]
        tested = [
            (item.p(self._noise), max(0.0, item.squares - item.freedom * item.rest / item.left), one.names, other.names)
            for item, (one, other) in zip(found, pairs, strict=True)
            if item.left >= _LEAST_FREEDOM and item.freedom and item.rest > 1e-12
        ]
        return tuple(_holding(sorted(tested, key=lambda item: item[0])))


def _holding(tested: Sequence[tuple[float, float, tuple[str, ...], tuple[str, ...]]]) -> Iterable[Joint]:
    for place, (p, share, one, other) in enumerate(tested):
        adjusted = p * (len(tested) - place)
        if adjusted > LEVEL:
            return
        yield Joint((one, other), share, adjusted)


def _product(one: Term, other: Term) -> Term:
    columns = [[a * b for a, b in zip(x, y, strict=True)] for x in one.columns for y in other.columns]
    return Term((*one.names, *other.names), tuple(orthonormal(columns)))


def _untangled(model: Model, terms: Sequence[Term]) -> list[Term]:
    """Return `terms` with those that cannot be told apart as one."""
    groups = [{id(item)} for item in terms]
    for entangled in model.entangled():
        touched = [group for group in groups if group & entangled]
        groups = [group for group in groups if not group & entangled] + [set().union(*touched)]
    by_id = {id(item): item for item in terms}
    order = {id(item): place for place, item in enumerate(terms)}
    found = [[by_id[key] for key in sorted(group, key=order.__getitem__)] for group in groups]
    found.sort(key=lambda group: order[id(group[0])])
    return [group[0] if len(group) == 1 else together(group) for group in found]


def _log_ties(count: int) -> float:
    return math.lgamma(count + 1)
