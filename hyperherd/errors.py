"""The errors of this package, in one tree, so that a caller can catch all of them or some.

HyperherdError
├── SpaceError          a parameter or condition that is not valid
├── SweepError          a sweep that cannot start or continue as requested
│   └── AttemptTaken    another process already runs this attempt of the trial
├── NoTrialError        a log call outside of any trial
├── TrialPruned         the end of a trial that a rule or a person has stopped; no failure
├── ResultsError        a question about results that cannot be answered
│   └── NothingFound    no sweep or trial was found, or none that matches
└── FormatError         a file written by a newer version, or not ours
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HyperherdError(Exception):
    """Root of all errors this package raises on purpose; the message is meant for the user."""


class SpaceError(HyperherdError):
    """The search space cannot be read, or is not valid."""


class SweepError(HyperherdError):
    """The sweep cannot start or continue as requested."""


class AttemptTaken(SweepError):
    """Another process has claimed this attempt of the trial; the caller must touch nothing."""


class NoTrialError(HyperherdError):
    """A value was logged where there is neither a trial nor a Hydra job to keep it."""


class TrialPruned(HyperherdError):
    """This trial is to end now: a pruning rule or a person has stopped it.

    Log calls with a step raise it, in loops of one's own; it may be raised by one's own code as well, with the reason.
    The trial that it leaves has not failed: it is pruned, or, if a person has stopped it, cancelled.
    """


class ResultsError(HyperherdError):
    """A question about results cannot be answered."""


class NothingFound(ResultsError):
    """No sweep or trial was found, or none that matches."""


class FormatError(HyperherdError):
    """A file is not in a format this version reads."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the known name nearest to `name`, or an empty string."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def some_of(names: Iterable[str], most: int = 20) -> str:
    """Return names for a message that stays readable, and how many there are beside; ``none`` of none."""
    found = list(names)
    more = f", ... {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more or "none"


def one_of(name: str, known: Iterable[str], what: str) -> str:
    """Return `name` if it is known.

    Args:
        name: as a user wrote it.
        known: all that there are.
        what: they are, such as ``a state``.

    Raises:
        ResultsError: it is not.
    """
    known = list(known)
    if name not in known:
        raise ResultsError(f"{name!r} is not {what}{nearest(name, known)}; available: {some_of(known)}")
    return name
