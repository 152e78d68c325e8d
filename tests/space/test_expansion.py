from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.errors import SpaceError
from hyperherd.space.conditions import read_conditions
from hyperherd.space.expansion import Expansion
from hyperherd.space.parameters import Parameter, SearchSpace


def expand(axes: dict[str, list[Any]], *conditions: Any, **context: Any) -> list[dict[str, Any]]:
    parameters = tuple(Parameter(name, tuple(values)) for name, values in axes.items())
    return list(Expansion(SearchSpace(parameters, read_conditions(conditions)), context))


GRID: dict[str, list[Any]] = {"optimizer": ["adam", "sgd"], "lr": [0.01, 0.1]}


def test_the_last_parameter_runs_fastest() -> None:
    assert [tuple(point.values()) for point in expand(GRID)] == list(itertools.product(*GRID.values()))


def test_no_parameters_are_one_trial() -> None:
    assert expand({}) == [{}]


def test_exclude_true_drops_what_matches() -> None:
    left = expand(GRID, {"when": {"optimizer": "sgd", "lr": {"gt": 0.05}}, "exclude": True})
    assert {"optimizer": "sgd", "lr": 0.1} not in left
    assert len(left) == 3


def test_exclude_map_drops_if_any_named_parameter_matches() -> None:
    left = expand({**GRID, "wd": [0, 1]}, {"when": {"optimizer": "sgd"}, "exclude": {"lr": [0.1], "wd": [1]}})
    assert [point for point in left if point["optimizer"] == "sgd"] == [{"optimizer": "sgd", "lr": 0.01, "wd": 0}]


def test_force_is_seen_by_later_conditions_and_not_by_earlier_ones() -> None:
    force = {"when": {"optimizer": "adam"}, "force": {"lr": 0.5}}
    drop = {"when": {"lr": 0.5}, "exclude": True}
    assert [point["optimizer"] for point in expand(GRID, force, drop)] == ["sgd", "sgd"]
    assert [point["lr"] for point in expand(GRID, drop, force)] == [0.5, 0.5, 0.01, 0.1]


def test_force_replaces_a_value_that_only_python_thinks_equal() -> None:
    (point,) = expand({"flag": [1]}, {"when": {"flag": 1}, "force": {"flag": True}})
    assert point["flag"] is True


def test_conditions_may_ask_about_values_that_are_not_swept() -> None:
    assert expand({"lr": [1]}, {"when": {"model": "vit"}, "exclude": True}, model="vit") == []
    assert len(expand({"lr": [1]}, {"when": {"model": "vit"}, "exclude": True}, model="cnn")) == 1


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"when": {"optimiser": "sgd"}, "exclude": True}, "condition 0: .*'optimiser' .did you mean 'optimizer'"),
        ({"when": {"lr": 1}, "force": {"lrr": 2}}, "condition 0: force names 'lrr', .*did you mean 'lr'"),
        ({"name": "no sgd", "when": {"lr": 1}}, r"condition 0 \(no sgd\): it does nothing"),
        ({"when": {"lr": 1}, "exlude": True}, "unknown key 'exlude' .did you mean 'exclude'"),
        ({"exclude": True}, "`when` is a map"),
        ("sgd", "a condition is a map"),
        ({"when": {"lr": {"gtt": 1}}, "exclude": True}, r"when\.lr: 'gtt' is no comparison"),
        ({"when": {"optimizer": {"gt": 1}}, "exclude": True}, "condition 0: optimizer: gt 1 compares numbers"),
    ],
)
def test_errors_name_the_condition_and_the_likely_fix(condition: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        expand(GRID, condition)


def test_a_parameter_without_values_or_given_twice_is_refused() -> None:
    with pytest.raises(SpaceError, match="'lr' has no values"):
        Parameter("lr", ())
    with pytest.raises(SpaceError, match="'lr' is given twice"):
        SearchSpace((Parameter("lr", (1,)), Parameter("lr", (2,))))


small = st.sampled_from([0, 1, 2])
rules = st.fixed_dictionaries(
    {"when": st.dictionaries(st.sampled_from("abc"), st.lists(small, min_size=1, max_size=2), min_size=1)},
    optional={"force": st.dictionaries(st.sampled_from("abc"), small, min_size=1)},
).flatmap(lambda rule: st.just(rule) if "force" in rule else st.just({**rule, "exclude": True}))


def reference(axes: dict[str, list[Any]], conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same in the plainest words: a list of points, and one pass over it per condition."""
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    for condition in conditions:
        kept = []
        for point in points:
            if all(point[name] in allowed for name, allowed in condition["when"].items()):
                if condition.get("exclude"):
                    continue
                point = {**point, **condition["force"]}
            kept.append(point)
        points = kept
    return points


@given(st.lists(rules, max_size=4))
def test_expansion_agrees_with_the_plain_reference(conditions: list[dict[str, Any]]) -> None:
    axes: dict[str, list[Any]] = {"a": [0, 1, 2], "b": [0, 1], "c": [2, 0]}
    assert expand(axes, *conditions) == reference(axes, conditions)
