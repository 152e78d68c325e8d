"""What people add to a trial after the fact: a note, and tags (docs/format.md).

A tag is a file of its own, created exclusively and removed by name, and the note is replaced whole: of what several
people write at once nothing is lost but the earlier of two notes.
"""

from __future__ import annotations

import os
import pwd
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from hyperherd.errors import FormatError, ResultsError
from hyperherd.paths import FORMAT, TrialPaths
from hyperherd.records.disk.files import create, read_json, replace_json

_LONGEST_TAG = 60
_LONGEST_NOTE = 10_000


def check_tag(text: str) -> str:
    """Return a tag without blanks around it.

    Raises:
        ResultsError: it cannot be one.
    """
    tag = text.strip()
    if not _is_tag(tag):
        raise ResultsError(f"{text!r} is not a tag: 1 to {_LONGEST_TAG} printable characters without a comma")
    return tag


def _is_tag(text: str) -> bool:
    # A comma means "any of" in a filter. A name of a file has at most 255 bytes, and quoting makes three of one.
    return 0 < len(text) <= _LONGEST_TAG and text.isprintable() and "," not in text and len(_file_name(text)) < 240


def _file_name(tag: str) -> str:
    return quote(tag, safe=" ").replace(".", "%2E")


def add_tag(trial_dir: Path, tag: str) -> bool:
    """Give a trial a tag, and return whether it did not have it."""
    return create(TrialPaths(trial_dir).tags / _file_name(tag), {"format": FORMAT, **_author()})


def remove_tag(trial_dir: Path, tag: str) -> bool:
    """Take a tag from a trial, and return whether it had it."""
    try:
        (TrialPaths(trial_dir).tags / _file_name(tag)).unlink()
    except FileNotFoundError:
        return False
    return True


def read_tags(trial_dir: Path) -> tuple[str, ...]:
    """Return the tags of a trial, sorted. They are the names of files, whose content nobody reads."""
    try:
        with os.scandir(TrialPaths(trial_dir).tags) as entries:
            names = [unquote(entry.name) for entry in entries if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(sorted(filter(_is_tag, names)))


def write_note(trial_dir: Path, text: str) -> None:
    """Put a note in the place of an earlier one.

    Raises:
        ResultsError: it is empty or too long.
    """
    if not text.strip() or len(text) > _LONGEST_NOTE:
        raise ResultsError(f"a note has 1 to {_LONGEST_NOTE:,} characters; --remove removes it")
    replace_json(TrialPaths(trial_dir).note, {"format": FORMAT, "note": text.strip(), **_author()})


def remove_note(trial_dir: Path) -> bool:
    """Remove the note of a trial, and return whether there was one."""
    try:
        TrialPaths(trial_dir).note.unlink()
    except FileNotFoundError:
        return False
    return True


def read_note(trial_dir: Path) -> str:
    """Return the note of a trial; empty if there is none.

    Raises:
        OSError: it may not be read.
        FormatError: it is not a note; the message names the file.
    """
    path = TrialPaths(trial_dir).note
    try:
        found = read_json(path).get("note")
    except FileNotFoundError:
        return ""
    if not isinstance(found, str):
        raise FormatError(f"{path} does not contain a note")
    return found


def _author() -> dict[str, object]:
    user = str(os.geteuid())
    with suppress(KeyError):
        user = pwd.getpwuid(os.geteuid()).pw_name
    return {"time": time.time(), "user": user}
