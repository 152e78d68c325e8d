"""Which texts of a record may become an argument of a scheduler's command: an id of a job, a name of a batch.

``bkill 0``, ``bkill -uall`` and ``scancel --me`` end all jobs of a user, and an empty name selects jobs of any name. So
a text is checked where records are read, and again where the command is made.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from hyperherd.errors import SweepError

# Not \d, which takes the digits of every script. A scheduler's ids have at most 10 digits, an array's index 7.
_JOB_ID = re.compile(r"[1-9][0-9]{0,11}(?:_[0-9]{1,9})?")
_GIVEN = re.compile(r"([1-9][0-9]{0,11})(?:_([0-9]{1,9})|\[([0-9]{1,9})\])?(?:@([A-Za-z0-9._-]+))?")
"""As schedulers print it: Slurm's ``123_4``, LSF's ``123[4]``, and either with ``@cluster``."""
_BATCH_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,254}")


def is_job_id(text: object) -> bool:
    """Return whether `text` is the id of one job as records have it: ``123`` or ``123_4``, which LSF calls ``123[4]``.

    The number is greater than 0. ``123@cluster`` is not among them: an event names the cluster beside the id.
    """
    return isinstance(text, str) and _JOB_ID.fullmatch(text) is not None


def is_given_job(text: str) -> bool:
    """Return whether what a person wrote is the id of a job; a plain number may be something else."""
    return _GIVEN.fullmatch(text) is not None


def same_job(given: str, recorded: str | None) -> bool:
    """Return whether what a person wrote means the job of a record; a cluster counts only where both name one."""
    one, other = _GIVEN.fullmatch(given), _GIVEN.fullmatch(recorded or "")
    if one is None or other is None:
        return False
    same_id = (one[1], one[2] or one[3]) == (other[1], other[2] or other[3])
    return same_id and (one[4] == other[4] or None in (one[4], other[4]))


def is_batch_name(text: object) -> bool:
    """Return whether `text` can be the name of a batch that a sweep submitted: it selects jobs of this name alone."""
    return isinstance(text, str) and _BATCH_NAME.fullmatch(text) is not None


def batch_label(text: str) -> str:
    """Return what names of batches begin with, made of any text: ``a,b`` would select jobs called ``a`` as well."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:100].lstrip("-") or "job"


def checked_job_ids(job_ids: Collection[str]) -> list[str]:
    """Return `job_ids` for a command that acts on them.

    Raises:
        SweepError: one of them is not an id of a job.
    """
    for job_id in job_ids:
        if not is_job_id(job_id):
            raise SweepError(f"{job_id!r} is not a job id, so it is not passed to the scheduler")
    return list(job_ids)
