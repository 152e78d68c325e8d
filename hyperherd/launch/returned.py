"""Hydra's JobReturn on its way from the job's process to the sweep's, and there.

Its two configs are nearly all of it, and few ask for them: callbacks of Hydra see the JobReturn in the job's process,
and sweepers want the returned value. So the sweep keeps them as bytes.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

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


_ONE_AFTER_THE_OTHER: tuple[Callable[[Any], bytes], ...] = (pickle.dumps, cloudpickle.dumps)


def pickled(returned: JobReturn) -> bytes:
    """Return `returned` pickled, as a :class:`RemoteReturn`; what cannot be pickled in it is left out or named."""
    remote = RemoteReturn.of(returned)
    for dumps in _ONE_AFTER_THE_OTHER:
        with suppress(Exception):  # user code: pickling runs methods of their classes, which may raise anything
            return bytes(dumps(remote))
    value = result_of(remote)
    remote.return_value = _as_failure(value) if isinstance(value, BaseException) else None
    return bytes(cloudpickle.dumps(remote))


class RemoteReturn(JobReturn):
    """A JobReturn of another process, whose configs are unpickled when they are asked for."""

    _pickled, _packed = b"", b""

    @classmethod
    def of(cls, returned: JobReturn) -> RemoteReturn:
        """Return what another process is to get of `returned`; configs that cannot be pickled are None there."""
        remote = cls.__new__(cls)
        vars(remote).update(vars(returned))
        configs = tuple(vars(remote).pop(name, None) for name in ("cfg", "hydra_cfg"))
        for dumps in _ONE_AFTER_THE_OTHER:
            with suppress(Exception):  # user code, as above: a config may hold any object
                remote._pickled = bytes(dumps(configs))
                break
        return remote

    @property
    def cfg(self) -> Any:
        """The config of the job, without Hydra's own."""
        return self._configs[0]

    @cfg.setter
    def cfg(self, config: Any) -> None:
        self._configs[0] = config

    @property
    def hydra_cfg(self) -> Any:
        """Hydra's own config of the job."""
        return self._configs[1]

    @hydra_cfg.setter
    def hydra_cfg(self, config: Any) -> None:
        self._configs[1] = config

    @cached_property
    def _configs(self) -> list[Any]:
        data = self._pickled or _unpacked(self._packed)
        return list(pickle.loads(data)) if data else [None, None]

    def __getstate__(self) -> dict[str, Any]:
        """Return its attributes, the configs pickled."""
        state = dict(vars(self))
        packed, configs = state.pop("_packed", b""), state.pop("_configs", None)
        state["_pickled"] = cloudpickle.dumps(configs) if configs else self._pickled or _unpacked(packed)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes, and keep the configs in few bytes: a sweep may have many thousand of these."""
        vars(self).update(state)
        self._packed = _packed(vars(self).pop("_pickled", b""))


_WINDOW = 1 << 15
"""How far zlib looks back."""
_first = b""
"""The configs that came first: those that come later repeat most of them."""


def _packed(data: bytes) -> bytes:
    global _first
    _first = _first or data[-_WINDOW:]
    packer = zlib.compressobj(zdict=_first)
    return packer.compress(data) + packer.flush() if data else b""


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj(zdict=_first).decompress(data) if data else b""


def raised(returned: JobReturn) -> str:
    """Return the error of a job as text; an empty string if it did not fail."""
    if returned.status is not JobStatus.FAILED:
        return ""
    error = result_of(returned)
    return str(error) if isinstance(error, TrialFailed) else in_words(error)


def _as_failure(error: BaseException) -> TrialFailed:
    return TrialFailed(in_words(error))
