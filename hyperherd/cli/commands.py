"""The commands of `herd-results`: each is the function ``run(argv)`` of the module of its name in this package."""

from __future__ import annotations

COMMANDS = {
    "show": "everything about one trial",
    "best": "the winners, how to reproduce them, and more seeds for them",
    "failures": "what went wrong, grouped, with what it has in common",
    "effects": "which parameters matter, and by how much",
    "diff": "what differs between two trials",
    "logs": "what a trial printed",
    "watch": "look again and again until all trials have ended",
    "sql": "ask in SQL",
    "export": "all trials and metrics as files for other programs",
    "cancel": "cancel trials that run or wait",
    "compact": "put the metrics of a finished sweep into one file",
    "curves": "draw how a metric went, in the terminal or as png, pdf or svg",
    "report": "write everything into one HTML file that works offline",
}
"""Name -> what it does. A folder of that name is asked for as ``./name``."""
