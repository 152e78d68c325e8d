"""Python's search for unused cycles, held back while very many objects are made that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 100_000
_OLDER = 50
"""New objects before each search among these, and such searches before one among those that outlived one.

Not infinite: configs that are composed on the way consist of cycles, some thousand objects each.
"""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Search rarely while the block runs: Python's usual pace takes a third of the time that a large plan needs."""
    before = young, older, oldest = gc.get_threshold()
    if young:  # nobody has switched it off
        gc.set_threshold(max(_YOUNG, young), max(_OLDER, older), oldest)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def not_collected() -> Iterator[None]:
    """Do not search at all while the block runs: it makes trials and curves that all stay, and no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
