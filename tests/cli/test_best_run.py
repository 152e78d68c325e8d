"""`herd-results best --run` in a folder that somebody else could have written."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from cli.test_main import HERD_RESULTS
from conftest import App

from hyperherd import load

RUN = ("best", "--seeds", "5", "--run")


@pytest.fixture
def sweep_dir(app: App) -> Path:
    app.write('from hyperherd import log_result; log_result("val/acc", cfg.lr)', "lr: 1\nseed: 0\n")
    return app.sweep("lr=0.1,0.2").dir


def answered(folder: Path, answer: str, *arguments: str) -> tuple[int, str]:
    """Run the command with a terminal as its input, and give this answer there."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    done = subprocess.run(
        [*HERD_RESULTS, *arguments], cwd=folder, stdin=theirs, capture_output=True, text=True, timeout=120
    )
    os.close(ours)
    os.close(theirs)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_folder_of_another_user(app: App, sweep_dir: Path, nobody: int) -> None:
    os.chown(sweep_dir, nobody, -1)
    code, told = answered(app.folder, "y\n", *RUN)
    assert (code, "belongs to nobody" in told, "pass --shared" in told) == (2, True, True)
    code, told = answered(app.folder, "n\n", *RUN, "--shared")
    assert (code, "belongs to another user. Run the command above? [y/N]" in told, "no command was run" in told) == (
        1,
        True,
        True,
    )
    assert len(load(sweep_dir)) == 2
    code, told = answered(app.folder, "y\n", *RUN, "--shared")
    assert (code, "hydra.sweeper.shared=true" in told.splitlines()[0]) == (0, True), told
    assert len(load(sweep_dir)) == 3


@pytest.mark.slow
def test_a_trial_that_everybody_can_write(app: App, sweep_dir: Path) -> None:
    book = sweep_dir / "1/.hyperherd/trial.json"
    book.chmod(0o666)
    code, told = answered(app.folder, "y\n", *RUN)
    assert (code, f"everybody can write to {book.relative_to(app.folder)}" in told) == (2, True)
    assert len(load(sweep_dir)) == 2
