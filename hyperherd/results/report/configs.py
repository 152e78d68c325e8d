"""What the configs of trials differ in beside parameters, for the selection of a reader.

`results/trials/beyond_params.py` has the rules: here is what they are applied to, for each config that is different.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from hyperherd.masking import is_secret
from hyperherd.results.trials.beyond_params import is_of_trial, is_reference
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.trial import Trial
from hyperherd.space.values import token

_Key = tuple[int, bool, str, str]
"""Place of the sweep, whether the trial's record tells of its config, what was chosen, and the hash of the config."""
_ABSENT = object()
_PLAIN, _REFERENCE, _OF_TRIAL = range(3)
"""What a value of a config is: `_REFERENCE` to another one, `_OF_TRIAL` is a path or time that one trial alone has."""


class DifferentConfigs:
    """The configs of some trials, those that differ in nothing but parameters as one."""

    def __init__(self, trials: TrialCollection) -> None:
        several = len(trials.sweeps) > 1 or any(trial.number is None for trial in trials)
        sweeps = {sweep: place for place, sweep in enumerate(trials.sweeps)}
        first: dict[_Key, Trial] = {}
        self._of: list[_Key | None] = []
        for trial in trials:
            key = None
            if (several or trial.kept is not None) and trial.config_hash:
                key = sweeps[trial.sweep], trial.kept is not None, _choices(trial), trial.config_hash
                first.setdefault(key, trial)
            self._of.append(key)
        self._first = first
        self._choices = _different_choices(list(first.values()))
        self._keys = _different_keys(first)

    @property
    def names(self) -> tuple[str, ...]:
        """The groups of which different options are chosen, then the keys that differ among trials of one choice."""
        return tuple(dict.fromkeys((*self._choices, *self._keys)))

    def plain(self, columns: Mapping[str, int]) -> dict[str, Any] | None:
        """Return them as JSON has it, settings as places of their columns; None if none differ."""
        if not self.names:
            return None
        groups: dict[str, int] = {}
        hashes: dict[str, int] = {}
        places = {key: place for place, key in enumerate(self._first)}
        return {
            "of": [-1 if key is None else places[key] for key in self._of],
            "configs": [
                {
                    "sweep": sweep,
                    "kept": kept,
                    "group": groups.setdefault(choices, len(groups)),
                    "hash": hashes.setdefault(hash_, len(hashes)),
                    "choices": [self._choices[name][place] for name in self._choices],
                    "values": [self._keys[name][place] for name in self._keys],
                }
                for place, (sweep, kept, choices, hash_) in enumerate(self._first)
            ],
            "choices": [columns[name] for name in self._choices],
            "keys": [columns[name] for name in self._keys],
        }


def _choices(trial: Trial) -> str:
    return repr(sorted(trial.choices.items()))


def _different_choices(trials: Sequence[Trial]) -> dict[str, list[int]]:
    """Return the config groups of which different options are chosen, with a code for what each trial chose."""
    names = dict.fromkeys(chain.from_iterable(trial.choices for trial in trials))
    found = {name: _codes([repr(trial.choices.get(name, _ABSENT)) for trial in trials]) for name in names}
    return {name: codes for name, codes in found.items() if len(set(codes)) > 1}


def _different_keys(first: Mapping[_Key, Trial]) -> dict[str, list[tuple[int, int]]]:
    """Return the keys that can tell trials with the same choices apart, with code and kind of each trial's value."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, (_, _, choices, _) in enumerate(first):
        groups[choices].append(place)
    several = [members for members in groups.values() if len(members) > 1]
    if not several:
        return {}
    trials = list(first.values())
    written = [trial.written_values for trial in trials]
    names = dict.fromkeys(chain.from_iterable(written[place] for members in several for place in members))
    found = {}
    for name in names:
        values = [values.get(name, _ABSENT) for values in written]
        codes = _codes(["" if value is _ABSENT else f"={token(value)}" for value in values])
        cells = [(code, _kind(*item)) for code, item in zip(codes, zip(values, trials, strict=True), strict=True)]
        plain = [{cells[place][0] for place in members if cells[place][1] == _PLAIN} for members in several]
        if any(len(codes) > 1 for codes in plain) and not is_secret(name):
            found[name] = cells
    return found


def _kind(value: Any, trial: Trial) -> int:
    if value is _ABSENT:
        return _PLAIN
    return _REFERENCE if is_reference(value) else _OF_TRIAL if is_of_trial(value, trial) else _PLAIN


def _codes(texts: Sequence[str]) -> list[int]:
    known: dict[str, int] = {}
    return [known.setdefault(text, len(known)) for text in texts]
