"""LSF as submitit discovers it, in programs that have nothing to do with us."""

from __future__ import annotations

import subprocess
import sys

import pytest
from submitit.core.utils import DelayedSubmission

from hyperherd.launch.lsf.environment import LsfJobEnvironment, _OnceHandler

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


@pytest.mark.parametrize("ran", [0, 55 * 60])
def test_a_warning_is_that_time_is_up(ran: float) -> None:
    """LSF may warn long before the job's own clock expects it: submitit would see a preemption, and always requeue."""
    submission = DelayedSubmission(print)
    submission.set_timeout(60, 3)
    handler = _OnceHandler(LsfJobEnvironment(), None, submission)
    handler._start_time -= ran
    assert handler.has_timed_out()
