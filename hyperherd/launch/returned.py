"""Hydra's JobReturn on its way from the job's process to the sweep's."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import suppress

import cloudpickle
from hydra.core.utils import JobReturn, JobStatus

from hyperherd.compat.hydra import result_of
from hyperherd.records.states import TrialState
from hyperherd.trial.ending import TrialFailed, ending_of, in_words


def failed(overrides: Sequence[str], error: BaseException) -> JobReturn:
    """Return the JobReturn of a job that ended with `error`, uncaught by Hydra; ``sys.exit(0)`` is a success."""
    returned = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    returned.return_value = error if isinstance(error, Exception) else _as_failure(error)
    if ending_of(error, ()).state is TrialState.COMPLETED:
        returned.status, returned.return_value = JobStatus.COMPLETED, None
    return returned


def pickled(returned: JobReturn) -> bytes:
    """Return `returned` pickled; what in it cannot be pickled is left out, or replaced by a message."""
    for dumps in (pickle.dumps, cloudpickle.dumps):
        with suppress(Exception):  # user code: pickling runs methods of their classes, which may raise anything
            return bytes(dumps(returned))
    value = result_of(returned)
    returned.return_value = _as_failure(value) if isinstance(value, BaseException) else None
    try:
        return bytes(cloudpickle.dumps(returned))
    except Exception:  # noqa: BLE001 - as above; then it is the config
        returned.cfg = returned.hydra_cfg = None
        return bytes(cloudpickle.dumps(returned))


def raised(returned: JobReturn) -> str:
    """Return the error of a job as text; an empty string if it did not fail."""
    if returned.status is not JobStatus.FAILED:
        return ""
    error = result_of(returned)
    return str(error) if isinstance(error, TrialFailed) else in_words(error)


def _as_failure(error: BaseException) -> TrialFailed:
    return TrialFailed(in_words(error))
