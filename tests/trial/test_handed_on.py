"""A process that a trial starts and that trains hands its notes on to the one that writes the trial's records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperherd import start_trial, total_steps
from hyperherd.paths import TrialPaths
from hyperherd.records.trial import TrialRecord
from hyperherd.trial.notes import handed_on, note

CODE = """
from hyperherd import log_metrics, total_steps
from hyperherd.trial.notes import note
log_metrics({"loss": 0.5}, 1)
total_steps(40)
note("checkpoint", {"path": "best.ckpt"})
note("stopped", lambda: [{"reason": "enough"}])
"""


@pytest.mark.parametrize(("rank", "steps"), [("0", 40), ("1", None)])
def test_a_program_that_the_trial_starts(tmp_path: Path, rank: str, steps: int | None) -> None:
    with start_trial(tmp_path / "trial") as trial:
        environment = {**os.environ, "LOCAL_RANK": rank, "RANK": rank, "WORLD_SIZE": "2"}
        subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
    assert TrialRecord.read(trial.dir).max_step == steps
    found = json.loads(TrialPaths(trial.dir).provenance.read_text())
    assert found.get("checkpoint") == ({"path": "best.ckpt"} if steps else None)
    assert found.get("stopped") == ([{"reason": "enough"}] if steps else None)


def test_a_process_that_the_trial_forks(tmp_path: Path) -> None:
    with start_trial(tmp_path / "trial", objective="loss", direction="min") as trial:
        note("training", {"trainer": "mine"})
        if (pid := os.fork()) == 0:
            total_steps(7)
            os._exit(0)
        os.waitpid(pid, 0)
    assert TrialRecord.read(trial.dir).max_step == 7
    assert json.loads(TrialPaths(trial.dir).provenance.read_text())["training"] == {"trainer": "mine"}


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "[]",
        '{"attempt": 0, "noted": []}',
        '{"attempt": 1, "noted": {"max_step": 5}}',
        '{"attempt": 0, "noted": {"max_step": "5", "gpus": -1, "training": 3, "objective": {"metric": "a"}, "x": 1}}',
    ],
)
def test_what_is_not_a_note_is_not_taken_over(tmp_path: Path, text: str) -> None:
    path = TrialPaths(tmp_path).noted
    path.parent.mkdir()
    path.write_text(text)
    assert handed_on(tmp_path, 0) == {}
