"""LSF as submitit discovers it, in programs that have nothing to do with us."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from submitit.core.utils import DelayedSubmission

from hyperherd.launch.lsf.environment import WARNED_AT, LsfJobEnvironment, _OnceHandler

HEAVY = ("hydra", "omegaconf", "numpy", "torch", "pyarrow", "orjson", "pandas")


def test_discovery_is_light_and_finds_both() -> None:
    code = (
        "import sys, os; os.environ['SUBMITIT_EXECUTOR'] = 'lsf'\n"
        "from submitit.core import plugins\n"
        "import submitit.slurm.slurm, submitit.local.local\n"
        "before = set(sys.modules)\n"
        "print(plugins.get_executors()['lsf'].__name__, type(plugins.get_job_environment()).__name__)\n"
        f"print([name for name in {HEAVY} if name in set(sys.modules) - before])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert done.stdout == "LsfExecutor LsfJobEnvironment\n[]\n", done.stderr


@pytest.mark.parametrize(
    ("due_in", "ran", "is_over"),
    [(0, 0, True), (50, 0, True), (1000, 0, False), (1000, 55 * 60, True), (None, 0, False)],
)
def test_whether_time_is_up(monkeypatch: pytest.MonkeyPatch, due_in: float | None, ran: float, is_over: bool) -> None:
    """LSF warns as early as it is told to, which submitit would take for preemption, and requeue for ever."""
    if due_in is None:
        monkeypatch.delenv(WARNED_AT, raising=False)
    else:
        monkeypatch.setenv(WARNED_AT, str(time.time() + due_in))
    submission = DelayedSubmission(print)
    submission.set_timeout(60, 3)
    handler = _OnceHandler(LsfJobEnvironment(), None, submission)
    handler._start_time -= ran
    assert handler.has_timed_out() == is_over
