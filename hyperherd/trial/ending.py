"""How an attempt ended, judged from the exception that left the task function and the signals that were noted."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from hyperherd.errors import HyperherdError
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError


class TrialFailed(HyperherdError):
    """Stands for what ended a trial where that itself must go no further.

    ``sys.exit`` and other exceptions outside of ``Exception`` would end the sweep; some cannot be pickled, and would
    take down the workers beside them.
    """


class Evicted(SystemExit):
    """The scheduler ends this job (time limit, preemption); code that wants to continue should not catch it.

    Args:
        cause: ``TIMEOUT`` or ``PREEMPTED``.
        message: what happened, and whether the job is requeued.
    """

    def __init__(self, cause: FailureCause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class Ending:
    """How an attempt ended."""

    state: TrialState
    cause: FailureCause | None = None
    exit_code: int | None = None
    error: TrialError | None = None


def ending_of(error: BaseException | None, signals: Sequence[int]) -> Ending:
    """Return how the attempt ended.

    Args:
        error: what the task function raised; None if it returned.
        signals: numbers of the signals noted meanwhile. One of them makes it cancelled whatever followed, because a
            framework that was interrupted may return as if it had finished.
    """
    if isinstance(error, Evicted):
        return Ending(TrialState.FAILED, error.cause, error=describe(error))
    if signals or isinstance(error, KeyboardInterrupt):
        return Ending(TrialState.CANCELLED)
    if error is None:
        return Ending(TrialState.COMPLETED)
    if isinstance(error, SystemExit):
        return _exit(error)
    return Ending(TrialState.FAILED, FailureCause.EXCEPTION, error=describe(error))


def _exit(error: SystemExit) -> Ending:
    if error.code in (None, 0):
        return Ending(TrialState.COMPLETED, exit_code=0)
    code = error.code if isinstance(error.code, int) else 1
    message = f"the script called sys.exit({error.code!r})"
    described = TrialError("SystemExit", message, describe(error).traceback)
    return Ending(TrialState.FAILED, FailureCause.EXIT, exit_code=code, error=described)


def describe(error: BaseException) -> TrialError:
    """Return `error` as text, without the frames of this package above the user's own code."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _ours(frames.tb_frame.f_globals.get("__name__")):
        frames = frames.tb_next
    text = "".join(traceback.format_exception(type(error), error, frames))
    return TrialError(type(error).__name__, _message(error), text)


def in_words(error: BaseException) -> str:
    """Return the type and the message of `error`, whose class may be the user's: its ``__str__`` may raise anything."""
    return f"{type(error).__name__}: {_message(error)}"


def _ours(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] == "hyperherd"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001 - user code: __str__ may raise anything
        return f"<str() raised {type(second).__name__}>"
