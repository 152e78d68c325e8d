from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.errors import NothingFound, ResultsError
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.lookup import lookup_newest, lookup_trials


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sweeps in ./multirun, a with 12 trials and b with two."""
    for name, count in (("a", 12), ("b", 2)):
        sweep = SweepBuilder(tmp_path / "multirun" / name)
        for number in range(count):
            sweep.trial({"val/acc": 0.5}, params={"lr": number})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["multirun/a/3"], ["a/3"]),
        (["multirun/a", "3"], ["a/3"]),
        (["3", "multirun/a"], ["a/3"]),
        (["11"], ["a/11"]),
        (["multirun/b", "lr=1"], ["b/1"]),
        (["multirun/a/3", "3"], ["a/3"]),
    ],
)
def test_one_trial(two: Path, words: list[str], found: list[str]) -> None:
    assert [str(trial.dir).removeprefix("multirun/") for trial in lookup_trials(words)] == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["multirun/a", "3", "1"], ["a/3", "a/1"]),
        (["multirun/b/1", "multirun/a/1"], ["b/1", "a/1"]),
        (["10", "11"], ["a/10", "a/11"]),
    ],
)
def test_two_trials(two: Path, words: list[str], found: list[str]) -> None:
    assert [str(trial.dir).removeprefix("multirun/") for trial in lookup_trials(words, 2)] == found


@pytest.mark.parametrize(
    ("words", "count", "error", "message"),
    [
        (["1"], 1, ResultsError, "2 trials are called 1; give the folder of one of them: multirun/a/1, multirun/b/1"),
        (["multirun/a", "99"], 1, NothingFound, "no trial 99 under multirun/a; available: 0, 1, 2, 3, ... 11"),
        (["multirun/c/1"], 1, NothingFound, "multirun/c/1 does not exist"),
        (["multirun/c", "1"], 1, NothingFound, "multirun/c does not exist"),
        (["multirun/a"], 1, ResultsError, "multirun/a has 12 trials; add the number of one: multirun/a 0"),
        (["multirun/a", "1"], 2, ResultsError, "give 2 trials: PATH 3 4, or the folders of 2 trials"),
        (["multirun/a", "1", "2", "3"], 2, ResultsError, "give 2 trials"),
    ],
)
def test_what_is_not_meant(two: Path, words: list[str], count: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        lookup_trials(words, count)
    assert type(caught.value) is error
    assert message in str(caught.value)


def test_a_folder_wins_over_a_number(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two / "multirun" / "a")
    assert [str(trial.dir) for trial in lookup_trials(["7"])] == ["7"]


def test_of_several_sweeps_the_newest_counts(two: Path) -> None:
    for name, created in (("a", 2e9), ("b", 1e9)):
        replace(SweepRecord.read(two / "multirun" / name), created=created).write(two / "multirun" / name)
    trial, others = lookup_newest(["1"])
    assert (str(trial.dir), [str(other.dir) for other in others]) == ("multirun/a/1", ["multirun/b/1"])
    trial, others = lookup_newest(["11"])
    assert (str(trial.dir), others) == ("multirun/a/11", [])
    assert str(lookup_newest(["multirun/b", "1"])[0].dir) == "multirun/b/1"
    with pytest.raises(ResultsError, match="2 trials are called 1"):
        lookup_trials(["1"])
    with pytest.raises(NothingFound, match="no trial 99"):
        lookup_newest(["99"])


@pytest.mark.parametrize("name", ["last.ckpt", "checkpoints/epoch=1.ckpt", ".hyperherd/trial.json", "checkpoints"])
def test_what_lies_in_a_trial_names_it(two: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trial_dir = two / "multirun/a/3"
    (trial_dir / "checkpoints").mkdir()
    for path in (trial_dir / "last.ckpt", trial_dir / "checkpoints/epoch=1.ckpt"):
        path.write_bytes(b"weights")
    (two / "best").symlink_to(trial_dir / name)
    for given in (f"multirun/a/3/{name}", str(trial_dir / name), "best"):
        assert [trial.number for trial in lookup_trials([given])] == [3]
    monkeypatch.chdir((trial_dir / name).parent)
    assert [trial.number for trial in lookup_trials([Path(name).name])] == [3]
    assert [trial.number for trial in lookup_trials([Path(name).name, "../" * name.count("/") + "../4"], 2)] == [3, 4]


def test_files_of_a_sweep_name_no_trial(two: Path) -> None:
    (two / "notes.txt").write_text("")
    for given in ("multirun/a/.hyperherd/sweep.json", "notes.txt"):
        with pytest.raises(NothingFound, match="no sweep or trial found"):
            lookup_trials([given])
    assert len(load("multirun/a", "multirun/a/.hyperherd/sweep.json")) == 12


@pytest.mark.parametrize("given", ["4242_3", "4242_3@alpha", "4242[3]"])
def test_the_id_of_a_job_names_its_trial(two: Path, given: str) -> None:
    """By the trial's own record, or before it has one by the event of its submission."""
    sweep = SweepBuilder(two / "multirun" / "jobs")
    sweep.trial({"val/acc": 0.5}, job_id="4242_2")
    sweep.plan(lr=1)
    sweep.event(1, "submitted", job_id="4242_3")
    assert [trial.number for trial in lookup_trials([given])] == [1]
    assert [trial.number for trial in lookup_trials(["4242_2", "multirun/jobs"])] == [0]
    with pytest.raises(NothingFound, match="no trial 4242_4"):
        lookup_trials(["4242_4"])
