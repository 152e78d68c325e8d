"""Where a trial lies is what the plan says, as well as what is found by looking."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import write_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.results.statistics.fail_on import unhealthy
from hyperherd.results.tables.changes import all_well, has_ended
from hyperherd.results.text.layout import GLYPHS, PLAIN


def place(sweep: SweepBuilder, number: int, where: str) -> Path:
    """Move a trial, and let the plan say so."""
    target = sweep.dir / where
    if (before := sweep.dir / str(number)).exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(before, target, dirs_exist_ok=True)
        shutil.rmtree(before)
    sweep.planned[number] = replace(sweep.planned[number], dir=where)
    write_planned(sweep.dir, sweep.planned)
    return target


def states(path: Path) -> dict[int | None, str]:
    return {trial.number: str(trial.state) for trial in load(path)}


@pytest.fixture
def two(sweep: SweepBuilder) -> SweepBuilder:
    for number in range(2):
        sweep.trial({"val/acc": 0.1 * number}, params={"lr": number})
    return sweep


def test_inside_another_trials_directory(two: SweepBuilder) -> None:
    place(two, 0, "big")
    inner = place(two, 1, "big/xl")
    for _ in range(3):  # an index is written, and read
        assert states(two.dir) == {0: "completed", 1: "completed"}
    assert [trial.dir for trial in load(two.dir)] == [two.dir / "big", inner]
    assert load(two.dir)[1].value("val/acc") == 0.1
    assert states(inner) == {1: "completed"}
    TrialRecord.read(inner).with_(state=TrialState.FAILED).write(inner)
    assert states(two.dir) == {0: "completed", 1: "failed"}
    (inner / ".hyperherd/trial.json").write_text("torn")
    assert states(two.dir) == {0: "completed", 1: "unreadable"}


def test_in_a_hidden_folder(two: SweepBuilder) -> None:
    place(two, 1, ".runs/1")
    assert states(two.dir) == {0: "completed", 1: "completed"}


def test_in_the_directory_of_the_sweep(two: SweepBuilder) -> None:
    place(two, 0, ".")
    for _ in range(2):
        assert states(two.dir) == {0: "completed", 1: "completed"}


def test_a_sweep_that_a_trial_ran_in_its_own_directory_is_not_looked_into(two: SweepBuilder) -> None:
    inner = SweepBuilder(two.dir / "1")
    inner.trial()
    assert states(two.dir) == {0: "completed", 1: "completed"}
    assert {trial.sweep.dir for trial in load(two.dir)} == {two.dir}


def test_a_place_that_another_trial_holds_is_not_that_of_the_planned_one(two: SweepBuilder) -> None:
    two.plan(lr=2)
    place(two, 2, "1")
    assert states(two.dir) == {0: "completed", 1: "completed", 2: "waiting"}
    assert load(two.dir)[2].dir is None


def test_outside_of_the_sweep_each_trial_is_one_row(two: SweepBuilder, tmp_path: Path) -> None:
    """Also where the folder above both is read; what only the plan claims is not followed."""
    elsewhere = place(two, 1, "../elsewhere/1")
    assert states(two.dir) == {0: "completed", 1: "unreadable"}
    assert load(two.dir)[1].dir is None
    TrialRecord.read(elsewhere).with_(sweep=str(two.dir)).write(elsewhere)
    assert states(two.dir) == {0: "completed", 1: "completed"}
    everything = load(tmp_path)
    assert [(trial.sweep.name, trial.number) for trial in everything] == [("s", 0), ("s", 1)]
    assert states(elsewhere.parent) == {1: "completed"}
    shutil.rmtree(elsewhere)
    two.event(1, "submitting")
    two.event(1, "ended", message="completed")
    assert states(two.dir) == {0: "completed", 1: "missing"}


def test_a_directory_that_is_gone_after_its_end(two: SweepBuilder) -> None:
    for number in range(2):
        two.event(number, "submitting")
        two.event(number, "ended", message="completed")
    assert states(two.dir) == {0: "completed", 1: "completed"}
    shutil.rmtree(two.dir / "1")
    trials = load(two.dir)
    assert states(two.dir) == {0: "completed", 1: "missing"}
    assert trials.counts == {TrialState.COMPLETED: 1, TrialState.MISSING: 1}
    assert has_ended(trials)
    assert not all_well(trials)
    assert [trial.number for trial in trials.problems] == [1]
    assert [trial.number for trial in unhealthy(trials, ["missing"])] == [1]
    assert "its end is recorded (completed)" in str(trials)
    assert GLYPHS[TrialState.MISSING] in PLAIN or ord(GLYPHS[TrialState.MISSING]) in PLAIN


def test_what_is_left_of_a_trial_without_its_record_is_shown(two: SweepBuilder) -> None:
    two.event(1, "ended", message="completed")
    writer = MetricWriter(two.dir / "1", 0)
    writer.log({"val/acc": 0.5}, 3)
    writer.close()
    two.file(1).unlink()
    trial = load(two.dir)[1]
    assert (trial.state, trial.value("val/acc")) == (TrialState.MISSING, 0.5)


def test_all_states_have_a_sign_and_can_be_asked_for(two: SweepBuilder) -> None:
    assert set(GLYPHS) == set(TrialState)
    assert unhealthy(load(two.dir), [state.value for state in TrialState if state is not TrialState.COMPLETED]) == []
    with pytest.raises(ResultsError, match="did you mean 'missing'"):
        unhealthy(load(two.dir), ["mising"])
