"""What lies in the directory of one trial: its config, logs and other files. Nothing there is ever overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, ResultsError
from hyperherd.masking import masked_dict, masked_words
from hyperherd.paths import RECORDS, TrialPaths
from hyperherd.records.annotations import read_note, read_tags
from hyperherd.records.config import KeptConfig
from hyperherd.records.disk.files import new_file, read_json
from hyperherd.records.places import in_place, leaves
from hyperherd.results.files.hydra_job import read_choices, read_config

STREAMS = {"stdout": "out", "stderr": "err"}


@dataclass(frozen=True)
class Attempt:
    """One execution of a trial, as far as its files tell."""

    number: int
    logs: dict[str, Path] = field(default_factory=dict)
    """``stdout`` and ``stderr`` -> the file that keeps it."""
    claim: dict[str, Any] = field(default_factory=dict)
    """Who claimed it: host, pid and time, as its file has them."""


def attempts(trial_dir: Path) -> list[Attempt]:
    """Return the attempts of a trial in order; empty for a job of Hydra alone."""
    paths = TrialPaths(trial_dir)
    if any(leaves(folder, trial_dir) for folder in (paths.records, paths.attempts, paths.logs)):
        return []
    claimed = {int(path.name) for path in paths.attempts.glob("*") if _is_number(path.name)}
    logged = {int(name) for path in paths.logs.glob("attempt-*.*") if _is_number(name := path.stem[len("attempt-") :])}
    return [_attempt(paths, number) for number in sorted(claimed | logged)]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _attempt(paths: TrialPaths, number: int) -> Attempt:
    logs = {name: paths.log(number, suffix) for name, suffix in STREAMS.items()}
    try:
        claim = read_json(in_place(paths.attempts / str(number), paths.root))
    except (OSError, FormatError):
        claim = {}
    kept = {name: path for name, path in logs.items() if path.is_file() and not leaves(path, paths.root)}
    return Attempt(number, kept, claim)


def logs(trial_dir: Path) -> list[Path]:
    """Return the log files of a trial: what each attempt printed, then those that Hydra or the user wrote beside.

    A link that leaves the sweep is none of them.
    """
    kept = [path for attempt in attempts(trial_dir) for path in attempt.logs.values()]
    return [*kept, *sorted(path for path in trial_dir.glob("*.log") if path.is_file() and not leaves(path, trial_dir))]


def log_file(trial_dir: Path, stream: str, attempt: int | None) -> Path:
    """Return the file of ``stdout``, ``stderr`` or of a log's name.

    Raises:
        ResultsError: there is none.
    """
    if stream in STREAMS:
        kept = [item for item in attempts(trial_dir) if stream in item.logs and attempt in (None, item.number)]
        if kept:
            return kept[-1].logs[stream]
    found = [path for path in logs(trial_dir) if path.name == stream]
    if found:
        return found[-1]
    names = [*STREAMS, *dict.fromkeys(path.name for path in logs(trial_dir))]
    raise ResultsError(f"{trial_dir} has no log {stream!r}; available: {', '.join(names)}")


def files(trial_dir: Path, pattern: str) -> list[Path]:
    """Return the files that match a glob at any depth, sorted; hidden ones only if asked for by name."""
    hidden = pattern.startswith(".")
    found = trial_dir.glob(pattern) if hidden or "/" in pattern else trial_dir.rglob(pattern)
    return sorted(path for path in found if path.is_file() and (hidden or not _is_hidden(path, trial_dir)))


def _is_hidden(path: Path, trial_dir: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(trial_dir).parts)


def copy_in(source: Path, target: Path) -> Path:
    """Copy a file or folder to `target`, which must not exist yet."""
    with _fresh(target):
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            if os.path.lexists(target):
                raise FileExistsError(target)
            with new_file(target) as temporary:
                shutil.copy2(source, temporary)
    return target


def move_in(source: Path, target: Path) -> Path:
    """Move a file or folder to `target`, which must not exist yet."""
    with _fresh(target):
        if source.is_dir():
            if os.path.lexists(target):
                raise FileExistsError(target)
            shutil.move(source, target)
        else:
            copy_in(source, target)
            source.unlink()
    return target


@contextmanager
def _fresh(target: Path) -> Iterator[None]:
    """Make the folder of a target, and report an existing target as a ResultsError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except FileExistsError:
        raise ResultsError(f"{target} already exists and is not overwritten; choose another target") from None


def tags(trial_dir: Path | str) -> tuple[str, ...]:
    """Return the tags that a trial was given; none if a link leads elsewhere, or they may not be read."""
    if not os.path.isdir(f"{trial_dir}/{RECORDS}/tags"):  # noqa: PTH112 - for each trial of thousands
        return ()
    trial_dir = Path(trial_dir)
    try:
        in_place(TrialPaths(trial_dir).tags, trial_dir)
        return read_tags(trial_dir)
    except (OSError, FormatError):
        return ()


def note(trial_dir: Path) -> str:
    """Return the note that a trial was given after the fact; empty if there is none that can be read."""
    try:
        in_place(TrialPaths(trial_dir).note, trial_dir)
        return read_note(trial_dir)
    except (OSError, FormatError):
        return ""


def provenance(trial_dir: Path) -> dict[str, Any]:
    """Return `provenance.json` without what looks like a secret; empty if there is none that can be read."""
    try:
        found = masked_dict(read_json(in_place(TrialPaths(trial_dir).provenance, trial_dir)))
    except (OSError, FormatError):
        return {}
    argv = found.get("argv")
    return {**found, "argv": [*masked_words(map(str, argv))]} if isinstance(argv, list) else found


def written_config(trial_dir: Path | None) -> dict[str, Any]:
    """Return the config of a trial as Hydra wrote it; empty if it has none that can be read."""
    if trial_dir is None:
        return {}
    try:
        return read_config(trial_dir)
    except (OSError, FormatError):
        return {}


def written_choices(trial_dir: Path | None) -> dict[str, Any]:
    """Return what was chosen of each config group, as Hydra wrote it; empty if that is not known."""
    if trial_dir is None:
        return {}
    try:
        return read_choices(trial_dir)
    except (OSError, FormatError):
        return {}


def kept_config(trial_dir: Path | None) -> KeptConfig | None:
    """Return the config that a trial kept resolved; None if there is none that can be read."""
    if trial_dir is None:
        return None
    try:
        in_place(TrialPaths(trial_dir).config, trial_dir)
        return KeptConfig.read(trial_dir)
    except (OSError, FormatError):
        return None
