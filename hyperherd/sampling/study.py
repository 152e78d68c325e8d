"""A study in memory: what a sampler knows, made anew from the trials' own files at each start of a sweep.

Invariant: what it proposes as a trial's point depends on the seed, the trial's number, and what it was told before in
which order; so a search that was killed proposes the same again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hyperherd.errors import SweepError, nearest
from hyperherd.sampling.axes import Axis
from hyperherd.sampling.settings import SamplerSettings
from hyperherd.space.values import Value

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

TAKES_PARTS = frozenset({"TPESampler", "RandomSampler"})
"""The samplers that learn from points which lack some of the parameters."""

_STATELESS = frozenset({"TPESampler", "GPSampler", "RandomSampler"})
"""Those that need nothing but the points and their values; the others also keep notes of their own in a study."""

_NEEDS = {"GPSampler": ("torch", "scipy"), "CmaEsSampler": ("cmaes",), "QMCSampler": ("scipy",)}


@dataclass(frozen=True)
class Outcome:
    """What became of a point.

    Attributes:
        state: whether it has values, was pruned, or has none.
        values: of the objectives, in their order; empty unless it has all of them.
        curve: of a pruned one with one objective: step → its value.
    """

    state: Literal["completed", "pruned", "failed"]
    values: tuple[float, ...] = ()
    curve: Mapping[int, float] = field(default_factory=dict)


class Study:
    """Proposes points and learns what became of them.

    Args:
        settings: which sampler, with what.
        axes: the parameters by name.
        directions: of the objectives, ``maximize`` or ``minimize``; one or more.
        seed: of everything random.
        lacks_parts: whether points may lack some of the parameters.

    Raises:
        SweepError: Optuna, or what the sampler needs beside it, is not installed; or the sampler does not take this.
    """

    def __init__(
        self,
        settings: SamplerSettings,
        axes: Mapping[str, Axis],
        *,
        directions: Sequence[str],
        seed: int,
        lacks_parts: bool,
    ) -> None:
        _check_installed(settings)
        import optuna  # an extra: a sweep without a sampler does without it

        from hyperherd.sampling.rounded import Rounded  # which imports Optuna

        self._optuna = optuna
        self._short = Rounded
        self._settings = settings
        self._axes = axes
        self._seed = seed
        self._lacks_parts = lacks_parts
        self._proposed: Trial | None = None
        self._is_guided = True
        self._numbers: dict[Hashable, int] = {}
        self._open: set[Hashable] = set()
        with _quiet():
            self._distributions = {name: axis.distribution for name, axis in axes.items()}
            self._make = self._maker()
            self._study = optuna.create_study(directions=list(directions), sampler=self._make(0))
            if len(directions) > 1:
                self._check_takes_several(directions)

    @property
    def keeps_notes(self) -> bool:
        """Whether the sampler knows more than the points and their values, so that its proposals must be repeated."""
        return self._settings.sampler not in _STATELESS

    def propose(self, number: int, draw: int, *, evenly: bool = False) -> dict[str, Value]:
        """Return a point; :meth:`accept` or :meth:`reject` is to be called next.

        Args:
            number: of the trial that it is for.
            draw: how many were proposed for it before.
            evenly: whether to draw it without the sampler.

        Raises:
            SweepError: the sampler fails.
        """
        seed = _seed(self._seed, number, draw)
        self._is_guided = not evenly
        with _quiet():
            drawn_evenly = self._short(self._optuna.samplers.RandomSampler(seed=seed))
            self._study.sampler = drawn_evenly if evenly else self._make(seed)
            try:
                self._proposed = self._study.ask(self._distributions)
            except Exception as error:  # the boundary to Optuna, which raises anything of arguments it does not check
                name = self._settings.sampler
                raise SweepError(
                    f"hydra.sweeper.sampler: {name} cannot choose a point: {type(error).__name__}: {error}"
                ) from error
        return {name: self._axes[name].decode(value) for name, value in self._proposed.params.items()}

    def reject(self, outcome: Outcome | None = None) -> None:
        """Do not try the point that was proposed: it is excluded, or was tried before, with this outcome."""
        assert self._proposed is not None
        proposed, self._proposed = self._proposed, None
        if self.keeps_notes:
            self._tell(proposed.number, () if outcome is None else outcome.values)
        elif self._is_guided:
            # As one that is being tried: these samplers keep away from such. Of one that failed they learn nothing,
            # and propose its like again and again where nothing can ever be tried.
            return
        else:
            self._tell(proposed.number)

    def avoid(self, values: Mapping[str, Value]) -> None:
        """Take note of a point that was proposed and rejected, by a study that this one is to equal."""
        self._add(("rejected", len(self._numbers)), self._encoded(values))

    def accept(self, key: Hashable, values: Mapping[str, Value]) -> None:
        """Take note that a point is tried, with the values that it really has; other parameters are not part of it."""
        proposed, self._proposed = self._proposed, None
        parts = self._encoded(values)
        self._open.add(key)
        if proposed is not None and proposed.params == parts:
            self._numbers[key] = proposed.number
            return
        if proposed is not None:
            self._tell(proposed.number)
        self._add(key, parts)

    def is_open(self, key: Hashable) -> bool:
        """Return whether a point was accepted under this key, and nothing was told of it yet."""
        return key in self._open

    def was_told(self, key: Hashable) -> bool:
        """Return whether a point was accepted under this key, and what became of it was told."""
        return key in self._numbers and key not in self._open

    def takes(self, values: Mapping[str, Value]) -> bool:
        """Return whether a point has a value of every parameter, or of some where that is allowed."""
        parts = self._encoded(values)
        return bool(parts) and (self._lacks_parts or parts.keys() == self._axes.keys())

    def tell(self, key: Hashable, outcome: Outcome) -> None:
        """Take note of what became of a point that was accepted."""
        number = self._numbers[key]
        self._open.remove(key)
        if outcome.state == "pruned" and outcome.curve:
            states = self._optuna.trial.TrialState
            trial = self._study.trials[number]
            self._tell(number)
            with _quiet():
                self._study.add_trial(
                    self._optuna.trial.create_trial(
                        state=states.PRUNED,
                        value=outcome.curve[max(outcome.curve)],
                        params=trial.params,
                        distributions=trial.distributions,
                        intermediate_values=dict(outcome.curve),
                    )
                )
        else:
            self._tell(number, outcome.values if outcome.state == "completed" else ())

    def _encoded(self, values: Mapping[str, Value]) -> dict[str, Any]:
        found = {name: axis.encode(values[name]) for name, axis in self._axes.items() if name in values}
        return {name: value for name, value in found.items() if value is not None}

    def _add(self, key: Hashable, parts: Mapping[str, Any]) -> None:
        create, states = self._optuna.trial.create_trial, self._optuna.trial.TrialState
        distributions = {name: self._distributions[name] for name in parts}
        with _quiet():
            self._study.add_trial(create(state=states.RUNNING, params=dict(parts), distributions=distributions))
        self._numbers[key] = len(self._study.get_trials(deepcopy=False)) - 1

    def _tell(self, number: int, values: Sequence[float] = ()) -> None:
        """Tell the values of a point; without any, that it has failed."""
        with _quiet():
            if values:
                self._study.tell(number, values)
            else:
                self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)

    def _check_takes_several(self, directions: Sequence[str]) -> None:
        """Refuse a sampler that cannot choose by several objectives: Optuna says so when it is asked for a point."""
        samplers = self._optuna.samplers
        study = self._optuna.create_study(directions=list(directions), sampler=samplers.RandomSampler(seed=0))
        study.tell(study.ask(self._distributions), [0.0] * len(directions))
        study.sampler = self._make(0)
        try:
            study.ask(self._distributions)
        except ValueError as error:
            raise SweepError(
                f"hydra.sweeper.sampler: {self._settings.sampler} cannot be used with {len(directions)} objectives: "
                f"{error} tpe, gp, qmc, nsga2 and random can"
            ) from None

    def _maker(self) -> Any:
        """Return what makes the sampler with a seed: a new one for each point, so that nothing else decides it."""
        name, options = self._settings.sampler, dict(self._settings.options)
        kind = getattr(self._optuna.samplers, name, None)
        known = [one for one in self._optuna.samplers.__all__ if one.endswith("Sampler")]
        if name not in known or kind is None or inspect.isabstract(kind):
            raise SweepError(f"hydra.sweeper.sampler: optuna.samplers has no {name!r}{nearest(name, known)}")
        arguments = inspect.signature(kind).parameters
        if unknown := next((key for key in options if key not in arguments), None):
            raise SweepError(
                f"hydra.sweeper.sampler.options: {name} has no argument {unknown!r}{nearest(str(unknown), arguments)}"
            )
        if "seed" in options:
            raise SweepError("hydra.sweeper.sampler.options.seed: give the seed as hydra.sweeper.sampler.seed")
        if self._settings.startup is not None:
            options["n_startup_trials"] = self._settings.startup
        if name == "TPESampler":  # by default only from Optuna 5 on
            options = {"multivariate": True, "constant_liar": True, **options}
            if self._lacks_parts and options["multivariate"]:
                options.setdefault("group", True)
        if "warn_independent_sampling" in arguments:
            options.setdefault("warn_independent_sampling", False)

        def make(seed: int) -> BaseSampler:
            given = {"seed": seed} if "seed" in arguments else {}
            if name == "QMCSampler":  # one sequence, of which each point is the next
                given = {"seed": self._seed, "scramble": True}
                given["independent_sampler"] = self._optuna.samplers.RandomSampler(seed=seed)
            return self._short(kind(**{**given, **options}))

        try:
            make(0)
        except (TypeError, ValueError, ImportError) as error:
            raise SweepError(f"hydra.sweeper.sampler: {name}: {error}") from None
        return make


def _seed(seed: int, number: int, draw: int) -> int:
    digest = hashlib.sha256(f"{seed} {number} {draw}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _check_installed(settings: SamplerSettings) -> None:
    if importlib.util.find_spec("optuna") is None:
        raise SweepError("hydra.sweeper.sampler needs Optuna: pip install 'hydra-hyperherd[optuna]'")
    missing = [name for name in _NEEDS.get(settings.sampler, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise SweepError(
            f"hydra.sweeper.sampler: {settings.sampler} needs {' and '.join(missing)}: pip install {' '.join(missing)}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from reporting each study and trial: the sweep does so, and knows what is experimental."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
