"""Parameters as a sampler sees them: numbers, places on a scale, or options without an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperherd.space.parameters import Interval, Parameter, Scale
from hyperherd.space.values import Value, equal, is_number, token

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Axis:
    """One parameter, and what stands for its values in Optuna.

    An interval is itself. Values with an order are their places, 0, 1, ...: evenly spaced whatever the scale, which
    Optuna would refuse for a logarithmic one. Others are their texts, since to Optuna 1 and true are one option.

    Attributes:
        parameter: which.
    """

    parameter: Parameter

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's distribution."""
        from optuna import distributions  # an extra, which is imported where it is used

        values = self.parameter.values
        if isinstance(values, Interval):
            kind = distributions.IntDistribution if values.integer else distributions.FloatDistribution
            return kind(values.low, values.high, log=values.log)
        if isinstance(values, Scale):
            return distributions.IntDistribution(0, len(values) - 1)
        return distributions.CategoricalDistribution(tuple(dict.fromkeys(map(token, values))))

    def encode(self, value: Value) -> Any:
        """Return what stands for a value; None if the parameter does not take it."""
        values = self.parameter.values
        if isinstance(values, Interval):
            if not is_number(value) or not values.low <= value <= values.high:
                return None
            if not values.integer:
                return float(value)
            return int(value) if float(value).is_integer() else None
        place = next((place for place, own in enumerate(values) if equal(own, value)), None)
        if place is None:
            return None
        return place if isinstance(values, Scale) else token(values[place])

    def decode(self, stand_in: Any) -> Value:
        """Return the value that something stands for."""
        values = self.parameter.values
        if isinstance(values, Interval):
            return stand_in
        if isinstance(values, Scale):
            return values[stand_in]
        return next(value for value in values if token(value) == stand_in)

    @property
    def told(self) -> str:
        """What it is, for people: ``lr: 0.0001 to 0.1, log``."""
        name, values = self.parameter.name, self.parameter.values
        if isinstance(values, Interval):
            kind = ", whole numbers" if values.integer else ""
            return f"{name}: {values.low:g} to {values.high:g}{kind}{', log' if values.log else ''}"
        order = "in order" if isinstance(values, Scale) else "any of"
        shown = ", ".join(str(value) for value in values[:6])
        more = f", ... ({len(values)} values)" if len(values) > 6 else ""
        return f"{name}: {order} {shown}{more}"
