"""What Hydra's sweepers that optimize leave: which way is better, in their config, and what they found best.

They judge jobs by what these return. Optuna, Ax and Nevergrad are known by the class of the sweeper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.records.disk.files import number
from hyperherd.records.places import leaves
from hyperherd.results.files.hydra_job import read_yaml
from hyperherd.space.values import equal

RESULTS = "optimization_results.yaml"
MINIMIZE, MAXIMIZE = "minimize", "maximize"


@dataclass(frozen=True)
class Solution:
    """Parameters that an optimizer found best, or among the best of several objectives."""

    params: dict[str, Any]
    values: tuple[float, ...] = ()
    """One for each objective; none where it wrote none."""


@dataclass(frozen=True)
class Optimizer:
    """A sweeper that optimizes, and what it found."""

    name: str
    directions: tuple[str, ...]
    """``minimize`` or ``maximize`` for each value that a job returns."""
    solutions: tuple[Solution, ...] = ()


def read_optimizer(config: Path, sweep_dir: Path) -> Optimizer | None:
    """Return the optimizer that ran a sweep; None if its sweeper is not one, or that is not recorded.

    Args:
        config: the `multirun.yaml` of the sweep, or the `hydra.yaml` of one of its jobs.
        sweep_dir: where it wrote what it found.
    """
    try:
        hydra = read_yaml(config)["hydra"]
        if hydra.get("mode", "MULTIRUN") != "MULTIRUN":
            return None  # A job that ran alone has a sweeper in its config as well.
        found = _optimizer(hydra["sweeper"])
    except (OSError, FormatError, KeyError, TypeError, AttributeError):
        return None
    return None if found is None else Optimizer(*found, tuple(_solutions(sweep_dir)))


def is_of(solution: Solution, params: Mapping[str, Any]) -> bool:
    """Return whether an optimizer's solution is the trial with these parameters."""
    found = solution.params.items()
    return bool(found) and all(name in params and equal(params[name], value) for name, value in found)


def _optimizer(sweeper: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    target = str(sweeper.get("_target_", "")).lower()
    if "optuna" in target:
        written = sweeper.get("direction", MINIMIZE)
        directions = tuple(map(_direction, written if isinstance(written, list) else [written]))
        return "Optuna", directions
    if "nevergrad" in target:
        return "Nevergrad", (MAXIMIZE if sweeper.get("optim", {}).get("maximize") is True else MINIMIZE,)
    if "ax_sweeper" in target:
        asked = sweeper.get("ax_config", {}).get("experiment", {})
        return "Ax", (MAXIMIZE if asked.get("minimize") is False else MINIMIZE,)
    return None


def _direction(written: Any) -> str:
    return MAXIMIZE if str(written).rpartition(".")[2].lower() == MAXIMIZE else MINIMIZE


def _solutions(sweep_dir: Path) -> Iterator[Solution]:
    """Yield what each of the three writes in its own words."""
    path = sweep_dir / RESULTS
    try:
        found = {} if leaves(path, sweep_dir) else read_yaml(path)
    except (OSError, FormatError):
        return
    if not isinstance(found, dict):
        return
    several = found.get("solutions")
    for one in several if isinstance(several, list) else [found]:
        if not isinstance(one, dict):
            continue
        params = next(
            (one[key] for key in ("params", "best_params", "best_evaluated_params", "ax") if key in one), None
        )
        written: Any = next((one[key] for key in ("values", "best_value", "best_evaluated_result") if key in one), [])
        values = [number(value) for value in (written if isinstance(written, list) else [written])]
        if isinstance(params, dict):
            names = {str(name).lstrip("+"): value for name, value in params.items()}
            yield Solution(names, tuple(value for value in values if value is not None))
