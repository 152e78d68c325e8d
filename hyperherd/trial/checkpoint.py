"""Where an interrupted trial goes on: the newest checkpoint in its directory that was written to its end."""

from __future__ import annotations

import logging
import math
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from hyperherd.paths import RECORDS
from hyperherd.trial.log import current_trial

PATTERNS = ("*.ckpt", "checkpoint-*")
"""What Lightning and the Hugging Face Trainer call theirs."""

log = logging.getLogger("hyperherd")

_STATE = "trainer_state.json"
_STEP = re.compile(r"(?:step=|checkpoint-|step[_-])(\d+)")


def checkpoint(patterns: Sequence[str] = PATTERNS) -> Path | None:
    """Return the newest complete checkpoint that an earlier attempt of the running trial left, or None.

    Hand it to the framework: ``trainer.fit(..., ckpt_path=checkpoint())`` in Lightning,
    ``trainer.train(resume_from_checkpoint=checkpoint())`` with Hugging Face.

    Newest is the one with the highest step in its name; one without a step in its name (``last.ckpt``) is judged by its
    time. A file that was cut off when the trial was killed (empty, or a zip file without its end, as torch writes them)
    and a Trainer's folder without its state are passed over.

    Args:
        patterns: names of the files or folders, as in a shell; the whole directory of the trial is searched.

    Returns:
        an absolute path; None outside of a trial too, so that the same script runs alone.
    """
    trial = current_trial()
    return None if trial is None else checkpoint_for(trial.trial_dir, trial.attempt, patterns)


def checkpoint_for(trial_dir: Path, attempt: int, patterns: Sequence[str]) -> Path | None:
    """Return the newest complete checkpoint in a trial's directory; warn if an attempt after the first finds none."""
    found = newest_checkpoint(trial_dir, patterns)
    if found is None and attempt:
        log.warning(
            "attempt %d of this trial starts from nothing: there is no complete %s in %s. If earlier attempts saved "
            "checkpoints, they did so elsewhere: let the trainer save below ${hydra:runtime.output_dir}",
            attempt,
            " or ".join(patterns),
            trial_dir,
        )
    return found


def newest_checkpoint(trial_dir: Path, patterns: Sequence[str] = PATTERNS) -> Path | None:
    """Return the newest complete checkpoint in the directory of any trial (see :func:`checkpoint`)."""
    found = [path for path in _named(trial_dir, patterns) if _is_complete(path)]
    numbered = [path for path in found if _step(path) >= 0]
    others = [path for path in found if _step(path) < 0]
    latest = max(numbered, key=lambda path: (_step(path), _time(path)), default=None)
    other = max(others, key=_time, default=None)
    if latest is None or other is None:
        return latest or other
    return other if _time(other) >= _time(latest) else latest


def _named(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Yield what bears such a name below `folder`; nothing inside of it is another."""
    for root, folders, files in os.walk(folder):
        named = [name for name in (*folders, *files) if any(fnmatch(name, pattern) for pattern in patterns)]
        yield from (Path(root, name) for name in named)
        folders[:] = [name for name in folders if name not in named and name != RECORDS]


def _step(path: Path) -> int:
    found = _STEP.findall(path.name)
    return int(found[-1]) if found else -1


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # deleted meanwhile, by a trainer that keeps the last few
        return -math.inf


def _is_complete(path: Path) -> bool:
    try:
        if path.is_dir():
            # The Trainer writes its state last. Of other folders nothing is known but that they hold something.
            is_trainers = re.fullmatch(r"checkpoint-\d+", path.name) is not None
            # `herd-results clean` leaves nothing but the state, which metrics are read from.
            others = any(item.name != _STATE for item in path.iterdir())
            return others and (not is_trainers or (path / _STATE).exists())
        with open(path, "rb") as stream:
            start = stream.read(2)
        return bool(start) and (start != b"PK" or zipfile.is_zipfile(path))
    except OSError:
        return False
