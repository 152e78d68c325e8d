"""On a cluster of yours, a test that needs what the site does not have is skipped by the name of that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lsf.emulator.cluster import Cluster


@pytest.mark.slow
def test_what_a_site_lacks_is_named(cluster: Cluster, tmp_path: Path) -> None:
    (cluster.folder / "bin" / "brequeue").unlink()
    cluster.set(old=True)
    tests = str(Path(__file__).parent)
    chosen = "brequeue_runs_a_job_again or json_has_every_value or nothing_to_run_is_refused"
    words = ["-q", "-rs", "-p", "no:cacheprovider", "--lsf", f"--basetemp={tmp_path / 'shared'}", "-k", chosen]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"{tests}/test_commands.py", f"{tests}/test_queries.py", *words],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert "1 passed, 2 skipped" in done.stdout, done.stdout + done.stderr
    assert "needs brequeue, which this site does not have" in done.stdout
    assert "needs bjobs -json, which this site does not have" in done.stdout
