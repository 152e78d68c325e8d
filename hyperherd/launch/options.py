"""Options of `hydra.launcher`, where one config serves several of our launchers: what another one's options mean here.

An option that the chosen launcher does not have, and another one has, says something about another machine: it is noted
and left out. It is refused where a trial would compute something else without it. An option that no launcher has is a
typing mistake.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hyperherd.errors import SweepError, nearest
from hyperherd.schemas import LAUNCHERS

_RANKS = ("nodes", "tasks_per_node")
_EMPTY: tuple[Any, ...] = (None, {}, [])

log = logging.getLogger("hyperherd")


def options_of(launcher: str) -> list[str]:
    """Return the names of the options that a launcher of ours has; none for another one."""
    schema = LAUNCHERS.get(launcher)
    return [name for name in schema.__dataclass_fields__ if not name.startswith("_")] if schema else []


def every_option() -> set[str]:
    """Return the names of all options of our launchers."""
    return {option for launcher in LAUNCHERS for option in options_of(launcher)}


def launchers_with(option: str) -> list[str]:
    """Return which launchers of ours have an option."""
    return [launcher for launcher in LAUNCHERS if option in options_of(launcher)]


def own_options(launcher: str, options: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """Return the options that `launcher` has as they are written, and note which others are left out.

    Args:
        launcher: the name of one of ours.
        options: `hydra.launcher`; the interpolations of what is left out are not resolved.

    Raises:
        SweepError: no launcher of ours has one of the options, or a trial would not be the same without it.
    """
    written: Any = OmegaConf.to_container(options, resolve=False) if isinstance(options, DictConfig) else options
    own = options_of(launcher)
    others = [key for key in written if key not in own and not key.startswith("_")]
    for key in others:
        if not launchers_with(key):
            raise SweepError(
                f"hydra.launcher has no key {key!r}{nearest(key, sorted(every_option()))}; "
                f"conf/hydra/launcher/{launcher}.yaml describes those of {launcher}"
            )
        if key == "env":
            _refuse_variables(launcher, written[key])
        elif key in _RANKS:
            refuse_fewer_ranks(launcher, key, options[key], f"hydra.launcher.{key}")
    if left_out := [key for key in others if written[key] not in _EMPTY]:
        note_once(f"{launcher} ignores options of other launchers: hydra.launcher.{', '.join(left_out)}")
    return {key: value for key, value in written.items() if key not in others}


def refuse_fewer_ranks(launcher: str, option: str, value: Any, where: str) -> None:
    """Refuse further processes of a trial that `launcher` does not start: the training would not be the same.

    Args:
        launcher: its name.
        option: of another launcher of ours.
        value: it has.
        where: it is written, for messages.

    Raises:
        SweepError: the number is not 1.
    """
    if option in _RANKS and value not in (None, 1):
        raise SweepError(
            f"{where} is {value!r}, but {launcher} starts one process for each trial, so a distributed training would "
            f"have another number of ranks; set it to 1 if that is meant"
        )


def _refuse_variables(launcher: str, value: Any) -> None:
    if value not in _EMPTY:
        raise SweepError(
            f"hydra.launcher.env sets {', '.join(map(str, value))}, but {launcher} gives trials the environment of the "
            f"sweep; export them before it starts, and add hydra.launcher.env=null"
        )


_noted: set[str] = set()


def note_once(text: str) -> None:
    """Tell the user something, unless this process has done so: a sweep may make its launcher several times."""
    if text not in _noted:
        _noted.add(text)
        log.info("%s", text)
