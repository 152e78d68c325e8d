"""Parameters that repeat a configuration, known by their names: seeds, and what may be one."""

from __future__ import annotations

import re

_PAIRS = frozenset({("random", "state"), ("seed", "everything"), ("seed", "all"), ("seed", "value"), ("seed", "torch")})
_LIKELY = frozenset(
    {"rng", "prng", "seeds", "fold", "folds", "repeat", "repetition", "replicate", "replica", "rep", "run"}
)
_COUNTS = frozenset({"n", "num", "nr", "of", "max"})
_NUMBERED = frozenset({"id", "idx", "index", "number"})


def is_seed(name: str) -> bool:
    """Return whether a parameter is a seed by its name: ``seed``, ``SEED``, ``model.init_seed``, ``random_state``."""
    words = _words(name)
    return words[-1:] == ["seed"] or tuple(words[-2:]) in _PAIRS


def may_be_seed(name: str) -> bool:
    """Return whether a parameter may repeat a configuration, or be a setting: ``fold``, ``rng``, ``repeat``."""
    words = _words(name)
    return is_seed(name) or (not _LIKELY.isdisjoint(words[-1:]) and _COUNTS.isdisjoint(words))


def _words(name: str) -> list[str]:
    """Return the words of the last part of a dotted name in lower case, without what says that it is a number."""
    last = re.split(r"[./@]", name)[-1]
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last).lower())
    return [word for word in words if word and word not in _NUMBERED]
