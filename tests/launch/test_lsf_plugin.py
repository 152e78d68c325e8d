"""LSF as submitit discovers it, in programs that have nothing to do with us."""

from __future__ import annotations

import subprocess
import sys

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
