"""What `hydra.sweeper.sampler` asks for, read into plain data; Optuna is not needed for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hyperherd.errors import SweepError, nearest

NAMES = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
    "random": "RandomSampler",
}
"""What the samplers are called here, and the classes of `optuna.samplers`."""

STARTUP = {"TPESampler": 10, "GPSampler": 10, "CmaEsSampler": 1}
"""The samplers that begin with points drawn evenly, and with how many unless they are told otherwise."""

_SHOWN = {"QMCSampler": 1}
"""How many points follow from no result: its sequence begins when there is one. Of others that are not above, any."""
_USUALLY_SHOWN = 10
_LEARN_NOTHING = frozenset({"BruteForceSampler", "GridSampler", "QMCSampler", "RandomSampler"})
_TARGET, _MODULE = "_target_", "optuna.samplers."
_KEYS = ("name", "trials", "startup", "seed", "options", "enqueue", "from")
_OTHER_SPELLINGS = {
    "n_trials": "trials",
    "max_trials": "trials",
    "budget": "trials",
    "n_startup_trials": "startup",
    "sampler": "name",
    "type": "name",
    "kwargs": "options",
    "n_jobs": "hydra.launcher.max_parallel",
    "direction": "hydra.sweeper.objective.direction",
    "metric": "hydra.sweeper.objective.metric",
    "storage": "nothing: trials are told from their own files",
}
_KEY = "hydra.sweeper.sampler"


@dataclass(frozen=True)
class SamplerSettings:
    """`hydra.sweeper.sampler`; docs/sampler.md explains each key.

    Attributes:
        sampler: the name of a class of `optuna.samplers`.
        trials: how many points are tried; with `seeds` each of them is several trials.
        startup: how many points are drawn evenly before the sampler decides; None for its default.
        seed: of everything random; None for that of the sweeper.
        options: further arguments of the class.
        enqueue: points, or parts of points, that are tried first.
        written: as it was written.
        earlier: folders of earlier sweeps that the sampler knows from the beginning (`from`).
    """

    sampler: str
    trials: int
    written: Mapping[str, Any] = field(default_factory=dict)
    startup: int | None = None
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    enqueue: tuple[Mapping[str, Any], ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def learns(self) -> bool:
        """Whether results change what is tried next."""
        return self.sampler not in _LEARN_NOTHING

    @property
    def shown(self) -> int:
        """How many points a preview shows: those that do not depend on results."""
        given = self.options.get("n_startup_trials") if self.startup is None else self.startup
        if given is None:
            given = {**STARTUP, **_SHOWN}.get(self.sampler, _USUALLY_SHOWN)
        return min(self.trials, max(given, len(self.enqueue), 1))


def read_sampler(written: Any) -> SamplerSettings | None:
    """Read `hydra.sweeper.sampler`.

    Raises:
        SweepError: a value that is not valid; the message names its key.
    """
    if written is None:
        return None
    if not isinstance(written, dict):
        raise SweepError(f"{_KEY} is {written!r}; expected a map such as {{name: tpe, trials: 60, seed: 7}}")
    sampler, options = _class(written)
    trials = written.get("trials")
    if trials is None:
        raise SweepError(f"{_KEY}.trials is missing: the number of points to try, e.g. +{_KEY}.trials=60")
    for key, least in (("trials", 1), ("startup", 1), ("seed", 0)):
        value = written.get(key)
        if value is not None and not _is_count(value, least):
            raise SweepError(f"{_KEY}.{key} is {value!r}; expected a whole number from {least} up")
    if written.get("startup") is not None and sampler not in STARTUP:
        raise SweepError(f"{_KEY}.startup: {sampler} does not begin with points drawn evenly; remove startup")
    if written.get("startup") is not None and "n_startup_trials" in options:
        raise SweepError(f"{_KEY} has both startup and n_startup_trials, which are two names of one key; keep one")
    drawn = options.get("n_startup_trials")
    if drawn is not None and not _is_count(drawn, 0):
        raise SweepError(f"{_KEY}: n_startup_trials is {drawn!r}; expected a whole number from 0 up")
    points = _points(written.get("enqueue"))
    if len(points) > trials:
        raise SweepError(f"{_KEY}.enqueue has {len(points)} points, and {_KEY}.trials is {trials}; raise that")
    return SamplerSettings(
        sampler,
        trials,
        written,
        written.get("startup"),
        written.get("seed"),
        options,
        points,
        _folders(written.get("from")),
    )


def _class(written: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of the class, and its arguments."""
    if _TARGET in written:
        target = str(written[_TARGET])
        if "name" in written:
            raise SweepError(f"{_KEY} has both name and {_TARGET}; keep one of them")
        if not target.startswith(_MODULE):
            raise SweepError(f"{_KEY}.{_TARGET} is {target!r}; expected a class of optuna.samplers")
        # As Hydra's own sweeper for Optuna has it: the arguments stand beside the class.
        beside = {key: value for key, value in written.items() if key not in (*_KEYS, _TARGET)}
        return target.removeprefix(_MODULE), {**_options(written), **beside}
    for key in written:
        if key not in _KEYS:
            meant = _OTHER_SPELLINGS.get(key)
            hint = f" (did you mean {meant}?)" if meant else nearest(str(key), _KEYS)
            raise SweepError(f"{_KEY} has no key {key!r}{hint}; arguments of the sampler go into {_KEY}.options")
    name = str(written.get("name", "tpe"))
    if name not in NAMES:
        raise SweepError(
            f"{_KEY}.name is {name!r}{nearest(name, NAMES)}; expected one of {', '.join(NAMES)}, or "
            f"{_TARGET}: {_MODULE}... in its place"
        )
    return NAMES[name], _options(written)


def _options(written: Mapping[str, Any]) -> dict[str, Any]:
    options = written.get("options")
    if options is not None and not isinstance(options, dict):
        raise SweepError(f"{_KEY}.options is {options!r}; expected a map of arguments, e.g. {{n_ei_candidates: 48}}")
    return dict(options or {})


def _points(written: Any) -> tuple[Mapping[str, Any], ...]:
    if written is None:
        return ()
    if not isinstance(written, list) or not all(isinstance(point, dict) and point for point in written):
        raise SweepError(f"{_KEY}.enqueue is {written!r}; expected a list of points, e.g. [{{lr: 0.1}}]")
    return tuple(written)


def _folders(written: Any) -> tuple[str, ...]:
    folders = [written] if isinstance(written, str) else written
    if folders is None:
        return ()
    if not isinstance(folders, list) or not all(isinstance(folder, str) and folder for folder in folders):
        raise SweepError(f"{_KEY}.from is {written!r}; expected the folder of an earlier sweep, or a list of them")
    return tuple(folders)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
