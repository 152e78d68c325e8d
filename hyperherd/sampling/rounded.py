"""A sampler whose numbers are short: six significant digits say as much as anybody can use of seventeen.

They are rounded where they are drawn, so what is launched, shown and told to the sampler is one and the same value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_DIGITS = 6


class Rounded(BaseSampler):  # type: ignore[misc]  # Optuna is not there where types are checked
    """Another sampler, with short numbers.

    Args:
        sampler: what draws.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that are drawn together."""
        found: dict[str, BaseDistribution] = self._sampler.infer_relative_search_space(study, trial)
        return found

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw these parameters together."""
        drawn = self._sampler.sample_relative(study, trial, search_space)
        return {name: shortened(value, search_space.get(name)) for name, value in drawn.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter by itself."""
        drawn = self._sampler.sample_independent(study, trial, param_name, param_distribution)
        return shortened(drawn, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Begin a trial."""
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """End a trial."""
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Draw other numbers from now on."""
        self._sampler.reseed_rng()


def shortened(value: Any, distribution: BaseDistribution | None) -> Any:
    """Return a number of an interval with six significant digits, or with as many as it takes to tell its places apart.

    A range that is narrow beside its values, such as 1000 to 1000.1, keeps six digits of its width. A value that
    rounding would take out of the interval stays as it is, as does what is no such number.
    """
    if not isinstance(distribution, FloatDistribution) or distribution.step is not None or not value:
        return value
    width = distribution.high - distribution.low
    scale = min(abs(value), width) if width else abs(value)
    short = round(value, _DIGITS - 1 - math.floor(math.log10(scale)))
    return short if distribution.low <= short <= distribution.high else value
