"""Resolving one name of a composed config as the trial would, before there is a trial.

What only a running trial has (its number, its directory, its seed) stands in the config as an interpolation that
cannot be resolved, so whatever needs it raises an error. Resolvers of the user's own are called twice, each time on a
copy: one whose answers differ (time, random) would decide for a trial by a value that this trial never sees.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import PurePath
from typing import Any

import omegaconf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from hyperherd.compat.omegaconf import nodes_of, put_nodes
from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent
from hyperherd.space.values import Value, identical

_ONLY_RUNNING = "hyperherd.only_while_running"
_OF_A_JOB = ("hydra.job.num", "hydra.job.id", "hydra.runtime.output_dir", "hydra.sweep.dir")
_OF_A_TRIAL = "HYPERHERD_"
_MISSING = object()


def mark_unknown(config: DictConfig, unknown: Mapping[str, str]) -> None:
    """Make every entry of `config` that only a running trial has one that cannot be resolved.

    Args:
        config: composed; it is changed.
        unknown: further entries by dotted name, with the reason why they are not known yet.
    """
    _register()
    for name in _OF_A_JOB:
        _mark(config, name, f"only a running trial has {name}")
    for name, reason in unknown.items():
        _mark(config, name, reason)


def _mark(config: DictConfig, name: str, reason: str) -> None:
    with read_write(config), open_dict(config):
        OmegaConf.update(config, name, f"${{{_ONLY_RUNNING}:'{reason}'}}", force_add=True)


def _register() -> None:
    # OmegaConf 2.4 renamed it, and warns of the old name; in 2.3 the new name belongs to something else that is old.
    is_newer = tuple(map(int, omegaconf.__version__.split(".")[:2])) >= (2, 4)
    register = OmegaConf.register_resolver if is_newer else OmegaConf.register_new_resolver
    if not OmegaConf.has_resolver(_ONLY_RUNNING):
        register(_ONLY_RUNNING, _refuse)


def _refuse(reason: str) -> None:
    raise SpaceError(reason)


def resolve(config: DictConfig, name: str, cached: DictConfig) -> Value:
    """Return the value of `name` in `config`, which calls no resolvers but those of OmegaConf and Hydra.

    Args:
        config: composed, with what is unknown marked; it is left as it is.
        name: dotted.
        cached: the config whose cache of resolvers' answers every trial starts with.

    Raises:
        Absent: there is no such value.
        SpaceError: there is one, and it cannot be known before the trial runs.
    """
    OmegaConf.copy_cache(cached, config)
    with _as_in_the_trial(config, config):
        return _resolved(config, name)


def resolve_twice(config: DictConfig, name: str, cached: DictConfig, only: frozenset[str] | None) -> Value:
    """Return the value of `name` in `config` as :func:`resolve` does; resolvers of the user's own may be called.

    Args:
        config: composed, with what is unknown marked; it is left as it is.
        name: dotted.
        cached: the config whose cache of resolvers' answers every trial starts with.
        only: what the copies hold that resolvers get to see, by the first part of its name; None for all, Hydra's
            config included.

    Raises:
        Absent: there is no such value.
        SpaceError: there is one that cannot be known before the trial runs, or not from `only` alone.
    """
    first, second = (_resolved_in_copy(config, name, cached, only) for _ in range(2))
    if not identical(first, second):
        raise SpaceError(
            f"{name} has a different value each time it is resolved ({first!r:.50}, then {second!r:.50}), so its value "
            f"in the trial is not known before it runs"
        )
    return first


def _resolved_in_copy(config: DictConfig, name: str, cached: DictConfig, only: frozenset[str] | None) -> Value:
    seen = config
    if only is not None:
        # Shallow, because copying deep costs most: only what resolvers get to see is copied so below.
        seen = copy.copy(config)
        put_nodes(seen, {key: node for key, node in nodes_of(config).items() if key in only})
    seen = copy.deepcopy(seen)
    OmegaConf.copy_cache(cached, seen)
    with _as_in_the_trial(config, seen if only is None else None):
        return _resolved(seen, name)


def _resolved(config: DictConfig, name: str) -> Value:
    try:
        value = OmegaConf.select(config, name, default=_MISSING)
        if value is _MISSING:
            raise Absent(name)
        is_config = OmegaConf.is_config(value)
        return _plain(OmegaConf.to_container(value, resolve=True, enum_to_str=True) if is_config else value)
    except (InterpolationKeyError, InterpolationToMissingValueError):
        raise Absent(name) from None
    except (InterpolationResolutionError, UnsupportedInterpolationType, GrammarParseError) as error:
        raise SpaceError(f"{name} cannot be resolved before the trial runs: {_reason(error)}") from None
    except OmegaConfBaseException:  # a name that leads through a value which holds nothing
        raise Absent(name) from None


def _reason(error: OmegaConfBaseException) -> str:
    """Return the first line of what is wrong: our own reason where there is one, which OmegaConf has wrapped."""
    return str(error).rpartition(f"{SpaceError.__name__} raised while resolving interpolation: ")[2].splitlines()[0]


@contextmanager
def _as_in_the_trial(config: DictConfig, hydra: DictConfig | None) -> Iterator[None]:
    """Give resolvers the environment that they meet in the trial, as far as it is known, and this as Hydra's config."""
    # All of it, because a resolver may set variables too.
    before, environment = HydraConfig.instance().cfg, dict(os.environ)
    HydraConfig.instance().cfg = hydra  # type: ignore[assignment]
    for name in environment:
        if name.startswith(_OF_A_TRIAL):
            del os.environ[name]  # of a trial that starts this sweep, if any
    settings: Any = OmegaConf.to_container(config.hydra.job.env_set, resolve=False)
    os.environ.update({str(name): value for name, value in settings.items() if _is_plain(value)})
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        for name, text in environment.items():
            if os.environ.get(name) != text:
                os.environ[name] = text


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and "${" not in value and value != "???"


def _plain(value: Any) -> Value:
    """Return a value as an override would write it."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    return value
