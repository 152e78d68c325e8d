"""Job ids in two notations: submitit's ``123_4`` is LSF's ``123[4]``. Array indices begin at 1 in both."""

from __future__ import annotations

import re

_LSF_ID = re.compile(r"(\d+)(?:\[(\d+)\])?")


def to_lsf(job_id: str) -> str:
    """Return the id as LSF's commands take it."""
    base, _, index = job_id.partition("_")
    return f"{base}[{index}]" if index else base


def from_lsf(text: str, index: str = "") -> str | None:
    """Return submitit's id for ``123`` or ``123[4]``, or None if `text` is not a job id.

    Args:
        text: the id.
        index: the element's, where LSF prints it apart; ``0`` (and ``-``, and nothing) is a job that is not an array.
    """
    found = _LSF_ID.fullmatch(text.strip())
    if not found:
        return None
    element = found[2] or (index.strip() if index.strip().isdigit() else "0")
    return found[1] if int(element) == 0 else f"{found[1]}_{int(element)}"


def base_of(job_id: str) -> str:
    """Return the id of the whole array that a job belongs to, or the job's own."""
    return job_id.partition("_")[0]


def sort_key(job_id: str) -> tuple[int, int]:
    """Return what sorts ids by job, then by place in the array."""
    base, _, index = job_id.partition("_")
    return int(base), int(index or 0)
