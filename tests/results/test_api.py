from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from results.builder import SweepBuilder

import hyperherd
from hyperherd import load
from hyperherd.paths import SweepPaths
from hyperherd.results.files.index.index import SMALLEST
from hyperherd.results.loading.indexed_trial import IndexedTrial

OLD = 1_700_000_000
UNPICKLE = """
import pickle, sys
trial, trials = pickle.load(sys.stdin.buffer)
print(trial.label, trial.params, trial.value("val/acc"), trial.name, end=" ")
print(callable(trial.plot), len(trials), trials.best().label)
"""


@pytest.mark.parametrize("count", [2, SMALLEST + 1])
def test_trials_in_another_process(sweep: SweepBuilder, count: int) -> None:
    for number in range(count):
        sweep.trial({"val/acc": 0.25 if number else 0.5}, params={"lr": number})
    for path in [*sweep.dir.rglob("trial.json"), SweepPaths(sweep.dir).trials]:
        os.utime(path, (OLD, OLD))
    load(sweep.dir)
    trials = load(sweep.dir)
    assert isinstance(trials[1], IndexedTrial) == (count > 2)
    done = subprocess.run(
        [sys.executable, "-c", UNPICKLE], input=pickle.dumps((trials[1], trials)), capture_output=True
    )
    assert done.stdout.decode().split("\n")[0] == f"1 {{'lr': 1}} 0.25 lr=1 True {count} 0", done.stderr.decode()


def test_what_is_made_of_trials_is_of_their_kind(sweep: SweepBuilder, tmp_path: Path) -> None:
    for number in range(4):
        sweep.trial({"val/acc": number / 4}, params={"lr": number % 2, "seed": number // 2})
    trials = load(sweep.dir)
    made = [
        trials[:2],
        trials + trials,
        trials.sorted(),
        trials.completed,
        trials.judged_by("val/acc"),
        trials.filter("lr=1"),
    ]
    assert {type(some) for some in [*made, trials.seeds()[0].trials, trials.group("lr")[0].trials]} == {
        hyperherd.Trials
    }
    assert len(trials.seeds()[0].trials.table()) == 2
