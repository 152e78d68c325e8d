"""`python -m benchmarks`: every script has its place, and a report says what it is of."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True)


def test_every_script_can_be_named() -> None:
    done = benchmarks("no-such-benchmark")
    assert done.returncode == 2
    named = re.search(r"'no-such-benchmark' is not a benchmark; there are (.*)", done.stderr)
    assert named is not None, done.stderr
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
    assert set(named[1].split(", ")) == scripts


def test_a_report_has_the_figures_with_their_machine_and_versions(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    done = benchmarks("expansion", "--quick", "-o", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    text = report.read_text()
    assert re.search(
        r"^\d{4}-\d\d-\d\d, `python -m benchmarks expansion --quick`, at small sizes.* cores, .*hydra-core 1\.",
        text,
        re.M,
    )
    assert "`python benchmarks/expansion.py 2000`" in text
    assert re.search(r"^ +points +rules .*theirs / ours\n +2,000 +exclude, force +1,760 ", text, re.M)
