"""What a trial is made of: everything that was set for it, and which of that only repeats it with another seed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from hyperherd.results.trial import Trial
from hyperherd.results.trials import Trials
from hyperherd.space.values import is_number, token

_SEED = re.compile(r"(.*[._/])?(random_)?seed")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_WORDS = {"true": True, "false": False, "null": None}


def seed_names(trials: Trials) -> tuple[str, ...]:
    """Return the parameters that repeat a configuration, by their name."""
    return tuple(name for name in trials.params if _SEED.fullmatch(name))


def settings_of(trial: Trial) -> dict[str, Any]:
    """Return everything that was set for `trial` on top of the app's config: fixed overrides too, Hydra's own not."""
    fixed = {}
    for text in trial.overrides:
        name, _, value = text.lstrip("+").partition("=")
        if not name.startswith(("hydra.", "hydra/", "~")) and name not in trial.params:
            fixed[name] = _typed(value)
    return {**fixed, **trial.params}


def value_token(value: Any) -> str:
    """Return one text for all values that are equal: 1 and 1.0 are, 1 and true are not."""
    if is_number(value) and abs(value) < 2**53:
        return repr(float(value))
    return token(value)


def distinct(trials: Iterable[Trial]) -> list[Trial]:
    """Return `trials` with one for each settings: of duplicates, the one that ended last."""
    found: dict[frozenset[tuple[str, str]], Trial] = {}
    for trial in trials:
        key = frozenset((name, value_token(value)) for name, value in settings_of(trial).items())
        if key not in found or (trial.ended or 0.0) > (found[key].ended or 0.0):
            found[key] = trial
    return list(found.values())


def _typed(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    except ValueError:
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
