"""What `hydra.sweeper` asks for, read into plain data and checked before anything else happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.errors import SweepError, nearest
from hyperherd.pruning.settings import complete, read_pruner
from hyperherd.sampling.settings import SamplerSettings, read_sampler
from hyperherd.schemas import HerdSweeperConf
from hyperherd.sweep.decide_settings import Decide, read_decide
from hyperherd.sweep.failure_policy import Policy, read_policy
from hyperherd.sweep.freezing.settings import SnapshotSettings, read_snapshot
from hyperherd.sweep.notify_settings import NEW_BEST, NotifySettings, read_notify
from hyperherd.sweep.objective_settings import ONE_OBJECTIVE, read_objectives

_CHOICES = {
    "order": ("grid", "random"),
    "validate": ("auto", "full", "none"),
    "on_code_change": ("report", "refuse"),
}
_MAPS = ("params", "parameters", "hydra")
_LISTS = ("conditions", "constraints", "zip", "grids", "static_overrides")
_POLICY = ("retry", "canary", "stop_after_failures", "stop_after_same_error")
_OTHER_SPELLINGS = {
    "n_trials": "max_trials",
    "num_samples": "sample",
    "n_samples": "sample",
    "repeat": "seeds",
    "repeats": "seeds",
    "n_seeds": "seeds",
    "search_space": "params",
    "space": "params",
    "rules": "conditions",
    "metric": "objective",
    "direction": "objective",
    "pruning": "pruner",
    "scheduler": "pruner",
    "n_jobs": "hydra.launcher.max_parallel",
    "storage": "sampler",
    "study_name": "name",
    "search_algorithm": "sampler",
}
"""What other sweepers call these, for the hint about an unknown one."""
_FEWEST_SEEDS = 2
_COUNTS = ("sample", "max_trials", "seeds", "max_batch_size")


@dataclass(frozen=True)
class SweepSettings:
    """`hydra.sweeper`; conf/hydra/sweeper/herd.yaml documents each field."""

    params: dict[str, Any] = field(default_factory=dict)
    conditions: list[Any] = field(default_factory=list)
    grid: Any = None
    zip: list[Any] = field(default_factory=list)
    grids: list[Any] = field(default_factory=list)
    sample: int | None = None
    order: str = "grid"
    max_trials: int | None = None
    seeds: int | None = None
    seed_key: str = "seed"
    seed: int = 0
    strict: bool = True
    objective: tuple[dict[str, str], ...] = ()
    """None, one, or several between which the sweep looks for the best compromises."""
    decide: Decide | None = None
    pruner: dict[str, Any] | None = None
    """As it was written, with the metric and the direction of a single objective where it names none."""
    sampler: SamplerSettings | None = None
    max_batch_size: int | None = None
    dry_run: bool = False
    validate: str = "auto"
    name: str | None = None
    note: str | None = None
    name_key: str | None = None
    static_overrides: list[str] = field(default_factory=list)
    resume: str | None = None
    only: tuple[str, ...] = ()
    allow_drift: bool = False
    on_code_change: str = "report"
    shared: bool = False
    snapshot: SnapshotSettings | None = None
    policy: Policy = field(default_factory=Policy)
    notify: NotifySettings | None = None

    @property
    def one_objective(self) -> dict[str, str] | None:
        """The objective; None if there is none, or if there are several."""
        return self.objective[0] if len(self.objective) == 1 else None


def read_settings(sweeper: DictConfig, overrides: Sequence[str] = ()) -> SweepSettings:
    """Read `hydra.sweeper`.

    A value that is an interpolation reaches the trials as it is; where a whole list or map stands, an interpolation
    names one that is written elsewhere.

    Args:
        sweeper: the config.
        overrides: those of `hydra.*` on the command line.

    Raises:
        SweepError: a value that is not valid; the message names its key.
    """
    # Not as a value: what its interpolations refer to is secret.
    plain = {str(key): _plain(sweeper, key) for key in sweeper if not str(key).startswith("_") and key != "notify"}
    _check_keys(plain)
    _check_kinds(plain)
    _check_shared(plain, overrides)
    for key, choices in _CHOICES.items():
        chosen = plain.get(key) or choices[0]
        if chosen not in choices:
            raise SweepError(
                f"hydra.sweeper.{key} is {chosen!r}{nearest(str(chosen), choices)}; expected one of "
                f"{', '.join(choices)}"
            )
    plain["objective"] = read_objectives(plain.get("objective"))
    plain["decide"] = _decide(plain)
    plain["pruner"] = _pruner(plain)
    plain["snapshot"] = read_snapshot(plain.get("snapshot"))
    plain["sampler"] = _sampler(plain)
    plain["only"] = _texts(plain.get("only"))
    plain["notify"] = _notify(sweeper, several=len(plain["objective"]) > 1)
    plain["policy"] = read_policy({key: plain.pop(key, None) for key in _POLICY})
    # null stands for the default.
    return SweepSettings(**{key: value for key, value in _first_hyperherd(plain).items() if value is not None})


def _plain(sweeper: DictConfig, key: Any) -> Any:
    try:
        value = sweeper[key]  # an interpolation in the place of the whole value is followed
    except OmegaConfBaseException as error:
        raise SweepError(f"hydra.sweeper.{key} cannot be read: {error}") from None
    if not isinstance(value, DictConfig):
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    written: Any = OmegaConf.to_container(value)
    return {name: _named_elsewhere(value, name, item) for name, item in written.items()}


def _named_elsewhere(node: DictConfig, name: Any, written: Any) -> Any:
    """Return the list or map that an interpolation names, or what is written if it names neither."""
    if not OmegaConf.is_interpolation(node, name):
        return written
    try:
        named = node[name]
    except OmegaConfBaseException:
        return written
    return OmegaConf.to_container(named) if OmegaConf.is_config(named) else written


def _check_keys(plain: Mapping[str, Any]) -> None:
    known = [*HerdSweeperConf.__dataclass_fields__]
    known = [key for key in known if not key.startswith("_")]
    for key in plain:
        if key not in known:
            meant = _OTHER_SPELLINGS.get(key)
            hint = f" (did you mean {meant!r}?)" if meant else nearest(key, known)
            raise SweepError(f"hydra.sweeper has no key {key!r}{hint}; conf/hydra/sweeper/herd.yaml describes them all")


def _check_kinds(plain: Mapping[str, Any]) -> None:
    for keys, kind, expected in ((_MAPS, dict, "map from names to values"), (_LISTS, list, "list")):
        for key in keys:
            if plain.get(key) is not None and not isinstance(plain[key], kind):
                raise SweepError(f"hydra.sweeper.{key} is {plain[key]!r}; expected a {expected}")
    for key in _COUNTS:
        count = plain.get(key)
        if count is not None and count < 1:
            raise SweepError(f"hydra.sweeper.{key} is {count}; expected a positive number, or null for no limit")


def _check_shared(plain: Mapping[str, Any], overrides: Sequence[str]) -> None:
    given = any(text.lstrip("+").partition("=")[0] == "hydra.sweeper.shared" for text in overrides)
    if plain.get("shared") and not given:
        raise SweepError(
            "hydra.sweeper.shared is true in a config file, where it is not accepted: a folder could contain "
            "its own config. Pass "
            "hydra.sweeper.shared=true on the command line each time the folder is to be trusted"
        )


def _first_hyperherd(plain: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the first HyperHerd's keys under our names.

    Its `parameters` are ours, except that without a `grid` it varies one at a time.
    """
    parameters, constraints, old = (
        plain.pop("parameters", None),
        plain.pop("constraints", None),
        plain.pop("hydra", None),
    )
    if parameters and plain.get("params"):
        raise SweepError("hydra.sweeper has both params and parameters, which are two names of one key; keep one")
    if constraints and plain.get("conditions"):
        raise SweepError("hydra.sweeper has both conditions and constraints, which are two names of one key; keep one")
    if parameters:
        plain |= {"params": parameters, "grid": plain.get("grid") or "one_at_a_time"}
    if constraints:
        plain["conditions"] = constraints
    static = (old or {}).get("static_overrides")
    if static:
        plain["static_overrides"] = [*static, *(plain.get("static_overrides") or [])]
    return plain


def _texts(written: Any) -> tuple[str, ...]:
    """Return what stands under `only`, which may be one text, one number or a list of these."""
    if written is None:
        return ()
    return tuple(str(item) for item in (written if isinstance(written, list) else [written]))


def _decide(plain: Mapping[str, Any]) -> Decide | None:
    decide = read_decide(plain.get("decide"))
    if decide is None:
        return None
    if len(plain["objective"]) > 1:
        raise SweepError(f"hydra.sweeper.decide looks for the one best configuration, so it needs {ONE_OBJECTIVE}")
    if not plain.get("objective"):
        raise SweepError("hydra.sweeper.decide needs hydra.sweeper.objective, the metric that judges and its direction")
    if (plain.get("seeds") or 0) < _FEWEST_SEEDS:
        raise SweepError(
            f"hydra.sweeper.decide needs hydra.sweeper.seeds, the number of seeds that each configuration begins with, "
            f"of at least {_FEWEST_SEEDS}; hydra.sweeper.seed_key names their parameter"
        )
    if plain.get("only"):
        raise SweepError("hydra.sweeper.decide and hydra.sweeper.only cannot be combined; remove one of them")
    return decide


def _pruner(plain: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the pruner after it was made once, so that what is wrong with it is said before anything runs."""
    written = plain.get("pruner")
    if written is None:
        return None
    if plain.get("decide"):
        raise SweepError(
            "hydra.sweeper.decide and hydra.sweeper.pruner cannot be combined: decide bounds its error by the values "
            "of all seeds, and pruned ones would have none; remove one of them"
        )
    found = complete(written, plain["objective"])
    settings = read_pruner(found)
    settings.made_rule()
    if settings.rule is not None and settings.rule.is_custom and plain.get("shared"):
        raise SweepError(
            f"hydra.sweeper.pruner.name is {settings.rule.name!r}, a class, and hydra.sweeper.shared lets others write "
            f"its name; use one of the rules that come with HyperHerd in a shared folder"
        )
    return found


_NOT_SAMPLED = {
    "grid": "a sampler chooses the points itself",
    "zip": "a sampler chooses every parameter by itself",
    "grids": "a sampler searches one space; give its conditions in hydra.sweeper.conditions",
    "sample": "hydra.sweeper.sampler.trials says how many points are tried",
    "max_trials": "hydra.sweeper.sampler.trials says how many points are tried",
    "order": "a sampler decides the order",
    "parameters": "write hydra.sweeper.params",
    "decide": "both choose which trials run next",
    "only": "both choose which trials run next",
    "canary": "what is tried next follows from the trials before; stop_after_failures ends the sweep early",
}
"""The keys that cannot stand beside a sampler, and why."""


def _sampler(plain: Mapping[str, Any]) -> SamplerSettings | None:
    sampler = read_sampler(plain.get("sampler"))
    if sampler is None:
        return None
    for key, why in _NOT_SAMPLED.items():
        if plain.get(key) and (key, plain[key]) != ("order", _CHOICES["order"][0]):
            raise SweepError(f"hydra.sweeper.{key} and hydra.sweeper.sampler cannot be combined, because {why}")
    if not plain["objective"]:
        raise SweepError(
            "hydra.sweeper.sampler needs hydra.sweeper.objective, the metric that it optimizes and its direction, e.g. "
            "{metric: val/acc, direction: maximize}"
        )
    return sampler


def _notify(sweeper: DictConfig, *, several: bool) -> NotifySettings | None:
    notify = read_notify(sweeper)
    if notify is not None and NEW_BEST in notify.on and several:
        raise SweepError(
            f"hydra.sweeper.notify.on: {NEW_BEST} tells of the one that leads, so it needs {ONE_OBJECTIVE}"
        )
    return notify
