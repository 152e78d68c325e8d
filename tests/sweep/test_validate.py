"""Validation: every trial composes and has a directory of its own, found out with as little composing as will do."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from composing import FILES, Counting, on_any_hydra, planned, schemas, write_app

from hyperherd.errors import SweepError
from hyperherd.sweep.validation.validate import validate

__all__ = ["schemas"]
pytestmark = [on_any_hydra, pytest.mark.usefixtures("schemas")]


def test_plain_sweeps_compose_once_for_each_choice_of_groups(tmp_path: Path) -> None:
    app = Counting(write_app(tmp_path, FILES))
    axes = (
        ["model=a", "model=b", "model=e"],
        ["data@train=small", "data@train=large"],
        [f"lr={value}" for value in (0.1, "1e-3", 3, "null")],
        [f"+new={value}" for value in range(6)],
        [f"t.e={value}" for value in ("RED", "BLUE")],
        [f"layers=[{value},2]" for value in range(4)],
    )
    trials = planned(list(itertools.product(*axes)))
    placed = validate(app, trials, tmp_path / "sweep")
    assert len(trials) == 1152
    assert len(app.composed) == 6
    assert [trial.dir for trial in placed] == [str(number) for number in range(len(trials))]


@pytest.mark.parametrize(
    "subdir", ["'${lr}/${hydra.job.num}'", "'${hydra:job.num}-${model.size}'", "'${n.alias}_${hydra.job.num}'"]
)
def test_directories_take_no_composition_either(subdir: str, tmp_path: Path) -> None:
    app = Counting(write_app(tmp_path, FILES, f"hydra.sweep.subdir={subdir}"))
    trials = planned([[f"lr={lr}", f"model.size={size}"] for lr in (0.1, 1, "x") for size in range(40)])
    short = validate(app, trials, tmp_path / "sweep")
    assert len(app.composed) == 1
    some = trials[::17]
    assert validate(app.app, some, tmp_path / "sweep", "full") == short[::17]


def test_the_first_trial_that_fails_is_named_as_in_full(tmp_path: Path) -> None:
    app = write_app(tmp_path, FILES)
    trials = planned([["lr=1"], ["lr=2", "t.i=3"], ["lr=2", "t.i=word"], ["nothing=1"]])
    told = []
    for mode in ("auto", "full"):
        with pytest.raises(SweepError) as caught:
            validate(app, trials, tmp_path / "sweep", mode)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert told[0].startswith("trial 2 (lr=2 t.i=word) does not compose: Error merging override t.i=word")


def test_an_error_that_hydra_does_not_call_its_own_names_the_trial_too(tmp_path: Path) -> None:
    with pytest.raises(
        SweepError, match=r"trial 0 \(model=3\) does not compose: ValueError: Config group override must"
    ):
        validate(write_app(tmp_path, FILES), planned([["model=3"]]), tmp_path / "sweep")


def test_none_proves_nothing_but_finds_directories(tmp_path: Path) -> None:
    app = Counting(write_app(tmp_path, FILES, "hydra.sweep.subdir='${lr}'"))
    trials = planned([["lr=1", "nothing=1"], ["lr=2", "model=b"], ["lr=3", "n={a:1}"], ["lr=4", "n.b=1", "n.b.c=1"]])
    placed = validate(app, trials, tmp_path / "sweep", "none")
    assert [trial.dir for trial in placed] == ["1", "2", None, None]
    assert len(app.composed) == 2


def test_two_trials_in_one_directory_are_refused(tmp_path: Path) -> None:
    app = write_app(tmp_path, FILES, "hydra.sweep.subdir='${lr}'")
    with pytest.raises(SweepError, match=r"trials 0 .* and 2 .* would both write to 1"):
        validate(app, planned([["lr=1"], ["lr=2"], ["lr=1", "seed=3"]]), tmp_path / "sweep")


def test_one_directory_may_be_written_in_several_ways(tmp_path: Path) -> None:
    app = write_app(tmp_path, FILES, "hydra.sweep.subdir='${lr}'")
    with pytest.raises(SweepError, match=r"trials 0 .* and 1 .* would both write to x/"):
        validate(app, planned([["lr=x"], ["lr=x/"]]), tmp_path / "sweep")


def test_a_directory_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweep" / "1").mkdir(parents=True)
    (tmp_path / "sweep" / "1" / "precious.txt").write_text("mine")
    with pytest.raises(SweepError, match="contains other files"):
        validate(write_app(tmp_path, FILES), planned([["lr=1"], ["lr=2"]]), tmp_path / "sweep")
