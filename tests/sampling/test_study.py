from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import pytest

from hyperherd.errors import SweepError
from hyperherd.sampling.axes import Axis
from hyperherd.sampling.settings import read_sampler
from hyperherd.sampling.study import Outcome, Study
from hyperherd.space.parameters import Interval, Parameter, Scale, Values

create_trial = pytest.importorskip("optuna").trial.create_trial
FloatDistribution = pytest.importorskip("optuna").distributions.FloatDistribution
shortened = pytest.importorskip("hyperherd.sampling.rounded").shortened

X, Y = Parameter("x", Interval(-1.0, 1.0)), Parameter("y", Interval(1, 1000, log=True, integer=True))
WITH_DROPPED = (X, Y, Parameter("opt", ("sgd", "adam")), Parameter("momentum", Interval(0.0, 1.0)))


def study(
    *parameters: Parameter, lacks_parts: bool = False, directions: Sequence[str] = ("minimize",), **given: Any
) -> Study:
    settings = read_sampler({"trials": 50, **given})
    assert settings is not None
    axes = {parameter.name: Axis(parameter) for parameter in parameters}
    return Study(settings, axes, directions=directions, seed=7, lacks_parts=lacks_parts)


def search(made: Study, trials: int, ran: Callable[[Any], Any] = dict, begin: int = 0) -> list[Mapping[str, Any]]:
    found = []
    for number in range(begin, trials):
        point = ran(made.propose(number, 0))
        made.accept(number, point)
        made.tell(number, Outcome("completed", (point["x"] ** 2 + point["y"] / 1000,)))
        found.append(point)
    return found


@pytest.mark.parametrize(
    ("values", "inside", "outside"),
    [
        (Interval(0.0, 1.0), [0, 0.5, 1.0], [1.5, "0.5", True, None]),
        (Interval(1, 10, integer=True), [1, 10, 3.0], [0, 2.5]),
        (Interval(1e-4, 1e-1, log=True), [1e-4, 0.01], [0]),
        (Scale((0.001, 0.01, 0.1)), [0.001, 0.1], [0.02]),
        (("a", 1, True, 1.5, None, [1, 2], {"b": 1}), ["a", 1, True, 1.5, None, [1, 2], {"b": 1}], ["b", [2], False]),
        ((1, 1, 2), [1, 2], [3]),
    ],
)
def test_a_value_comes_back_as_it_was(values: Values, inside: list[Any], outside: list[Any]) -> None:
    axis = Axis(Parameter("p", values))
    for value in inside:
        stand_in = axis.encode(value)
        create_trial(value=0.0, params={"p": stand_in}, distributions={"p": axis.distribution})  # which checks it
        back = axis.decode(stand_in)
        assert back == value
        assert isinstance(back, bool) == isinstance(value, bool)
    assert [axis.encode(value) for value in outside] == [None] * len(outside)


@pytest.mark.parametrize("name", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "cmaes", "qmc", "nsga2", "random"])
def test_a_study_that_is_made_anew_proposes_the_same(name: str) -> None:
    needed = {"cmaes": "cmaes", "gp": "torch", "qmc": "scipy"}.get(name, "optuna")
    if importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    given: dict[str, Any] = {"name": name} | ({"startup": 3} if name in ("tpe", "gp") else {})
    given |= {"options": {"population_size": 4}} if name == "nsga2" else {}
    whole = search(study(X, Y, **given), 12)
    again = study(X, Y, **given)
    for number, point in enumerate(whole[:9]):
        if again.keeps_notes:
            again.propose(number, 0)
        again.accept(number, point)
        again.tell(number, Outcome("completed", (point["x"] ** 2 + point["y"] / 1000,)))
    assert search(again, 12, begin=9) == whole[9:]
    assert search(study(X, Y, **given, seed=0), 3) == whole[:3]  # the seed that counts is the one it was made with


def test_a_point_without_a_parameter_is_learned_from() -> None:
    def dropped(point: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in point.items() if name != "momentum" or point["opt"] == "sgd"}

    made = study(*WITH_DROPPED, lacks_parts=True, startup=5)
    found = search(made, 40, dropped)
    assert {frozenset(point) for point in found} == {frozenset("xy") | {"opt", "momentum"}, frozenset("xy") | {"opt"}}
    value = [point["x"] ** 2 + point["y"] / 1000 for point in found]
    assert median(value[20:]) < median(value[:10])
    assert not made.takes({"x": 5})
    assert made.takes({"x": 0.5})
    assert not study(X, Y).takes({"x": 0.5})


def test_no_outcome_is_too_odd() -> None:
    made = study(X, Y, startup=2)
    outcomes = [
        Outcome("failed"),
        Outcome("pruned", curve={1: 0.5, 3: 0.25}),
        Outcome("pruned"),
        Outcome("completed", (1,)),
    ]
    for number, outcome in enumerate(outcomes * 3):
        made.accept(number, made.propose(number, 0))
        made.tell(number, outcome)
    made.propose(12, 0)
    made.reject()
    made.propose(12, 1, evenly=True)
    made.reject(Outcome("completed", (2.0,)))
    made.accept(12, made.propose(12, 2))
    assert made.is_open(12)
    assert not made.is_open(3)


def test_nothing_of_optuna_is_printed(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        search(study(*WITH_DROPPED, lacks_parts=True, startup=2), 4)
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"options": {"n_ei_candidate": 3}},
            "TPESampler has no argument 'n_ei_candidate' .did you mean 'n_ei_candidates",
        ),
        ({"options": {"seed": 3}}, "give the seed as hydra.sweeper.sampler.seed"),
        ({"name": "nsga2", "options": {"population_size": 1}}, "NSGAIISampler: .*population_size"),
        ({"_target_": "optuna.samplers.TPSampler"}, "optuna.samplers has no 'TPSampler' .did you mean 'TPESampler'"),
        ({"_target_": "optuna.samplers.BaseSampler"}, "optuna.samplers has no 'BaseSampler'"),
        ({"_target_": "optuna.samplers.GridSampler"}, "GridSampler: .*search_space"),
    ],
)
def test_what_the_sampler_does_not_take_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepError, match=message):
        study(X, **given)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    for missing, given, message in (
        ("optuna", {}, r"pip install 'hydra-hyperherd\[optuna\]'"),
        ("cmaes", {"name": "cmaes"}, "CmaEsSampler needs cmaes: pip install cmaes"),
    ):
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, gone=missing: None if name == gone else there(name)
        )
        with pytest.raises(SweepError, match=message):
            study(X, **given)


@pytest.mark.parametrize("name", ["tpe", "qmc", "nsga2", "random"])
def test_a_sampler_learns_of_all_objectives(name: str) -> None:
    made = study(X, Y, directions=("minimize", "maximize"), name=name)
    for number in range(12):
        point = made.propose(number, 0)
        made.accept(number, point)
        made.tell(number, Outcome("completed", (point["x"], point["y"])) if number != 4 else Outcome("failed"))
    fronted = made._study.best_trials
    assert all(trial.values == [trial.params["x"], trial.params["y"]] for trial in fronted)


def test_a_sampler_of_one_objective_is_refused_for_several() -> None:
    pytest.importorskip("cmaes")
    message = "CmaEsSampler cannot be used with 2 objectives: .* tpe, gp, qmc, nsga2 and random can"
    with pytest.raises(SweepError, match=message):
        study(X, Y, directions=("minimize", "maximize"), name="cmaes")


@pytest.mark.parametrize(
    ("low", "high", "drawn", "short"),
    [
        (0.0, 1.0, 0.22991879746458754, 0.229919),
        (1e-5, 0.1, 1.2345678901e-5, 1.23457e-5),
        (-5.0, 5.0, -1.2345678901, -1.23457),
        (1000.0, 1000.1, 1000.0123456789, 1000.012346),  # narrow: its places stay apart
        (0.1234571, 0.5, 0.1234572, 0.1234572),  # rounding would take it out
        (0.0, 1.0, 0.0, 0.0),
        (0.3, 0.3, 0.3, 0.3),
    ],
)
def test_a_number_is_drawn_short(low: float, high: float, drawn: float, short: float) -> None:
    assert shortened(drawn, FloatDistribution(low, high)) == short


@pytest.mark.parametrize("name", ["tpe", "qmc", "nsga2", "random", "cmaes", "gp"])
def test_what_is_told_is_what_was_drawn(name: str) -> None:
    """The sampler knows the short value itself, so that it learns of what really ran."""
    for package in {"cmaes": ("cmaes",), "gp": ("torch", "scipy"), "qmc": ("scipy",)}.get(name, ()):
        pytest.importorskip(package)
    made = study(X, Y, name=name)
    found = search(made, 6)
    assert all(len(repr(abs(point["x"])).replace("0.", "").lstrip("0")) <= 6 for point in found)
    completed = [trial for trial in made._study.trials if trial.values]
    assert [trial.params["x"] for trial in completed] == [point["x"] for point in found]
    assert len(made._study.trials) == 6  # none was replaced by one with other values
