"""Names that a tracker does not take, mapped to names that it takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable


def mapped(name: str, is_taken: Callable[[str], bool], allowed: Callable[[str], bool], most: int) -> str:
    """Return `name` if a tracker takes it; else one that it takes, the same at each time, and of no other name.

    Args:
        name: of a metric, a setting or a tag.
        is_taken: whether the tracker takes a name.
        allowed: whether it takes a character anywhere in a name.
        most: characters it takes.
    """
    if name and len(name) <= most and is_taken(name):
        return name
    mark = "-" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    found = ("".join(char if allowed(char) else "_" for char in name)[: most - len(mark)] or "_") + mark
    # Where the order of characters is what it refuses, as in a path with two slashes.
    return found if is_taken(found) else re.sub("[^A-Za-z0-9_-]", "_", found)
