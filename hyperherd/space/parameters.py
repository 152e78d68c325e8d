"""Parameters and the search space they span, as the user wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperherd.errors import SpaceError
from hyperherd.space.values import Value

if TYPE_CHECKING:
    from hyperherd.space.conditions import Condition


@dataclass(frozen=True)
class Parameter:
    """One named axis.

    Attributes:
        name: a Hydra override key without its prefix: ``lr``, ``trainer.max_epochs``, ``model``, ``db@backup``.
        values: the values it takes, in the order they are tried; never empty.
        prefix: ``""``, ``"+"`` or ``"++"``: how the override is to be spelled.
    """

    name: str
    values: tuple[Value, ...]
    prefix: str = ""

    def __post_init__(self) -> None:
        if not self.values:
            raise SpaceError(f"parameter {self.name!r} has no values")


@dataclass(frozen=True)
class SearchSpace:
    """Parameters + conditions as written."""

    parameters: tuple[Parameter, ...]
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        names = [parameter.name for parameter in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise SpaceError(f"parameter {name!r} is given twice")

    @property
    def size(self) -> int:
        """Number of points in the grid, before conditions."""
        size = 1
        for parameter in self.parameters:
            size *= len(parameter.values)
        return size
