from __future__ import annotations

from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd.errors import NothingFound, ResultsError
from hyperherd.results.lookup import lookup_trials


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
