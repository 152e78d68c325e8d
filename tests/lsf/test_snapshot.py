"""Code that is edited after a sweep was planned: jobs of LSF run what there was then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from frozen_projects import EDITS, marks, told, write_editing, write_project
from lsf.emulator.site import Site
from waiting import PATIENCE

pytestmark = pytest.mark.slow

HERD = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_lsf", "hydra.launcher.poll_s=2"]


def test_jobs_run_the_code_of_the_plan(tmp_path: Path, lsf: Site) -> None:
    root = tmp_path / "p"
    script = write_project(root)
    write_editing(tmp_path, root)
    done = subprocess.run(
        [sys.executable, str(script), *HERD, "hydra.sweeper.snapshot=true", "hydra.sweep.dir=s", "width=1,2", EDITS],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TOLD": str(tmp_path / "told")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "after" in script.read_text()
    assert [marks(one) for one in told(tmp_path)] == [{"before"}] * 2
