"""Everything that was set for a trial, comparable across sweeps: what one varies another one may have fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperherd.results.text.literals import plain_value
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap
from hyperherd.space.values import is_number, token

SCRIPT = "script"
"""What the name of the script is called where trials of several are compared."""


def settings_of(trials: TrialCollection, trial: Trial) -> dict[str, Any]:
    """Return what tells one of `trials` apart: its parameters, group choices, and what else differs in their configs.

    Of several scripts its name is one of the settings.
    """
    script = trials.scripts.get(trial.sweep)
    names = dict.fromkeys((*(trials.params if len(trials.sweeps) > 1 else trial.params), *trials.varying))
    found = {name: trials.setting(trial, name) for name in names}
    known = {name: value for name, value in found.items() if not isinstance(value, Gap)}
    return {**({SCRIPT: script} if script else {}), **fixed_settings(trial), **known}


def fixed_settings(trial: Trial) -> dict[str, Any]:
    """Return what was fixed for a trial of whose config nothing is left."""
    # Its config is looked at last: of thousands of trials few have such overrides, and a config takes long to read.
    if trial.kept is not None or not trial.fixed_overrides or trial.config:
        return {}
    pairs = (text.lstrip("+").partition("=") for text in trial.fixed_overrides)
    return {name: plain_value(value) for name, _, value in pairs}


def value_token(value: Any) -> str:
    """Return one text for all values that are equal: 1 and 1.0 are, 1 and true are not."""
    if is_number(value) and abs(value) < 2**53:
        return repr(float(value))
    return token(value)


def tokens_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as texts that are equal where the values are."""
    return {name: value_token(value) for name, value in settings.items()}
