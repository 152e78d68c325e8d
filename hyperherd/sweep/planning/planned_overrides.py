"""Overrides that are read from a folder: what they may hold before they are composed, where the folder is not trusted.

Values are harmless. What Hydra itself is told, what a resolver computes, and which class is made run code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf

from hyperherd.errors import SpaceError, SweepError
from hyperherd.escape import one_line
from hyperherd.overrides import parse
from hyperherd.records.disk.ownership import SHARED
from hyperherd.sweep.app import HydraApp

_TARGET = "_target_"
_REFERENCE = re.compile(r"\$\{[\w.\[\]]+\}")
"""An interpolation that names a key, and calls no resolver."""


def check_overrides(app: HydraApp, sweep_dir: Path, overrides: Iterable[str]) -> None:
    """Look through planned overrides of a folder that others can write to.

    Raises:
        SweepError: one of them could run more than the script as it is configured.
    """
    known = set(_targets(OmegaConf.to_container(app.config, resolve=False)))
    for text in dict.fromkeys(overrides):
        if fault := _fault(text, known):
            raise SweepError(
                one_line(
                    f"{sweep_dir} plans the override {text}, which {fault}; another user could have written it "
                    f"there, and {SHARED} does not allow that. Repeat the search space on the command line, or "
                    "remove the others' write permission (chmod go-w)"
                )
            )


def _fault(text: str, known_targets: set[str]) -> str:
    try:
        (argument,) = parse([text])
    except (HydraException, SpaceError, ValueError):
        return "cannot be parsed"
    if argument.values is not None:
        return "is itself a sweep"
    # A package may lead there too, as in db@hydra.launcher.
    if any(re.split(r"[./]", part)[0] == "hydra" for part in re.split("[@:]", argument.name)):
        return "changes Hydra's own configuration"
    if _calls_resolver(text):
        return "calls a resolver"
    named = {argument.name.split(".")[-1]: argument.value}
    unknown = [target for target in _targets(named) if target not in known_targets]
    return f"instantiates {unknown[0]!r}, which the current config does not name" if unknown else ""


def _calls_resolver(text: str) -> bool:
    """Return whether an interpolation does more than name a key, which may be named by another's value."""
    before = ""
    while before != text:
        before, text = text, _REFERENCE.sub("x", text)
    return "${" in text


def _targets(node: Any) -> Iterator[str]:
    """Yield every value of a key `_target_` at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if str(key) == _TARGET:
                yield str(value)
            yield from _targets(value)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for item in node:
            yield from _targets(item)
