"""How an attempt ended, judged from the exception that left the task function and the signals that were noted."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import HyperherdError, TrialPruned
from hyperherd.escape import one_line
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.records.verdicts import StopVerdict

_MESSAGE, _TRACEBACK = 20_000, 200_000
"""Characters that are kept of an exception's message and of its traceback."""
_LONGEST_CHAIN = 50


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
        requeued: whether it is.
    """

    def __init__(self, cause: FailureCause, message: str, *, requeued: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.requeued = requeued


@dataclass(frozen=True)
class Ending:
    """How an attempt ended."""

    state: TrialState
    cause: FailureCause | None = None
    exit_code: int | None = None
    error: TrialError | None = None
    requeued: bool = False
    stop_reason: str = ""
    """Why it ended before it was done, if a pruning rule or a person had it end; never empty then."""


def ending_of(
    error: BaseException | None, signals: Sequence[int], told: StopVerdict | None = None, *, elsewhere: bool = False
) -> Ending:
    """Return how the attempt ended.

    Args:
        error: what the task function raised; None if it returned.
        signals: numbers of the signals noted meanwhile. One of them makes it cancelled whatever followed, because a
            framework that was interrupted may return as if it had finished.
        told: the verdict that its training was told of, if there was one.
        elsewhere: whether that was in a process which the trial has started, whose error is not the one raised here.
    """
    # By type: `isinstance` asks an object for its `__class__`, which in a class of the user's may raise.
    kind = type(error)
    if issubclass(kind, Evicted):
        assert isinstance(error, Evicted)
        return Ending(TrialState.FAILED, error.cause, error=describe(error), requeued=error.requeued)
    if signals or issubclass(kind, KeyboardInterrupt):
        return Ending(TrialState.CANCELLED)
    if error is None:
        return Ending(TrialState.COMPLETED) if told is None else _stopped(told)
    if (pruned := _pruned_by(error)) is not None:
        return _stopped(told or StopVerdict(TrialState.PRUNED, one_line(_message(pruned)) or "the trial ended itself"))
    if issubclass(kind, SystemExit):
        ending = _exit(error)
        return ending if told is None or ending.state is not TrialState.COMPLETED else _stopped(told)
    if told is not None and elsewhere:
        return _stopped(told)
    return Ending(TrialState.FAILED, FailureCause.EXCEPTION, error=describe(error))


def _stopped(verdict: StopVerdict) -> Ending:
    return Ending(verdict.state, stop_reason=verdict.reason or str(verdict.state))


def _pruned_by(error: BaseException) -> BaseException | None:
    """Return the `TrialPruned` that an error is, or was raised because of; a trainer may wrap what its loop raises."""
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None or issubclass(type(found), TrialPruned):
            return found
        cause = _stored(BaseException, "__cause__", found)
        found = cause if cause is not None else _stored(BaseException, "__context__", found)
    return None


def raised_while_it_ended(error: BaseException | None) -> str:
    """Return in words what went wrong while `TrialPruned` was on its way, such as in a `finally`; empty if nothing did.

    The trial is pruned nevertheless; but perhaps its checkpoint was not saved.
    """
    if error is None or issubclass(type(error), TrialPruned | SystemExit) or _pruned_by(error) is None:
        return ""
    # What was raised from it, by its name, is how a program hands it on.
    return in_words(error) if _stored(BaseException, "__cause__", error) is None else ""


def _exit(error: BaseException) -> Ending:
    code = _exit_code(error)
    if code == 0:
        return Ending(TrialState.COMPLETED, exit_code=0)
    message = f"the script called sys.exit({_shown(lambda: repr(_code(error)))})"
    described = TrialError("SystemExit", message, describe(error).traceback)
    return Ending(TrialState.FAILED, FailureCause.EXIT, exit_code=code, error=described)


def _code(error: BaseException) -> object:
    return _stored(SystemExit, "code", error)


def _exit_code(error: BaseException) -> int:
    """Return the exit code that Python gives a process for a ``SystemExit``."""
    code: Any = _code(error)
    if code is None:
        return 0
    return int.__int__(code) if issubclass(type(code), int) else 1


def describe(error: BaseException) -> TrialError:
    """Return `error` as text, without the frames of this package above the user's own code; a text of any size fits."""
    frames = _stored(BaseException, "__traceback__", error)
    while frames is not None and frames.tb_next is not None and _ours(frames.tb_frame.f_globals.get("__name__")):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except BaseException:  # noqa: BLE001 - user code: attributes and text of an exception may raise anything
        text = "".join(["Traceback (most recent call last):\n", *traceback.format_tb(frames), in_words(error), "\n"])
    return TrialError(_name(error), _message(error), _cut(text, _TRACEBACK))


def in_words(error: BaseException) -> str:
    """Return the type and the message of `error`, whose class may be the user's: its ``__str__`` may raise anything."""
    return f"{_name(error)}: {_message(error)}"


def _ours(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] == "hyperherd"


def _stored(owner: type, name: str, of: object) -> Any:
    """Return an attribute as `owner` keeps it, past a ``__getattribute__`` or property of the user's."""
    return vars(owner)[name].__get__(of)


def _name(error: BaseException) -> str:
    return str(_stored(type, "__name__", type(error)))


def _message(error: BaseException) -> str:
    return _shown(lambda: str(error))


def _shown(text: Callable[[], str]) -> str:
    """Return what `text` returns; it calls user code, which may raise anything, or return text of any size."""
    try:
        return _cut(str.__str__(text()), _MESSAGE)
    except BaseException as second:  # noqa: BLE001 - user code: __str__ may raise anything
        return f"<str() raised {_name(second)}>"


def _cut(text: str, most: int) -> str:
    """Return `text`, without its middle if it is very long: every table reads it."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}\n... {len(text) - most} characters ...\n{text[-most // 2 :]}"
