"""Rules of others: Optuna's pruners, asked with what the rungs hold, and classes of the user's."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SweepError
from hyperherd.pruning.rungs import Judgement, Rung
from hyperherd.pruning.schedule import Geometric

_KEY = "hydra.sweeper.pruner"


@dataclass(frozen=True)
class OwnRule:
    """A class of the user's with a method ``prune(rung)``, which returns whether the trial ends, or why.

    Attributes:
        name: import path of the class.
        made: an object of it.
    """

    name: str
    made: Any
    needs_completed = True

    def judge(self, rung: Rung) -> Judgement:
        """Return what the class says; whatever it raises is the caller's to handle."""
        answer = self.made.prune(rung)
        if isinstance(answer, str):
            return Judgement(True, answer or self.name, {"cohort": len(rung.all)})
        told = f"{rung.own.value:.6g} of {len(rung.all)}: {self.name} says {'prune' if answer else 'go on'}"
        return Judgement(bool(answer), told, {"cohort": len(rung.all)})


def own_rule(path: str, options: Mapping[str, Any]) -> OwnRule:
    """Return a rule of the user's.

    Args:
        path: ``package.module.Class``.
        options: what its ``__init__`` gets.

    Raises:
        SweepError: there is no such class, it has no method `prune`, or does not take these options.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # noqa: BLE001 - the boundary to the user's module, which may raise anything
        told = error if isinstance(error, ImportError | AttributeError) else _raised(error)
        raise SweepError(f"{_KEY}.name is {path!r}, which cannot be imported: {told}") from None
    # A class with this one method, so that no name in a config makes us call anything else.
    method = getattr(found, "prune", None)
    if not inspect.isclass(found) or not callable(method):
        raise SweepError(f"{_KEY}.name is {path!r}, which is not a class with a method prune(rung)")
    try:
        inspect.signature(method).bind("self", "rung")
    except TypeError:
        raise SweepError(f"{_KEY}.name is {path!r}, whose method prune does not take one argument, the rung") from None
    return OwnRule(path, _made(found, path, options))


def _made(kind: Any, name: str, options: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(kind).bind(**options)
    except TypeError as error:
        known = ", ".join(inspect.signature(kind).parameters) or "nothing"
        raise SweepError(f"{_KEY}: {name} does not take these options ({error}); it takes {known}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one of Optuna's is experimental: it was asked for by its name
            return kind(**options)
    except Exception as error:  # noqa: BLE001 - the boundary to the user's class, which may raise anything
        told = error if isinstance(error, TypeError | ValueError) else _raised(error)
        raise SweepError(f"{_KEY}: {name} refuses its options: {told}") from None


def _raised(error: Exception) -> str:
    return f"it raised {type(error).__name__}: {error}"


_WRAPPABLE = ("MedianPruner", "PercentilePruner", "WilcoxonPruner")
_WRAPPED = "wrapped_pruner"


@dataclass(frozen=True)
class OptunaRule:
    """One of Optuna's pruners, asked with a study made of what the rungs hold.

    Attributes:
        name: of the pruner.
        pruner: it.
        direction: of the metric.
        needs_history: whether it compares the values of others at all rungs.
        halving: the rungs of its successive halving; None for other pruners.
    """

    name: str
    pruner: Any
    direction: str
    needs_history: bool = False
    halving: Geometric | None = None
    needs_completed = True

    def judge(self, rung: Rung) -> Judgement:
        """Return what Optuna's pruner says of the trial at this rung."""
        study, trial = self._study(rung)
        prunes = bool(self.pruner.prune(study, trial))
        told = f"{rung.own.value:.6g} of {len(rung.all)}: Optuna's {self.name} says {'prune' if prunes else 'go on'}"
        return Judgement(prunes, told, {"value": rung.own.value, "cohort": len(rung.all)})

    def _study(self, rung: Rung) -> tuple[Any, Any]:
        """Return a study of what is known at a rung, and the trial in it that is to be judged."""
        import optuna

        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would tell about each study that it makes
        try:
            study = optuna.create_study(direction=self.direction)
            everywhere = rung.everywhere() if self.needs_history else {}
            for other in rung.others:
                values = {place: there[n] for place, there in everywhere.items() for n in other.numbers if n in there}
                values = {**values, rung.position: other.value}
                study.add_trial(self._trial(rung, values, is_complete=other.has_completed))
            known = sum(other.has_completed for other in rung.others)
            for _ in range(len(rung.completed) - known):  # which have not come to this rung, and count as completed
                study.add_trial(optuna.create_trial(value=rung.worst))
            study.add_trial(self._trial(rung, rung.earlier, is_complete=False, is_own=True))
            return study, study.get_trials(deepcopy=False)[-1]
        finally:
            optuna.logging.set_verbosity(before)

    def _trial(self, rung: Rung, values: Mapping[int, float], *, is_complete: bool, is_own: bool = False) -> Any:
        import optuna

        place = self._place(rung.position)
        stood = {} if place is None else {f"completed_rung_{one}": values[rung.position] for one in range(place)}
        if place is not None and not is_own:  # as successive halving notes, in the study, who came to which rung
            stood[f"completed_rung_{place}"] = values[rung.position]
        state = optuna.trial.TrialState.COMPLETE if is_complete else optuna.trial.TrialState.RUNNING
        last = values[max(values)]
        final = (last if math.isfinite(last) else rung.worst) if is_complete else None
        return optuna.create_trial(state=state, value=final, intermediate_values=dict(values), system_attrs=stood)

    def _place(self, position: int) -> int | None:
        """Return which of the rungs of Optuna's successive halving this is; None for other pruners."""
        if self.halving is None:
            return None
        return next(place for place, rung in enumerate(self.halving) if rung >= position)


def optuna_rule(name: str, options: Mapping[str, Any], direction: str) -> OptunaRule:
    """Return one of Optuna's pruners as a rule.

    Args:
        name: of its class.
        options: what that gets.
        direction: of the metric.

    Raises:
        SweepError: Optuna is not installed, or the pruner does not take these options.
    """
    try:
        import optuna
    except ImportError:
        raise SweepError(
            f"{_KEY}.name is {name!r}, which is Optuna's, and Optuna is not installed (pip install optuna); "
            f"asha and median need nothing more"
        ) from None
    given = dict(options)
    inner = name
    if name == "PatientPruner":
        wrapped = given.get(_WRAPPED)
        if wrapped is not None:
            if not isinstance(wrapped, Mapping) or wrapped.get("name") not in _WRAPPABLE:
                raise SweepError(
                    f"{_KEY}.{_WRAPPED} is {wrapped!r}; expected a map with its options and the name of one of "
                    f"{', '.join(_WRAPPABLE)}"
                )
            inner = str(wrapped["name"])
            rest = {key: value for key, value in wrapped.items() if key != "name"}
            given[_WRAPPED] = _made(getattr(optuna.pruners, inner), inner, rest)
        else:
            given[_WRAPPED] = None
    if inner == "WilcoxonPruner" and importlib.util.find_spec("scipy") is None:
        raise SweepError(f"{_KEY}.name is {name!r}, which needs SciPy (pip install scipy)")
    pruner = _made(getattr(optuna.pruners, name), name, given)
    halving = halving_rungs(options) if name == "SuccessiveHalvingPruner" else None
    return OptunaRule(name, pruner, direction, inner == "WilcoxonPruner", halving)


def halving_rungs(options: Mapping[str, Any], end: int | None = None) -> Geometric:
    """Return the rungs of Optuna's successive halving with these options, below `end`."""
    factor = options.get("reduction_factor", 4)
    return Geometric(options["min_resource"] * factor ** options.get("min_early_stopping_rate", 0), factor, end)
