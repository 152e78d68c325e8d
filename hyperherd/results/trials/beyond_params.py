"""What tells trials apart beside their parameters: group choices, and what else differs in their configs.

A trial's configuration is its parameters, then its group choices, then its config. A key that nobody searched tells
trials apart only if it differs among trials with the same choices, because everything else follows from these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hyperherd.masking import is_secret
from hyperherd.records.config import is_of_one_trial
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.space.values import token

_ABSENT = object()


@dataclass(frozen=True)
class BeyondParams:
    """The names of what tells trials apart beside their parameters."""

    choices: tuple[str, ...] = ()
    """Config groups."""
    config: tuple[str, ...] = ()
    """Keys of the config."""
    rewritten: tuple[str, ...] = ()
    """Keys that follow from others, but not in the same way in all trials: their texts differ."""


def beyond_params(trials: Sequence[Trial], params: Collection[str], *, several: bool) -> BeyondParams:
    """Return what tells `trials` apart beside `params`.

    Args:
        trials: any.
        params: the parameters of any of them.
        several: whether they may be of more than one config even where their records do not say so; that takes reading
            the config of each.
    """
    known = _one_of_each(trials, several=several)
    choices = _varying_choices(known, params)
    plain: dict[str, None] = {}
    rewritten: dict[str, None] = {}
    for members in _by_choices(known):
        if len(members) > 1:
            _compare(members, params, plain, rewritten)
    return BeyondParams(choices, tuple(plain), tuple(rewritten))


def _one_of_each(trials: Sequence[Trial], *, several: bool) -> list[Trial]:
    """Return one trial of those of a sweep that share what they kept, as thousands do; all that kept nothing."""
    found: dict[tuple[int, int], Trial] = {}
    for trial in trials:
        if trial.kept is not None:
            found.setdefault((id(trial.kept), id(trial.sweep)), trial)
        elif several:
            found[id(trial), 0] = trial
    return list(found.values())


def _by_choices(trials: Sequence[Trial]) -> Iterator[list[Trial]]:
    """Yield one trial of each config for each choice of groups."""
    found: dict[str, dict[str, Trial]] = defaultdict(dict)
    for trial in trials:
        if trial.config_hash:
            found[repr(sorted(trial.choices.items()))].setdefault(trial.config_hash, trial)
    return (list(members.values()) for members in found.values())


def _compare(
    members: Sequence[Trial], params: Collection[str], plain: dict[str, None], rewritten: dict[str, None]
) -> None:
    written = [trial.written_values for trial in members]
    for name in dict.fromkeys(chain.from_iterable(written)):
        if name in plain or name in rewritten or _is_param(name, params) or is_secret(name):
            continue
        values = [values.get(name, _ABSENT) for values in written]
        if len({_ABSENT if value is _ABSENT else token(value) for value in values}) == 1:
            continue
        if any(map(is_reference, values)):
            rewritten[name] = None
        elif not any(is_of_trial(value, trial) for value, trial in zip(values, members, strict=True)):
            plain[name] = None


def is_reference(value: Any) -> bool:
    """Return whether a value of a written config follows from another one by an interpolation."""
    text = _as_text(value)
    return isinstance(text, str) and "${" in text


def is_of_trial(value: Any, trial: Trial) -> bool:
    """Return whether a value of a trial's config is a path or time that no other trial has."""
    return is_of_one_trial(_as_text(value), _places(trial))


def _as_text(value: Any) -> Any:
    return repr(value) if isinstance(value, list | dict) else value


def _is_param(name: str, params: Collection[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:count]) in params for count in range(1, len(parts) + 1))


def _places(trial: Trial) -> tuple[str, ...]:
    own = () if trial.dir is None else (str(trial.dir.absolute()),)
    return (*own, str(trial.sweep.dir), *([trial.name] if trial.name != trial.label else []))


def _varying_choices(trials: Sequence[Trial], params: Collection[str]) -> tuple[str, ...]:
    """Return the groups whose choices differ, but for those that follow from groups which are parameters."""
    known = [(trial.sweep, trial.choices) for trial in trials if trial.config_hash]
    names = dict.fromkeys(chain.from_iterable(choices for _, choices in known))
    searched = [name for name in names if name in params]
    varying = [name for name in names if name not in params and len({_text(choices, name) for _, choices in known}) > 1]
    return tuple(name for name in varying if not _follows(name, searched, known))


def _follows(name: str, searched: Sequence[str], known: Sequence[tuple[Sweep, dict[str, Any]]]) -> bool:
    """Whether what is chosen of a group is decided by what is chosen of others, as a defaults list in an option does.

    It varies within one sweep then, which varies nothing but its parameters.
    """
    by_searched: dict[tuple[str, ...], set[str]] = defaultdict(set)
    by_sweep: dict[Sweep, set[str]] = defaultdict(set)
    for sweep, choices in known:
        by_searched[tuple(_text(choices, other) for other in searched)].add(_text(choices, name))
        by_sweep[sweep].add(_text(choices, name))
    return all(len(values) == 1 for values in by_searched.values()) and any(
        len(values) > 1 for values in by_sweep.values()
    )


def _text(choices: dict[str, Any], name: str) -> str:
    return repr(choices.get(name, _ABSENT))
