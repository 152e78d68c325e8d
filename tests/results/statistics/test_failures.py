from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import App
from results.builder import SweepBuilder, every_state

from hyperherd import load
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.trial import TrialError
from hyperherd.results.pages.failures import failures_page, failures_record
from hyperherd.results.pages.overview import Screen
from hyperherd.results.statistics.failures import failures, last_own_frame

TRACEBACK = """\
Traceback (most recent call last):
  File "/home/me/train.py", line 31, in main
    fit(model)
  File "/home/me/loop.py", line 7, in fit
    loss.backward()
    ^^^^^^^^^^^^^^^
  File "/venv/lib/python3.11/site-packages/torch/_tensor.py", line 581, in backward
    torch.autograd.backward(
  File "<frozen importlib._bootstrap>", line 1, in _find
RuntimeError: boom
"""


@pytest.mark.parametrize(
    ("traceback", "frame"),
    [
        (TRACEBACK, "loop.py:7 in fit"),
        (TRACEBACK + "\nDuring handling ...\n\n" + TRACEBACK.replace("loop.py", "other.py"), "other.py:7 in fit"),
        (TRACEBACK.replace("/home/me", "/usr/lib/python3.11"), "<frozen importlib._bootstrap>:1 in _find"),
        ('  | Traceback\n  |   File "/me/a.py", line 3, in <module>\n  |     x\n', "a.py:3 in <module>"),
        ('  File "C:\\\\me\\\\a.py", line 3\n    x = = 1\n', "a.py:3"),
        ("", ""),
        ("Traceback ...", ""),
    ],
)
def test_last_own_frame(traceback: str, frame: str) -> None:
    assert last_own_frame(traceback) == frame


def crash(sweep: SweepBuilder, error: str, line: int = 31, **params: object) -> None:
    text = TRACEBACK.replace("line 7", f"line {line}")
    what = TrialError(error, f"{error} happened", text)
    sweep.trial(params=params, state=TrialState.FAILED, cause=FailureCause.EXCEPTION, error=what)


def test_groups_and_what_they_share(sweep: SweepBuilder) -> None:
    for lr in (0.01, 0.1):
        for model in ("cnn", "mlp"):
            for seed in (0, 1):
                if (lr, model) == (0.1, "cnn"):
                    crash(sweep, "ValueError", lr=lr, model=model, seed=seed, epochs=5)
                else:
                    sweep.trial({"val/acc": 0.5}, params={"lr": lr, "model": model, "seed": seed, "epochs": 5})
    crash(sweep, "ValueError", line=32, lr=0.1, model="cnn", seed=2, epochs=5)
    found = load(sweep.dir).failures()
    assert [(group.kind, group.where, len(group.trials)) for group in found.groups] == [
        ("ValueError", "loop.py:31 in fit", 2),
        ("ValueError", "loop.py:32 in fit", 1),
    ]
    shared = found.groups[0].shared
    assert shared is not None
    assert (shared.settings, shared.finished, shared.of) == ({"lr": 0.1, "model": "cnn"}, 0, 6)
    assert found.groups[1].shared is None
    assert found.shared == shared


def test_what_finished_trials_have_too(sweep: SweepBuilder) -> None:
    for seed in range(4):
        sweep.trial(params={"lr": 0.1 if seed < 1 else 0.2, "model": "cnn", "seed": seed})
    crash(sweep, "ValueError", lr=0.1, model="cnn", seed=8)
    crash(sweep, "ValueError", lr=0.1, model="cnn", seed=9)
    (group,) = load(sweep.dir).failures().groups
    assert group.shared is not None
    assert (group.shared.settings, group.shared.finished, group.shared.of) == ({"lr": 0.1}, 1, 4)
    page = failures_page(load(sweep.dir).failures(), Screen())
    assert "all have lr=0.1; so do 1 of 4 finished trials" in page


def test_nothing_is_shared_that_tells_nothing(sweep: SweepBuilder) -> None:
    crash(sweep, "ValueError", lr=0.1, seed=0)
    crash(sweep, "ValueError", lr=0.1, seed=1)
    assert load(sweep.dir).failures().groups[0].shared is None  # nobody finished
    sweep.trial(params={"lr": 0.1, "seed": 2})
    assert load(sweep.dir).failures().groups[0].shared is None  # and they have it too


def test_every_state_that_is_a_problem(tmp_path: Path) -> None:
    sweep = every_state(tmp_path / "s")
    sweep.trial(params={"lr": 0.3, "seed": 13}, state=TrialState.RUNNING, ended=None, heartbeat=0.0)
    sweep.event(13, "oom", message="slurm: OUT_OF_MEMORY")
    found = failures(load(sweep.dir))
    assert {group.kind: [trial.number for trial in group.trials] for group in found.groups} == {
        "ValueError": [4],
        "stalled": [5],
        "lost": [7],
        "unreadable": [12],
        "oom": [13],
    }
    page = failures_page(found, Screen())
    assert "oom: slurm: OUT_OF_MEMORY" in page
    assert "5 of 14 trials did not succeed" in page


def test_nothing_failed(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 1.0})
    assert failures_page(load(sweep.dir).failures(), Screen()) == "none of 1 trial failed\n"


def test_many_settings_and_trials(sweep: SweepBuilder) -> None:
    """Forty settings in common, each of which some finished trial has, and no three tell them apart."""
    names = [f"p{index}" for index in range(40)]
    for number in range(40):
        sweep.trial(params={name: int(name != f"p{number}") for name in names})
    for _ in range(2):
        crash(sweep, "ValueError", **dict.fromkeys(names, 1))
    (group,) = load(sweep.dir).failures().groups
    assert group.shared is not None
    assert group.shared.finished >= 10
    assert len(group.shared.settings) == 30


def test_hostile_texts_are_inert(sweep: SweepBuilder) -> None:
    evil = "\x1b[2J\u202e<script>\x07"
    for seed in range(2):
        what = TrialError(f"Bad{evil}", f"{evil}\n{evil}", f'  File "/a/{evil}.py", line 1, in {evil}\n{evil}\r\n')
        sweep.trial(
            params={f"k{evil}": evil, "seed": seed}, state=TrialState.FAILED, cause=FailureCause.EXCEPTION, error=what
        )
    sweep.trial(params={"k": 1})
    found = load(sweep.dir).failures()
    assert all(line.isprintable() for line in failures_page(found, Screen()).splitlines())
    text = json.dumps(failures_record(found), allow_nan=False)
    assert "\x1b" not in text


def test_a_real_sweep(app: App) -> None:
    app.write("""
        def fit(lr):
            return json.loads("{" if lr > 0.1 else "[]")
        fit(cfg.lr)
        if cfg.width == 3:
            sys.exit(3)
    """)
    sweep = app.sweep("lr=0.05,0.2,0.3", "width=3,4", code=1)
    found = load(sweep.dir).failures()
    assert [(group.kind, group.where.partition(":")[0], len(group.trials)) for group in found.groups] == [
        ("JSONDecodeError", "app.py", 4),
        ("exit", "app.py", 1),
    ]
    assert found.groups[0].where.endswith("in fit")
    page = failures_page(found, Screen(width=100))
    assert "JSONDecodeError: Expecting property name" in page
    assert "json/decoder.py" in page
    (command,) = found.again
    assert command.shell() in page
