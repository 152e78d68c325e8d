"""Notes about what looks like several values and is one to Hydra: a list, ``1..3``, null, an empty text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.overrides import Argument
from hyperherd.space.values import is_number
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.settings import SweepSettings
from hyperherd.sweep.validation.template import JOB_ID, NO_COMPOSITION

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_DOTS = re.compile(rf"\s*(-?\d+)\s*\.\.\.?\s*(-?\d+)\s*|\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*")
_SEVERAL = re.compile(rf"\s*{_NUMBER}(?:\s*[ ;:|/]\s*{_NUMBER})+\s*")
_NONE = object()


def single_values(app: HydraApp, fixed: Sequence[Argument], settings: SweepSettings) -> Iterator[str]:
    """Yield a note for each fixed override and parameter of the config that takes one value where several look meant.

    Args:
        app: the Hydra app that sweeps.
        fixed: the fixed overrides of the command line.
        settings: `hydra.sweeper`.
    """
    for argument in fixed:
        if argument.prefix != "~" and _looks_meant_as_several(argument.value):
            own = _own_value(app, [other.text for other in fixed if other is not argument], argument.name)
            # Many configs switch something off with null, so it is noted only where a number stood.
            if not _is_like(own, argument.value) and (argument.value is not None or is_number(own)):
                yield f"{argument.text} is one value for all trials; {_advice(argument.name, argument.value, '=')}"
    for key, written in settings.params.items():
        value = _single(written)
        name = str(key).lstrip("+")
        if value is not _NONE and _looks_meant_as_several(value):
            own = _own_value(app, [argument.text for argument in fixed], name)
            if not _is_like(own, value):
                shown = "null" if value is None else repr(value)
                yield f"hydra.sweeper.params.{name} is one value, {shown}; {_advice(name, value, ': ')}"


def _single(written: Any) -> Any:
    """Return the one value of a parameter that was not written as a list of values; `_NONE` if it has several."""
    if isinstance(written, dict):
        return _single(written["values"]) if "values" in written else _NONE
    if isinstance(written, str) and re.fullmatch(r"\s*\[.*\]\s*", written, re.DOTALL):
        return [item.strip() for item in written.strip()[1:-1].split(",")]
    return _NONE if isinstance(written, list) else written


def _looks_meant_as_several(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip() or bool(_DOTS.fullmatch(value) or _SEVERAL.fullmatch(value))
    return value is None or isinstance(value, list)


def _is_like(own: Any, value: Any) -> bool:
    """Whether the config's own value is of the kind that looks like several values too."""
    if isinstance(value, str) and value.strip():
        return isinstance(own, str) and (_looks_meant_as_several(own) or not _DOTS.fullmatch(value))
    if isinstance(value, list):
        return isinstance(own, list)
    return own is None or own == ""


def _advice(name: str, value: Any, sign: str) -> str:
    if isinstance(value, list) and value:
        example = ",".join(str(item) for item in value)
    elif isinstance(value, str) and (dots := _DOTS.fullmatch(value)):
        example = f"range({dots[1]},{int(dots[2]) + 1})" if dots[1] else "0.1,0.2"
    elif isinstance(value, str) and value.strip():
        example = ",".join(re.findall(_NUMBER, value))
    else:
        example = "a,b"
    return f"to sweep several, write {name}{sign}{example}"


def _own_value(app: HydraApp, others: Sequence[str], name: str) -> Any:
    """Return the value that the config has itself, without the override in question; `_NONE` if it has none."""
    try:
        config = app.compose(others, 0, JOB_ID)
        value = OmegaConf.select(config, name, default=_NONE)
    except (*NO_COMPOSITION, OmegaConfBaseException):
        return _NONE
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
