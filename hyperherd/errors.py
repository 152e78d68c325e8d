"""What can go wrong, in one tree, so that a caller catches as much or as little as it means to.

HyperherdError
├── SpaceError          a parameter or condition that cannot be what was meant
├── SweepError          a sweep that cannot start or go on as asked
│   └── AttemptTaken    another process already runs this attempt of the trial
├── NoTrialError        a log call outside of any trial
├── ResultsError        a question about results that has no answer
│   └── NothingFound    no sweep and no trial where one was looked for, or none that matches
└── FormatError         a file written by a newer version, or not ours
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HyperherdError(Exception):
    """Root of all errors this package raises on purpose; the message is meant for the user."""


class SpaceError(HyperherdError):
    """The search space cannot be read, or means nothing."""


class SweepError(HyperherdError):
    """The sweep cannot start or go on as asked."""


class AttemptTaken(SweepError):
    """Another process has claimed this attempt of the trial; the caller must touch nothing."""


class NoTrialError(HyperherdError):
    """A value was logged where there is neither a trial nor a Hydra job to keep it."""


class ResultsError(HyperherdError):
    """A question about results has no answer."""


class NothingFound(ResultsError):
    """There is no sweep and no trial where one was looked for, or none that matches."""


class FormatError(HyperherdError):
    """A file is not in a format this version reads."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name nearest to `name`, or an empty string."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
