from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results.builder import SweepBuilder, every_state, stats

import hyperherd
from hyperherd import Trials, load
from hyperherd.errors import NothingFound, ResultsError
from hyperherd.overrides import encode, parse_values
from hyperherd.results.text.literals import read_values


@pytest.fixture
def trials(sweep: SweepBuilder) -> Trials:
    sweep.trial({"val/acc": 0.5, "lr": 0.5}, params={"lr": 1e-3, "model.width": 64, "flag": True, "name": "a b"})
    sweep.trial({"val/acc": stats(0.95, max=0.99)}, params={"lr": 1e-2, "model.width": 128, "flag": 1, "name": "ab"})
    sweep.trial({"val/acc": math.nan}, params={"lr": 1e-1, "model.width": 256, "flag": False, "name": "1e-2"})
    sweep.failed({"val/acc": 0.97}, params={"lr": 1.0, "model.width": 1, "layers": [1, 2], "flag": None})
    return load(sweep.dir)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["param.lr=0.001,1e-2"], [0, 1]),
        (["param.lr=.01"], [1]),
        (["param.lr=1"], [3]),
        (["param.lr!=0.001"], [1, 2, 3]),
        (["model.width>=128"], [1, 2]),
        (["model.width>=128", "model.width<256"], [1]),
        (["val/acc>0.9"], [1, 3]),
        (["val/acc:max>0.98"], [1]),
        (["val/acc=nan"], [2]),
        (["state=failed"], [3]),
        (["state!=failed"], [0, 1, 2]),
        (["flag=true"], [0]),
        (["flag=1"], [1]),
        (["flag=null"], [3]),
        (["name=ab"], [1]),
        (["name='a b'"], [0]),
        (["name='1e-2'"], [2]),
        (["name~^a"], [0, 1]),
        (["name!~^a"], [2]),
        (["layers=[1,2]"], [3]),
        (["layers!=[1]"], [3]),
        (["number=0,3"], [0, 3]),
        (["number=range(0,2)"], [0, 1]),
        (["metric.lr=0.5"], [0]),
        (["error=ValueError"], [3]),
        (["key=key2"], [2]),
        (["model.width >= 128 "], [1, 2]),
        ([], [0, 1, 2, 3]),
    ],
)
def test_texts(trials: Trials, texts: list[str], numbers: list[int]) -> None:
    assert [trial.number for trial in trials.filter(*texts)] == numbers


def test_keywords(trials: Trials) -> None:
    def numbers(**wanted: object) -> list[int | None]:
        return [trial.number for trial in trials.filter(**wanted)]

    assert numbers(**{"param.lr": [1e-3, 1.0]}) == [0, 3]
    assert numbers(model__width=64) == [0]
    assert numbers(model__width=lambda width: width > 100) == [1, 2]
    assert numbers(model__width=hyperherd.between(64, 128)) == [0, 1]
    assert numbers(flag=True) == [0]
    assert numbers(layers=[1, 2]) == [3]
    assert numbers(state=["failed"], flag=None) == [3]
    assert numbers(state=hyperherd.Trials(trials)[3].state) == [3]
    assert [trial.number for trial in trials.filter("val/acc>0", name="ab")] == [1]


def test_what_is_kept_is_judged_as_all_were(trials: Trials) -> None:
    judged = trials.judged_by("val/acc", "min")
    assert judged.filter("model.width>1").objective == judged.objective


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr=1", "'lr' is both a parameter and a metric; use param.lr or metric.lr"),
        ("model.widht=1", r"'model.widht' \(did you mean 'model.width'\?\); parameters and metrics: lr, model.width"),
        ("model.width>wide", "'model.width>wide': > compares numbers, and 'wide' is not a number"),
        ("state=faild", r"'faild' is not a state \(did you mean 'failed'\?\); available: running, completed"),
        ("name~(", "is not a regular expression"),
        ("name", "'name' is not a filter; expected NAME=VALUE"),
        ("model.width=[1", r"'\[1' is not a valid override value"),
        ("model.width=interval(1,2)", "is an interval; use name>=LOW name<=HIGH"),
        ("val/acc:maximum>1", "'maximum' is not an aggregate; use val/acc:last"),
    ],
)
def test_filters_that_mean_nothing(trials: Trials, text: str, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        trials.filter(text)


def test_a_trial_without_what_is_asked_never_matches(trials: Trials) -> None:
    assert [trial.number for trial in trials.filter("layers!=[7]")] == [3]
    assert not trials.filter("val/acc<nan")


def test_all_arguments_find_the_trial(trials: Trials) -> None:
    for trial in trials:
        wanted = {("param.lr" if name == "lr" else name): value for name, value in trial.params.items()}
        assert trials.one(**wanted) is trial


def test_one_is_one(trials: Trials) -> None:
    with pytest.raises(NothingFound, match=r"no trial with model.width=7"):
        trials.one("model.width=7")
    with pytest.raises(ResultsError, match=r"2 trials with model.width>=128: 1, 2"):
        trials.one("model.width>=128")


def test_states(tmp_path: Path) -> None:
    trials = load(every_state(tmp_path / "s").dir)
    assert [trial.number for trial in trials.completed] == [0, 1, 2, 3]
    assert [trial.number for trial in trials.failed] == [4]
    assert [trial.number for trial in trials.problems] == [4, 5, 7, 12]


def test_latest_is_the_newest(sweep: SweepBuilder) -> None:
    for started in (5.0, 9.0, 7.0):
        sweep.trial(started=started, params={"n": started})
    sweep.plan(n=1)
    assert load(sweep.dir).latest().number == 1
    with pytest.raises(NothingFound, match="no trial has started"):
        Trials([]).latest()


def test_sums_have_each_trial_once(sweep: SweepBuilder) -> None:
    for _ in range(3):
        sweep.trial()
    trials = load(sweep.dir)
    assert [trial.number for trial in trials[:2] + trials[1:]] == [0, 1, 2]
    assert [trial.number for trial in trials + load(sweep.dir / "1")] == [0, 1, 2]


def test_by_label(sweep: SweepBuilder) -> None:
    sweep.trial(params={"a": 1})
    sweep.trial(params={"a": 2})
    trials = load(sweep.dir)
    assert (trials["1"].number, trials["a=1"].number) == (1, 0)
    with pytest.raises(NothingFound, match="no trial called '7'"):
        trials["7"]


words = st.text(st.sampled_from("ab1.-+eE_/x0"), min_size=1, max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words


@settings(deadline=None)
@given(scalars)
def test_a_value_is_read_as_the_sweep_reads_it(value: object) -> None:
    assert repr(read_values(encode(value))) == repr((value,))


@given(
    words
    | st.sampled_from(["null", "NaN", "inf", "-Infinity", "TRUE", "False", "1_000", "0x1", "00", "1e5", "+.5"])
    | st.sampled_from(["00E0", "00.5", "-01.", "1.e5", "1e005", "0.", "0e0"])
)
def test_a_word_is_read_as_hydra_reads_it(text: str) -> None:
    from hydra.errors import HydraException

    try:
        expected: object = parse_values("value", text)
    except HydraException:
        with pytest.raises(ResultsError):
            read_values(text)
        return
    assert repr(read_values(text)) == repr(expected)
