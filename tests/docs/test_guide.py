"""The guide for coding agents: its template runs, and the words it gives are those of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typed_pages import type_page
from waiting import PATIENCE

import hyperherd
from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.commands.guide import guide
from hyperherd.cli.main import main
from hyperherd.records.states import FailureCause, TrialState

PAGE = Path(hyperherd.__file__).parent / "guide.md"


def test_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guide"]) == 0
    page = capsys.readouterr().out
    assert page == guide()
    assert "{" + "states}" not in page
    assert all(f"`{word}`" in page for word in (*TrialState, *FailureCause))


def test_what_it_names_is_there() -> None:
    page = PAGE.read_text()
    assert set(re.findall(r"herd-results ([a-z]+)", page)) - set(COMMANDS) == set()
    assert set(re.findall(r"hyperherd\.([a-z_]+)\(", page)) - set(hyperherd.__all__) == set()
    for name in re.findall(r"`(hyperherd/[\w/.]+)`", page):
        assert (PAGE.parent.parent / name).exists(), name


def test_without_an_argument_the_package_says_what_there_is() -> None:
    done = subprocess.run([sys.executable, "-m", "hyperherd"], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python -m hyperherd guide" in done.stdout


@pytest.mark.slow
def test_its_template_runs(tmp_path: Path) -> None:
    type_page(PAGE, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["counts"] == {"completed": 4}
    assert results["objective"]["metric"] == "val/loss"
    assert json.loads((tmp_path / "best.json").read_text())["winners"][0]["n"] == 2
    done = subprocess.run(
        [sys.executable, "read.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.startswith("{'lr': 0.1} ")
