"""Paused trials: who is paused, who runs on when, and what an attempt that was killed meanwhile does."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import App
from pruning.learning import METRIC, judge
from pruning.same import ENDS, PAUSED_BODY, PAUSED_SWEEP, paused
from waiting import PATIENCE, until

from hyperherd import load
from hyperherd.errors import SweepError
from hyperherd.metrics.reader import read_metrics
from hyperherd.pruning.decisions import CONTINUED, PAUSED, PRUNED, Decision, append_decision, read_decisions
from hyperherd.pruning.promotions import Promotions
from hyperherd.pruning.settings import read_pruner
from hyperherd.records.states import TrialState
from hyperherd.results.pages.show import show_page
from hyperherd.results.tables.changes import all_well
from hyperherd.results.text.layout import Screen
from hyperherd.sweep.preview import plan
from hyperherd.sweep.steering import run_on

ASHA = {"name": "asha", "min_steps": 3, "max_steps": 27, "eta": 3, "when": "pause"}
RUNGS = (3, 9)


def promotions(root: Path, **changes: Any) -> Promotions:
    """Return who finds the paused trials below `root`; its rungs are where the judges of `learning` have theirs."""
    found = Promotions(root, read_pruner({"metric": METRIC, "direction": "maximize", **ASHA, **changes}))
    found._folder.path = root / "rungs" / found._folder.path.name
    return found


def arrive(root: Path, number: int, rung: int, value: float, **about: Any) -> str:
    """Have a trial come to a rung; return how it ends there, or nothing."""
    one = judge(root, ASHA, number, **about)
    verdict = one.verdict or one.judge({METRIC: value}, rung, "")
    return str(verdict.state) if verdict else ""


def verdicts(root: Path, number: int) -> list[tuple[int | None, str]]:
    return [(one.rung, one.verdict) for one in read_decisions(root / str(number))]


@pytest.mark.parametrize("seed", range(3))
def test_who_runs_on_is_who_the_paper_promotes(tmp_path: Path, seed: int) -> None:
    """Line by line as `get_job` of Li et al., Algorithm 2, asked after each arrival; the order of arrival is random."""
    rng = random.Random(seed)
    values = {number: [rng.random() for _ in RUNGS] for number in range(24)}
    waiting, at_rung, held = list(values), {rung: dict[int, float]() for rung in RUNGS}, dict[int, int]()
    went_on: dict[int, set[int]] = {rung: set() for rung in RUNGS}
    rng.shuffle(waiting)
    one = promotions(tmp_path)
    to_come = [(number, 0, 0) for number in waiting]
    while to_come:
        number, level, attempt = to_come.pop(0)
        rung, value = RUNGS[level], values[number][level]
        at_rung[rung][number] = value
        ends = arrive(tmp_path, number, rung, value, attempt=attempt)
        assert ends in ("", "paused")
        if ends:
            held[number] = level
        else:
            went_on[rung].add(number)
        expected = []
        for rung in reversed(RUNGS):
            top = sorted(at_rung[rung], key=lambda who: -at_rung[rung][who])[: len(at_rung[rung]) // 3]
            expected += [who for who in top if who not in went_on[rung]]
        found = one.found({who: tmp_path / str(who) for who in held})
        assert list(found) == expected
        for who in found:
            level = held.pop(who)
            went_on[RUNGS[level]].add(who)
            to_come.insert(0, (who, level + 1, 1)) if level + 1 < len(RUNGS) else None
        if not ends and level + 1 < len(RUNGS) and number not in found:
            to_come.insert(0, (number, level + 1, attempt))
    # Nothing was lost to an early slow start: whoever is among the best third in the end has gone on.
    for rung in RUNGS:
        best = sorted(at_rung[rung].values(), reverse=True)[: len(at_rung[rung]) // 3]
        assert {who for who, value in at_rung[rung].items() if value in best} <= went_on[rung]
    assert all(len(verdicts(tmp_path, who)) == len({rung for rung, _ in verdicts(tmp_path, who)}) for who in values)


def paused_trial(root: Path) -> None:
    """Have trial 0 go on from rung 3 and trial 1 be paused there."""
    assert arrive(root, 0, 3, 0.9) == ""
    assert arrive(root, 1, 3, 0.8) == "paused"


def test_one_that_was_killed_before_it_had_ended_is_paused_until_it_is_to_run_on(tmp_path: Path) -> None:
    paused_trial(tmp_path)
    assert arrive(tmp_path, 1, 4, 0.8, attempt=1, passed=3) == "paused"
    for number in range(2, 6):
        arrive(tmp_path, number, 3, 0.1)
    [(number, told)] = promotions(tmp_path).found({1: tmp_path / "1"}).items()
    assert (number, told) == (1, f"rung 3: {METRIC} 0.8 is among the best of the 6 that have come by now")
    # Whoever goes on with a sweep that was killed at this moment finds it again, whoever else has come meanwhile.
    for number in range(6, 9):
        arrive(tmp_path, number, 3, 0.95)
    again = promotions(tmp_path).found({1: tmp_path / "1"})
    assert again == {1: f"rung 3: {METRIC} 0.8 was among the best, and better ones have come since"}
    assert arrive(tmp_path, 1, 8, 0.8, attempt=2, passed=3) == ""
    # Killed once more, it goes on; from the next rung only if it is promoted there.
    assert arrive(tmp_path, 1, 9, 0.7, attempt=3, passed=8) == ""
    assert arrive(tmp_path, 0, 9, 0.9, attempt=1) == ""
    assert verdicts(tmp_path, 1) == [(3, PAUSED), (9, CONTINUED)]


def test_it_runs_on_where_nothing_pauses_any_more_or_somebody_wants_it(tmp_path: Path) -> None:
    paused_trial(tmp_path)
    assert judge(tmp_path, {**ASHA, "when": "end"}, 1, attempt=1).verdict is None
    assert judge(tmp_path, ASHA, 1, attempt=1, readmitted=True).verdict is None
    waits = judge(tmp_path, ASHA, 1, attempt=1).verdict
    assert waits is not None
    assert waits.state is TrialState.PAUSED


def test_nan_at_a_rung_is_pruned_for_it_never_wins(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 3, 0.9)
    assert arrive(tmp_path, 1, 3, float("nan")) == "pruned"
    assert verdicts(tmp_path, 1) == [(3, PRUNED)]


def test_where_the_rungs_cannot_be_used_nobody_runs_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paused_trial(tmp_path)
    for number in range(2, 6):
        arrive(tmp_path, number, 3, 0.1)
    one = promotions(tmp_path)
    (one._folder.path / "promoted").touch()
    assert one.found({1: tmp_path / "1"}) == {}
    assert one.found({1: tmp_path / "1", 9: tmp_path / "9"}) == {}
    assert caplog.text.count("paused trials do not run on, because the rungs of the sweep cannot be used") == 1
    # What trial 2 has recorded last is no pause, so it is not one of them.
    append_decision(tmp_path / "1", Decision(CONTINUED, "", "asha", METRIC, 0, 3, 1.8e9, rung=9))
    assert promotions(tmp_path).found({1: tmp_path / "1"}) == {}


@pytest.mark.slow
def test_a_paused_trial_runs_on_from_its_checkpoint_when_it_is_next(app: App) -> None:
    sweep = paused(app, "hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    told = sweep.done.stdout
    assert "trial 1 runs on: rung 3: acc 0.6375 is among the best of the 4 that have come by now" in told
    assert "2 of 4 trials paused, 25 % of the steps saved" in told
    assert (
        "paused: 2 trials not among the best when they came to their rung; to run them on: "
        "herd-results continue multirun/s 2-3" in told
    )
    assert "go on:" not in told
    page = show_page(next(trial for trial in load(sweep.dir) if trial.number == 2), Screen())
    assert page.startswith("\N{DOUBLE VERTICAL LINE} trial 2 of s: paused, rung 3: acc 0.075 is number 3 of 3")
    assert all_well(load(sweep.dir))
    # Again: it is as it was. Somebody may have one run on, and without the pause the other runs on as well.
    assert "4 trials, 0 to run (2 completed, 2 paused before)" in app.sweep(*PAUSED_SWEEP).done.stdout
    assert run_on(sweep.dir, {2}).asked == (2,)
    assert "1 to run" in app.sweep(*PAUSED_SWEEP).done.stdout
    assert app.sweep(*PAUSED_SWEEP[:-1], ENDS).states == dict.fromkeys(range(4), "completed")
    assert {number: one.attempt for number, one in sweep.records.items()} == {0: 0, 1: 1, 2: 1, 3: 1}


@pytest.mark.slow
def test_a_sweep_that_is_killed_when_a_trial_is_to_run_on_goes_on_with_it(app: App) -> None:
    app.write(PAUSED_BODY)
    launcher = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    killed = app.start("-m", "hydra/sweeper=herd", "hydra.sweep.dir=multirun/s", *PAUSED_SWEEP, *launcher)
    until(lambda: any((app.folder / "multirun/s/.hyperherd/rungs").glob("*/promoted/1_3")), killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=PATIENCE)
    sweep = paused(app, *launcher)
    assert sweep.records[1].attempt in (1, 2)


@pytest.mark.slow
def test_under_a_launcher_that_runs_blocks_it_runs_on_after_its_block(app: App) -> None:
    assert "has left no checkpoint" not in paused(app).done.stdout
    # One that saves nothing takes its steps again, and is not judged again.
    app.write(PAUSED_BODY.replace("state.write_text(str(step))", ""))
    anew = app.sweep(*PAUSED_SWEEP, to="multirun/anew")
    assert anew.done.stdout.count("trial 1 has left no checkpoint (*.ckpt, checkpoint-*) in ") == 1
    assert anew.states == {0: "completed", 1: "completed", 2: "paused", 3: "paused"}
    assert [row["step"] for row in read_metrics(anew.dir / "1", ["acc"]).to_pylist()] == [1, 2, 3, 4, 5, 6]
    assert len(verdicts(anew.dir, 1)) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            ("hydra/launcher=herd_slurm", "hydra.launcher.wait=false"),
            "hydra.launcher.wait=false exits after submitting",
        ),
        (("hydra.sweeper.sampler={name: random, trials: 3}", "lr=interval(0,1)"), "with hydra.sweeper.sampler"),
    ],
)
def test_where_nobody_could_run_it_on_it_is_refused_before_anything_runs(
    tmp_path: Path, given: tuple[str, ...], told: str
) -> None:
    (tmp_path / "config.yaml").write_text("lr: 0.1\n", "utf-8")
    with pytest.raises(SweepError) as raised:
        plan([*PAUSED_SWEEP, *given], config_dir=tmp_path)
    assert told in str(raised.value)
    assert "hydra.sweeper.pruner.when is pause" in str(raised.value)
