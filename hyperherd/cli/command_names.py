"""The commands of `herd-results`: each is the function ``run(argv)`` of the module of its name in this package."""

from __future__ import annotations

COMMANDS = {
    "show": "everything about one trial",
    "best": "the best configurations, how to reproduce them, and more seeds for them",
    "failures": "failed trials, grouped by error, with the settings they share",
    "effects": "which parameters matter, and how much",
    "compare": "two sweeps or two settings: which is better, how certainly, and what else differs",
    "diff": "the differences between two trials",
    "logs": "the log of a trial",
    "watch": "refresh until all trials have ended",
    "sql": "query trials, metrics and configs in SQL",
    "export": "all trials and metrics as files for other programs, or to MLflow, W&B or TensorBoard",
    "import": "add metrics from another program's JSONL to a trial",
    "note": "give a trial a note after the fact",
    "tag": "give a trial a tag, which is a column and a filter",
    "work": "run waiting trials of a sweep on this machine",
    "prune": "end running trials at their next log call, for good",
    "stop": "end running trials at their next log call, to continue later",
    "continue": "have pruned, paused and stopped trials run on",
    "cancel": "cancel running and waiting trials at once",
    "compact": "put the metrics of a finished sweep into one file",
    "clean": "delete checkpoints that are not needed any more, and move orphaned trials away",
    "curves": "plot a metric over steps or time, in the terminal or as png, pdf or svg",
    "report": "write everything into one HTML file that works offline",
    "guide": "a page for coding agents: which call to use, a template, pitfalls, JSON",
    "help": "the help of a command, or the list of commands",
    "completion": "a script that completes commands and options in bash, zsh or fish",
}
"""Name -> description. A folder with the name of a command is written ``./name``."""
