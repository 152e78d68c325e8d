"""The trial that someone gives a note or a tag: looked up, and its folder checked before anything is written there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperherd.errors import ResultsError
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.ownership import is_own, share_folders
from hyperherd.records.places import in_place
from hyperherd.results.lookup import is_path, lookup_trials, lookup_under
from hyperherd.results.trials.trial import Trial


def annotated_trial(words: Sequence[str], *, shared: bool) -> tuple[Trial, Path]:
    """Return the trial that `words` mean, and its directory, whose records may be written to.

    Args:
        words: a path and the trial's number, or its folder or a file in it; what changes a trial needs a path.
        shared: whether the folder of another user may be written to.

    Raises:
        NothingFound: the trial does not exist.
        ResultsError: there is no path among `words`, the trial has no directory, or it is another user's.
        Outside: a link leads out of the sweep.
    """
    if not is_path(words[0]):
        raise ResultsError(f"no path is given before the trial: {words[0]!r} does not exist; give PATH TRIAL")
    trial = lookup_under(*words) if len(words) == 2 else lookup_trials(words)[0]
    if trial.dir is None or not trial.dir.is_dir():
        raise ResultsError(f"trial {trial.label} has no directory yet, so nothing can be noted there")
    if not is_own(trial.dir) and not shared:
        raise ResultsError(f"{trial.dir} belongs to another user; pass --shared to write there nevertheless")
    share_folders(shared)
    paths = TrialPaths(trial.dir)
    for path in (paths.note, paths.tags):
        in_place(path, trial.dir)
    return trial, trial.dir
