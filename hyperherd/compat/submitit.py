"""submitit, seen in 1.5.1 to 1.5.4: signals and requeuing, which it offers to its own plugins alone.

Takes submitit's objects and does not import it: only `launch` does.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any


def warning_signal(environment: Any) -> signal.Signals:
    """Return the signal by which the scheduler warns this job."""
    found: signal.Signals = environment._usr_sig()
    return found


def requeue(environment: Any) -> None:
    """Have the scheduler run this job again, without counting that as one of its timeouts."""
    environment._requeue(0)


def may_time_out_again(handler: Any) -> bool:
    """Return whether a job of this signal handler comes back when its time is up."""
    return bool(handler._delayed._timeout_countdown > 0)


def with_id(paths: Any, path: Path) -> Path:
    """Return `path` with the job's id and rank in place of ``%j`` and ``%t``, as submitit has it in its own paths."""
    return Path(str(paths._format_id(path)))


def folder_pattern(paths: Any) -> Path:
    """Return the executor's folder as it was given, with ``%j`` in it; the public `folder` is this job's."""
    return Path(paths._folder)


def own_parameters(executor: Any) -> dict[str, Any]:
    """Return what the executor behind an `AutoExecutor` was given, in that executor's words."""
    return dict(executor._executor.parameters)
