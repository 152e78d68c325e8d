"""Which trials someone means by a few words: folders of trials, or a path and numbers of trials under it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperherd.errors import FormatError, NothingFound, ResultsError
from hyperherd.records.events import read_events
from hyperherd.records.job_ids import is_given_job, same_job
from hyperherd.records.places import check_records_inside
from hyperherd.results.api import Trials, load
from hyperherd.results.files.newest import LATEST, resolved, started
from hyperherd.results.statistics.comparison.matching import two_sides
from hyperherd.results.trials.filters import looks_like_filter
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
    paths, labels = _parted(words)
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


def lookup_sides(a: str, b: str, words: Sequence[str]) -> tuple[Trials, Trials, list[str]]:
    """Return the trials of two sides, and the names by which they were chosen.

    Args:
        a: a path, or filters joined by `` & ``.
        b: the same.
        words: filters for both sides; for two filters also the paths where both look.

    Raises:
        NothingFound: a path does not exist, or a side has no trial.
        ResultsError: one side is a path and the other one a filter, or a filter is invalid.
    """
    filters = [word for word in words if is_filter(word)]
    paths = [word for word in words if word not in filters]
    if is_filter(a) != is_filter(b):
        raise ResultsError(f"give two sweeps or two filters, not one of each: {a} {b}")
    if is_filter(a):
        return two_sides(load(*paths).filter(*filters), a, b)
    if paths:
        raise ResultsError(f"two sweeps are compared as they are; {paths[0]} is one path too many")
    for word in (a, b):
        if not is_path(word) and word.isalnum():
            raise NothingFound(f"{word} is not a path; herd-results diff compares two trials")
    sides = [load(path).filter(*filters) for path in (a, b)]
    for path, side in zip((a, b), sides, strict=True):
        if not side:
            raise NothingFound(f"no trial under {path} matches {' '.join(filters)}")
    return sides[0], sides[1], []


def is_filter(word: str) -> bool:
    """Return whether a word is a filter, and not the path of something that exists."""
    return looks_like_filter(word) and not Path(word).exists()


def is_path(word: str) -> bool:
    """Return whether a word is a path that exists, rather than the number or name of a trial."""
    return Path(word).exists() or (LATEST in Path(word).parts and resolved(word).exists())


def lookup_under(path: str, label: str) -> Trial:
    """Return the trial with this number, name or job id under a path, whatever else is called like it.

    Raises:
        NothingFound: the path or the trial does not exist.
        ResultsError: several are called so.
    """
    return _labelled(load(path), label, [path])


def lookup_newest(words: Sequence[str]) -> tuple[Trial, list[Trial]]:
    """Return the trial that `words` mean, and others they could mean: of several sweeps the newest one's counts.

    Raises:
        NothingFound: the trial does not exist.
        ResultsError: another number of trials is meant, or one sweep has several of that name.
    """
    paths, labels = _parted(words)
    if len(labels) != 1:
        return lookup_trials(words)[0], []
    trials = load(*paths)
    found = sorted(_called(trials, labels[0]), key=lambda trial: started(trial.sweep.dir), reverse=True)
    if len(found) > 1 and len({trial.sweep for trial in found}) == len(found):
        return found[0], found[1:]
    return _labelled(trials, labels[0], paths), []


def _parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths among `words`, and what must name trials."""
    paths = [word for word in words if is_path(word)]
    return paths, [word for word in words if word not in paths]


def _labelled(trials: Trials, label: str, paths: Sequence[str]) -> Trial:
    found = _called(trials, label)
    if len(found) == 1:
        return found[0]
    if found:
        folders = [str(trial.dir or trial.sweep.dir) for trial in found]
        raise ResultsError(f"{len(found)} trials are called {label}; give the folder of one of them: {_some(folders)}")
    if "/" in label:
        raise NothingFound(f"{label} does not exist")
    where = ", ".join(paths) or "multirun"
    raise NothingFound(f"no trial {label} under {where}; available: {_some([trial.label for trial in trials])}")


def _called(trials: Trials, label: str) -> list[Trial]:
    found = [trial for trial in trials if trial.label == label]
    found = found or [trial for trial in trials if trial.name == label]
    return found or _of_job(trials, label)


def _of_job(trials: Trials, text: str) -> list[Trial]:
    """Return the trials that a job of a scheduler ran, or will run, whichever attempt that was."""
    if not is_given_job(text):
        return []
    found = [trial for trial in trials if same_job(text, trial.job_id)]
    for sweep in trials.sweeps if not found else ():
        try:
            check_records_inside(sweep.dir)
            numbers = {event.number for event in read_events(sweep.dir) if same_job(text, event.job_id)}
        except (OSError, FormatError):  # the sweep's problem, which its table shows
            continue
        found += [trial for trial in trials if trial.sweep == sweep and trial.number in numbers]
    return found


def _alone(path: str) -> Trial:
    trials = load(path)
    if len(trials) == 1:
        return trials[0]
    raise ResultsError(f"{path} has {len(trials)} trials; add the number of one: {path} {trials[0].label}")


def _some(names: Sequence[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: _LISTED - 1])}, ... {names[-1]}"
