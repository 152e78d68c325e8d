"""The commands of `herd-results`: each is the function ``run(argv)`` of the module of its name in this package."""

from __future__ import annotations

COMMANDS = {
    "failures": "what went wrong, grouped, with what it has in common",
    "effects": "which parameters matter, and by how much",
    "cancel": "cancel trials that run or wait",
    "compact": "put the metrics of a finished sweep into one file",
}
"""Name -> what it does. A folder of that name is asked for as ``./name``."""
