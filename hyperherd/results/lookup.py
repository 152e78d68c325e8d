"""Which trials someone means by a few words: folders of trials, or a path and numbers of trials under it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperherd.errors import NothingFound, ResultsError
from hyperherd.results.api import Trials, load
from hyperherd.results.files.newest import LATEST, resolved
from hyperherd.results.trials.trial import Trial

_LISTED = 5


def lookup_trials(words: Sequence[str], count: int = 1) -> list[Trial]:
    """Return the trials that `words` mean.

    Args:
        words: `count` folders of trials, or `count` numbers (or names) of trials with the paths to search among
            them (default: ./multirun). What exists is a path, and so is ``latest``.
        count: how many trials are wanted.

    Raises:
        NothingFound: the trial does not exist.
        ResultsError: another number of trials is meant.
    """
    paths = [word for word in words if is_path(word)]
    labels = [word for word in words if word not in paths]
    if len(labels) == count:
        trials = load(*paths)
        return [_labelled(trials, label, paths) for label in labels]
    if not labels and len(paths) == count:
        return [_alone(path) for path in paths]
    missing = next((label for label in labels if "/" in label), None)
    if missing is not None:
        raise NothingFound(f"{missing} does not exist")
    wanted = "one trial" if count == 1 else f"{count} trials"
    example = " ".join(str(number) for number in range(3, 3 + count))
    raise ResultsError(f"give {wanted}: PATH {example}, or the folder{'s' * (count != 1)} of {wanted}")


def is_path(word: str) -> bool:
    """Return whether a word is a path that exists, rather than the number or name of a trial."""
    return Path(word).exists() or (LATEST in Path(word).parts and resolved(word).exists())


def _labelled(trials: Trials, label: str, paths: Sequence[str]) -> Trial:
    found = [trial for trial in trials if trial.label == label]
    found = found or [trial for trial in trials if trial.name == label]
    if len(found) == 1:
        return found[0]
    if found:
        folders = [str(trial.dir or trial.sweep.dir) for trial in found]
        raise ResultsError(f"{len(found)} trials are called {label}; give the folder of one of them: {_some(folders)}")
    if "/" in label:
        raise NothingFound(f"{label} does not exist")
    where = ", ".join(paths) or "multirun"
    raise NothingFound(f"no trial {label} under {where}; available: {_some([trial.label for trial in trials])}")


def _alone(path: str) -> Trial:
    trials = load(path)
    if len(trials) == 1:
        return trials[0]
    raise ResultsError(f"{path} has {len(trials)} trials; add the number of one: {path} {trials[0].label}")


def _some(names: Sequence[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: _LISTED - 1])}, ... {names[-1]}"
