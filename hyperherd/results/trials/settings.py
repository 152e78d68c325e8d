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
    """Return what was set for one of `trials` on top of its app's config: fixed overrides too, Hydra's own not.

    Of several scripts its name is one of the settings.
    """
    script = trials.scripts.get(trial.sweep)
    fixed: dict[str, Any] = {SCRIPT: script} if script else {}
    for text in trial.overrides:
        name, _, value = text.lstrip("+").partition("=")
        if name not in trial.params and not name.startswith(("hydra.", "hydra/", "~")):
            fixed[name] = plain_value(value)
    if len(trials.sweeps) > 1:
        known = {name: trials.setting(trial, name) for name in trials.params if name not in trial.params}
        fixed |= {name: value for name, value in known.items() if not isinstance(value, Gap)}
    return {**fixed, **trial.params}


def value_token(value: Any) -> str:
    """Return one text for all values that are equal: 1 and 1.0 are, 1 and true are not."""
    if is_number(value) and abs(value) < 2**53:
        return repr(float(value))
    return token(value)


def tokens_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as texts that are equal where the values are."""
    return {name: value_token(value) for name, value in settings.items()}
