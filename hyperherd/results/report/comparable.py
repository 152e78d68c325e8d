"""What the effects of a selection are computed from: a code for each trial and setting, equal where the values are.

What tells some trials apart depends on which they are: the parameters that any of them has, group choices and keys of
the config that differ among them (`results/trials/settings.py`, `beyond_params.py`). Here is what any selection needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from hyperherd.records.states import TrialState
from hyperherd.results.report.configs import DifferentConfigs
from hyperherd.results.report.lookups import typed
from hyperherd.results.report.sampling import MOST_READ
from hyperherd.results.statistics.failures import is_blameless
from hyperherd.results.text.format import setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.seed_names import is_seed
from hyperherd.results.trials.settings import SCRIPT, fixed_settings, value_token
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap, lookup
from hyperherd.space.values import PerValue

Param = Mapping[str, Any]

_token = PerValue(value_token)


def comparable(loaded: TrialCollection, ordered: TrialCollection, params: Sequence[Param]) -> dict[str, Any]:
    """Return what the effects of any of the trials are computed from.

    Args:
        loaded: the trials in the order in which the command line has them.
        ordered: the same in that of the report.
        params: the columns that the report has anyway.
    """
    places = {trial: place for place, trial in enumerate(ordered)}
    configs = DifferentConfigs(ordered)
    fixed = {place: found for place, trial in enumerate(ordered) if (found := fixed_settings(trial))}
    names = dict.fromkeys((*loaded.params, *configs.names, *chain.from_iterable(fixed.values())))
    columns = {name: _Column(ordered, name, in_config=name in configs.names) for name in names}
    # What is fixed for a trial may be a value that no other has.
    codes = {
        place: {name: columns[name].code(value) for name, value in found.items()} for place, found in fixed.items()
    }
    constant = [
        name for name, column in columns.items() if column.is_constant and name not in configs.names and not codes
    ]
    shown = {name: place for place, name in enumerate(name for name in columns if name not in constant)}
    orders: dict[tuple[int, ...], int] = {}
    own = [tuple(shown[name] for name in trial.params if name in shown) for trial in ordered]
    return {
        "columns": [columns[name].plain(params) for name in shown],
        "constant": constant,
        "own": [orders.setdefault(order, len(orders)) for order in own],
        "orders": list(orders),
        "fixed": {place: [(shown[name], code) for name, code in found.items()] for place, found in codes.items()},
        "configs": configs.plain(shown),
        "loaded": [places[trial] for trial in loaded],
        "blameless": [place for place, trial in enumerate(ordered) if is_blameless(trial)],
        "unread": [place for place, trial in enumerate(ordered) if _is_unread(trial)],
        "alone": [place for place, trial in enumerate(ordered) if trial.number is None],
        "seed_keys": [sweep.seed_key for sweep in ordered.sweeps],
        "script": _script(ordered),
    }


class _Column:
    """The values of one setting: of each trial that of its parameter, else what its config has; -1 for none."""

    def __init__(self, trials: TrialCollection, name: str, *, in_config: bool) -> None:
        self.name = name
        self._values: dict[str, Any] = {}
        self._places: dict[str, int] = {}
        in_config = in_config or len(trials.sweeps) > 1
        self._codes = [self.code(_value(trials, trial, name, in_config=in_config)) for trial in trials]
        self._everywhere = all(name in trial.params for trial in trials if not _is_unread(trial))

    def code(self, value: Any) -> int:
        """Return the place of a value among the different ones; -1 for a gap."""
        if isinstance(value, Gap):
            return -1
        key = _token(value)
        self._values.setdefault(key, value)
        return self._places.setdefault(key, len(self._places))

    @property
    def is_constant(self) -> bool:
        """Whether no selection can tell trials apart by it."""
        return self._everywhere and len(self._values) == 1

    def plain(self, params: Sequence[Param]) -> dict[str, Any]:
        """Return the column; where a parameter's is the same, only the place of that."""
        told = {"name": self.name, "seed": is_seed(self.name)}
        for place, param in enumerate(params):
            if param["name"] == self.name and _are_alike(param["codes"], self._codes):
                return {**told, "param": place}
        values = [{"text": setting(value), "typed": typed(value)} for value in self._values.values()]
        return {**told, "values": values, "codes": self._codes}


def _are_alike(one: Sequence[int], other: Sequence[int]) -> bool:
    """Return whether two columns of codes differ in nothing but the names of the codes."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other)) and all((a < 0) == (b < 0) for a, b in pairs)


def _value(trials: TrialCollection, trial: Trial, name: str, *, in_config: bool) -> Any:
    if name in trial.params:
        return trial.params[name]
    if not in_config or _is_unread(trial):
        return Gap.NOT_APPLICABLE
    if name in trial.choices:
        return trial.choices[name]
    if len(trials) > MOST_READ:  # not more of the configs than what the table has read
        return trials.setting(trial, name)
    return lookup(trial.config, name)


def _is_unread(trial: Trial) -> bool:
    return trial.state is TrialState.UNREADABLE and not trial.params


def _script(trials: TrialCollection) -> dict[str, Any] | None:
    """Return the script of each trial, which is a setting where there are several."""
    if not trials.scripts:
        return None
    names = [name for name in dict.fromkeys(trials.scripts.values()) if name]
    codes = [names.index(name) if (name := trials.scripts[trial.sweep]) else -1 for trial in trials]
    values = [{"text": setting(name), "typed": typed(name)} for name in names]
    return {"name": SCRIPT, "seed": False, "values": values, "codes": codes}
