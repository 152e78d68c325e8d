from __future__ import annotations

import gc
import itertools
import random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperherd.errors import SpaceError
from hyperherd.space import reading
from hyperherd.space.actions import ACTIONS, Action
from hyperherd.space.conditions import Effect
from hyperherd.space.expansion import MOST_POINTS, Report, SearchSpace, expand
from hyperherd.space.grids import Grid
from hyperherd.space.parameters import Interval, Parameter
from hyperherd.space.point import Assignment, Point, SharedContext
from hyperherd.space.reading import read_conditions
from hyperherd.space.values import is_number, token


def no_text(key: str, text: str) -> tuple[str]:
    return (text,)


def parameters(axes: dict[str, Any]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(name, values if isinstance(values, Interval) else tuple(values)) for name, values in axes.items()
    )


def space(axes: dict[str, Any], *conditions: Any, **options: Any) -> SearchSpace:
    grid = {key: options.pop(key) for key in ("zips", "shape") if key in options}
    return SearchSpace((Grid(parameters(axes), **grid),), read_conditions(conditions, no_text), **options)


def points(given: SearchSpace, **context: Any) -> list[dict[str, Any]]:
    return [assignment.values for assignment in expand(given, context)[0]]


GRID: dict[str, list[Any]] = {"optimizer": ["adam", "sgd"], "lr": [0.01, 0.1]}


def test_the_last_parameter_runs_fastest() -> None:
    assert [tuple(point.values()) for point in points(space(GRID))] == list(itertools.product(*GRID.values()))


def test_no_parameters_are_one_trial() -> None:
    assert points(space({})) == [{}]


def test_exclude_true_drops_what_matches() -> None:
    left = points(space(GRID, {"when": {"optimizer": "sgd", "lr": {"gt": 0.05}}, "exclude": True}))
    assert {"optimizer": "sgd", "lr": 0.1} not in left
    assert len(left) == 3


def test_exclude_map_drops_if_any_named_parameter_matches() -> None:
    left = points(space({**GRID, "wd": [0, 1]}, {"when": {"optimizer": "sgd"}, "exclude": {"lr": [0.1], "wd": [1]}}))
    assert [point for point in left if point["optimizer"] == "sgd"] == [{"optimizer": "sgd", "lr": 0.01, "wd": 0}]


def test_force_is_seen_by_later_conditions_and_not_by_earlier_ones() -> None:
    force = {"when": {"optimizer": "adam"}, "force": {"lr": 0.5}}
    drop = {"when": {"lr": 0.5}, "exclude": True}
    assert [point["optimizer"] for point in points(space(GRID, force, drop))] == ["sgd", "sgd"]
    assert [point["lr"] for point in points(space(GRID, drop, force))] == [0.5, 0.01, 0.1]


def test_force_replaces_a_value_that_only_python_thinks_equal() -> None:
    (point,) = points(space({"flag": [1]}, {"when": {"flag": 1}, "force": {"flag": True}}))
    assert point["flag"] is True


def test_replace_searches_other_values_and_lets_keys_join() -> None:
    left = points(space(GRID, {"when": {"optimizer": "adam"}, "replace": {"lr": [1.0], "beta": [0.95, 0.999]}}))
    assert [point for point in left if point["optimizer"] == "adam"] == [
        {"optimizer": "adam", "lr": 1.0, "beta": 0.95},
        {"optimizer": "adam", "lr": 1.0, "beta": 0.999},
    ]
    assert len(left) == 4


def test_drop_emits_nothing_and_makes_the_name_absent() -> None:
    given = space(
        {"optimizer": ["adam", "sgd"], "beta": [1, 2]},
        {"when": {"optimizer": "sgd"}, "drop": ["beta"]},
        {"when": {"beta": {"ne": 5}}, "set": {"seen": True}},
    )
    assert points(given, beta=9) == [
        {"optimizer": "adam", "beta": 1, "seen": True},
        {"optimizer": "adam", "beta": 2, "seen": True},
        {"optimizer": "sgd"},
    ]


def test_set_is_computed_after_force_and_seen_by_later_conditions() -> None:
    given = space(
        {"batch": [32, 64]},
        {"when": {"batch": 64}, "force": {"batch": 128}, "set": {"warmup": {"expr": "batch // 8 + base"}}},
        {"when": {"warmup": {"gt": 10}}, "resources": {"mem_gb": 64}},
        {"when": {"warmup": {"gt": 10}}, "resources": {"gpus": 1}},
    )
    (small, large), report = expand(given, {"base": 1})
    assert small == Assignment({"batch": 32})
    assert large == Assignment({"batch": 128, "warmup": 17}, frozenset({"warmup"}), {"mem_gb": 64, "gpus": 1})
    assert report.effects[1].summary == "matched 1: asked for mem_gb=64"


def test_what_set_added_can_be_forced_later() -> None:
    set_then_force = [{"when": {"a": 1}, "set": {"b": 2}}, {"when": {"a": 1}, "force": {"b": 3}}]
    (assignment,), _ = expand(space({"a": [1]}, *set_then_force), {})
    assert assignment == Assignment({"a": 1, "b": 3})


def test_conditions_may_ask_about_values_that_are_not_swept() -> None:
    given = space({"lr": [1]}, {"when": {"model": "vit"}, "exclude": True})
    assert len(points(given, model="cnn")) == 1
    with pytest.raises(SpaceError, match="no trial remains of 1 grid point: condition 0 excluded 1"):
        points(given, model="vit")


def test_an_expression_stands_beside_matchers() -> None:
    left = points(space(GRID, {"when": {"optimizer": "sgd", "expr": "lr * scale > 0.5"}, "exclude": True}), scale=10)
    assert len(left) == 3


def test_equal_trials_merge_and_types_keep_them_apart() -> None:
    assignments, report = expand(space({"a": [1, 2, True, 1.0]}, {"when": {"a": 2}, "force": {"a": 1}}))
    assert [repr(assignment.values["a"]) for assignment in assignments] == ["1", "True", "1.0"]
    assert report.merged == 1


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"when": {"optimiser": "sgd"}, "exclude": True}, "condition 0: .*'optimiser' .did you mean 'optimizer'"),
        ({"when": {"expr": "lrr > 1"}, "exclude": True}, "condition 0: .*'lrr' .did you mean 'lr'"),
        ({"when": {"lr": 1}, "force": {"lrr": 2}}, "condition 0: force and drop need .*'lrr' .*did you mean 'lr'"),
        ({"when": {"lr": 1}, "drop": ["lrr"]}, "condition 0: force and drop need .*did you mean 'lr'"),
        ({"when": {"lr": 0.1}, "set": {"x": {"expr": "nothere + 1"}}}, "no parameter or config value 'nothere'"),
        ({"name": "no sgd", "when": {"lr": 1}}, r"condition 0 \(no sgd\): it has no action"),
        ({"when": {"lr": 1}, "exlude": True}, "unknown key 'exlude' .did you mean 'exclude'"),
        ({"exclude": True}, "it needs `when`"),
        ("sgd", "a condition is a map"),
        ({"when": {"lr": {"gtt": 1}}, "exclude": True}, r"when\.lr: 'gtt' is not a comparison"),
        ({"when": {"optimizer": {"gt": 1}}, "exclude": True}, "condition 0: optimizer: gt 1 needs a number"),
        ({"when": {"lr": 0.1}, "replace": {"lr": []}}, r"replace\.lr: it needs a list of values"),
        ({"when": {"expr": "lr / 0 > 1"}, "exclude": True}, r"condition 0: expr 'lr / 0 > 1': .*division by zero"),
        ({"when": {"lr": 0.1}, "set": {"x": {"expr": "optimizer * 2"}}}, "condition 0: set x: .*needs numbers"),
        ({"when": "lr > 1", "exclude": True}, "`when` is a map from names"),
    ],
)
def test_errors_name_the_condition_and_the_likely_fix(condition: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        expand(space(GRID, condition))


def test_a_name_that_is_absent_is_an_error_in_set_and_false_in_when() -> None:
    rules = [{"when": {"a": 1}, "set": {"b": 1}}, {"when": {"a": [1, 2]}, "set": {"c": {"expr": "b + 1"}}}]
    with pytest.raises(SpaceError, match="condition 1: set c: b has no value in this trial"):
        expand(space({"a": [1, 2]}, *rules))
    rules[1] = {"when": {"b": {"not_in": [7]}}, "exclude": True}
    assert points(space({"a": [1, 2]}, *rules)) == [{"a": 2}]


def test_without_strict_an_unknown_name_is_a_warning() -> None:
    given = space(GRID, {"when": {"nothing": 1}, "exclude": True}, strict=False)
    assignments, report = expand(given)
    assert len(assignments) == 4
    assert report.warnings == ["condition 0: there is no parameter or config value 'nothing': ignored"]


def test_one_at_a_time_starts_at_the_config() -> None:
    given = space({"lr": [0.1, 0.2, 0.3], "wd": [0, 1]}, shape="one_at_a_time")
    assert points(given, lr=0.2, wd=0) == [
        {"lr": 0.2, "wd": 0},
        {"lr": 0.1, "wd": 0},
        {"lr": 0.3, "wd": 0},
        {"lr": 0.2, "wd": 1},
    ]
    with pytest.raises(SpaceError, match="'wd' is not varied everywhere, and the config has no value"):
        points(given, lr=0.2)


def test_a_grid_of_names_keeps_the_rest_at_the_config() -> None:
    assert points(space({"lr": [1, 2], "wd": [0, 1]}, shape=("lr",)), wd=7) == [{"lr": 1, "wd": 7}, {"lr": 2, "wd": 7}]


def test_a_default_of_the_parameter_wins_over_the_config() -> None:
    grid = Grid((Parameter("lr", (1, 2)), Parameter("wd", (0, 1), default=(1,))), shape=("lr",))
    assert points(SearchSpace((grid,)), wd=7) == [{"lr": 1, "wd": 1}, {"lr": 2, "wd": 1}]


def test_zip_walks_parameters_together() -> None:
    given = space({"a": [1, 2], "b": ["x", "y"], "c": [10, 20]}, zips=(("a", "c"),))
    assert [tuple(point.values()) for point in points(given)] == [
        (1, "x", 10),
        (1, "y", 10),
        (2, "x", 20),
        (2, "y", 20),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zips": (("a", "b"),)}, "must have the same number of values; a has 2, b has 3"),
        ({"zips": (("a", "bb"),)}, "zip: there is no parameter 'bb' .did you mean 'b'"),
        ({"zips": (("a", "a"),)}, "zip: 'a' is named twice"),
        ({"shape": ("aa",)}, "grid: there is no parameter 'aa' .did you mean 'a'"),
    ],
)
def test_shapes_that_cannot_be_meant(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        points(space({"a": [1, 2], "b": [1, 2, 3]}, **options))


def test_grids_come_one_after_the_other_with_conditions_of_their_own() -> None:
    own = read_conditions([{"when": {"model": "a"}, "force": {"lr": 3}}], no_text)
    both = SearchSpace(
        (
            Grid(parameters({"model": ["b"], "lr": [2, 1]})),
            Grid(parameters({"model": ["a"], "lr": [1, 2], "depth": [4]}), conditions=own),
        ),
        read_conditions([{"when": {"lr": 2}, "exclude": True}], no_text),
    )
    assert points(both) == [{"model": "b", "lr": 1}, {"model": "a", "lr": 3, "depth": 4}]


def test_sample_draws_without_replacement_and_keeps_the_order_of_the_grid() -> None:
    whole = points(space({"a": list(range(100))}))
    drawn = points(space({"a": list(range(100))}, sample=10, seed=3))
    assert len(drawn) == 10
    assert [point for point in whole if point in drawn] == drawn
    assert drawn == points(space({"a": list(range(100))}, sample=10, seed=3))
    assert drawn != points(space({"a": list(range(100))}, sample=10, seed=4))
    assert len(points(space({"a": [1, 2]}, sample=10))) == 2


def test_sample_draws_from_intervals_and_from_grids_too_large_to_walk() -> None:
    axes = {"lr": Interval(1e-5, 1e-1, log=True), "depth": Interval(2, 5, integer=True), "opt": ["adam", "sgd"]}
    drawn = points(space(axes, {"when": {"opt": "sgd"}, "force": {"lr": 1.0}}, sample=50))
    assert len(drawn) == 50
    logs = [point["lr"] for point in drawn if point["opt"] == "adam"]
    assert all(1e-5 <= lr <= 1e-1 for lr in logs)
    assert min(logs) < 1e-3 < max(logs)
    assert {point["depth"] for point in drawn} == {2, 3, 4, 5}
    assert {point["lr"] for point in drawn if point["opt"] == "sgd"} == {1.0}
    large = {f"p{index}": list(range(10)) for index in range(12)}
    assert len(points(space(large, sample=20))) == 20
    assert points(space(large, sample=20)) == points(space(large, sample=20))


def test_an_interval_needs_steps_or_a_sample() -> None:
    with pytest.raises(SpaceError, match=r"'lr' is a continuous interval.*hydra\.sweeper\.sample=N"):
        points(space({"lr": Interval(0, 1)}))


def test_a_space_too_large_to_be_meant_asks_for_a_limit() -> None:
    large = {f"p{index}": list(range(10)) for index in range(7)}
    with pytest.raises(SpaceError, match=r"10,000,000 points.*sample=N.*max_trials=N"):
        points(space(large))
    kept, report = expand(space(large, max_trials=5))
    assert [assignment.values["p6"] for assignment in kept] == [0, 1, 2, 3, 4]
    assert report.left_out is None
    assert MOST_POINTS == 1_000_000


def test_random_order_is_cut_after_it_was_shuffled() -> None:
    shuffled = points(space({"a": list(range(50))}, order="random", seed=1))
    assert sorted(point["a"] for point in shuffled) == list(range(50))
    assert shuffled != points(space({"a": list(range(50))}))
    assert points(space({"a": list(range(50))}, order="random", seed=1, max_trials=5)) == shuffled[:5]


def test_seeds_repeat_every_trial_after_everything_else() -> None:
    given = space({"a": [1, 2, 3]}, seeds=2, max_trials=2, seed_key="run.seed")
    assert points(given) == [{"a": a, "run.seed": seed} for a in (1, 2) for seed in (0, 1)]
    with pytest.raises(SpaceError, match="'seed' is already a search parameter"):
        points(space({"seed": [1, 2]}, seeds=2))


small = st.sampled_from([0, 1, 2])
names = st.sampled_from("abc")
when = st.dictionaries(names, st.lists(small, min_size=1, max_size=2), min_size=1)
AXES: dict[str, list[Any]] = {"a": [0, 1, 2], "b": [0, 1], "c": [2, 0]}

hyperherd_rules = st.one_of(
    st.fixed_dictionaries({"when": when, "exclude": st.dictionaries(names, st.lists(small, min_size=1), min_size=1)}),
    st.fixed_dictionaries({"when": when, "force": st.dictionaries(names, small, min_size=1)}),
)


def first_hyperherd(axes: dict[str, list[Any]], conditions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first HyperHerd's semantics in the plainest words: each point through all conditions, equal ones merged."""
    kept: list[dict[str, Any]] = []
    for values in itertools.product(*axes.values()):
        point: dict[str, Any] | None = dict(zip(axes, values, strict=True))
        for condition in conditions:
            if point is None or not all(point[name] in allowed for name, allowed in condition["when"].items()):
                continue
            if any(point[name] in listed for name, listed in condition.get("exclude", {}).items()):
                point = None
                continue
            point = {**point, **condition.get("force", {})}
        if point is not None and point not in kept:
            kept.append(point)
    return kept


hypnettorch_pairs = st.tuples(
    st.dictionaries(names, st.lists(small, min_size=1, max_size=2, unique=True), min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.lists(small, min_size=1, max_size=2, unique=True), min_size=1),
)


def hypnettorch(axes: dict[str, list[Any]], conditions: list[Any]) -> list[dict[str, Any]]:
    """hypnettorch's semantics: condition after condition over the whole list, replaced trials at its end."""
    trials = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    for keys, replacement in conditions:
        hit = [trial for trial in trials if all(trial.get(name) in listed for name, listed in keys.items())]
        trials = [trial for trial in trials if trial not in hit]
        for trial in hit:
            for values in itertools.product(*replacement.values()):
                trials.append({**trial, **dict(zip(replacement, values, strict=True))})
    unique: list[dict[str, Any]] = []
    for trial in trials:
        if trial not in unique:
            unique.append(trial)
    return unique


def as_set(trials: list[dict[str, Any]]) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(trial.items())) for trial in trials}


@settings(max_examples=300, deadline=None)
@given(st.lists(hyperherd_rules, max_size=4))
def test_the_same_trials_as_the_first_hyperherd(conditions: list[dict[str, Any]]) -> None:
    expected = first_hyperherd(AXES, conditions)
    if not expected:
        with pytest.raises(SpaceError, match="no trial remains"):
            points(space(AXES, *conditions))
        return
    assert as_set(points(space(AXES, *conditions))) == as_set(expected)


@settings(max_examples=300, deadline=None)
@given(st.lists(hypnettorch_pairs, max_size=4))
def test_the_same_trials_as_hypnettorch(pairs: list[Any]) -> None:
    ours = [{"when": keys, "replace": replacement} for keys, replacement in pairs]
    assert as_set(points(space(AXES, *ours))) == as_set(hypnettorch(AXES, pairs))


@settings(max_examples=200, deadline=None)
@given(st.lists(hyperherd_rules, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_numbering_depends_on_the_set_of_trials_alone(conditions: list[dict[str, Any]], rng: random.Random) -> None:
    shuffled = list(conditions)
    rng.shuffle(shuffled)
    try:
        first, second = points(space(AXES, *conditions)), points(space(AXES, *shuffled))
    except SpaceError:
        return
    if as_set(first) == as_set(second):
        assert first == second


@settings(max_examples=100, deadline=None)
@given(
    st.lists(hyperherd_rules, max_size=2), st.integers(0, 3), st.integers(1, 20), st.sampled_from(["grid", "random"])
)
def test_expansion_is_a_pure_function(conditions: list[Any], seed: int, sample: int, order: Any) -> None:
    def once() -> tuple[list[Assignment], Report] | None:
        try:
            return expand(space(AXES, *conditions, seed=seed, sample=sample, order=order))
        except SpaceError:
            return None

    assert once() == once()


odd = st.sampled_from(
    [0, 0.0, -0.0, 1, 1.0, True, False, None, "1", "a", "", [1], [1.0], {"k": 1}, float("nan"), 10**20, 2.5, -3]
)
odd_rules = st.one_of(
    st.fixed_dictionaries(
        {"when": st.dictionaries(names, st.lists(odd, min_size=1), min_size=1), "exclude": st.just(True)}
    ),
    st.fixed_dictionaries(
        {"when": st.dictionaries(names, st.lists(odd, min_size=1), min_size=1), "force": st.dictionaries(names, odd)}
    ).filter(lambda rule: rule["force"]),
    st.fixed_dictionaries(
        {
            "when": st.dictionaries(names, st.lists(odd, min_size=1), min_size=1),
            "replace": st.dictionaries(st.sampled_from("abcd"), st.lists(odd, min_size=1, max_size=3), min_size=1),
        }
    ),
    st.fixed_dictionaries(
        {
            "when": st.dictionaries(names, st.lists(odd, min_size=1), min_size=1),
            "set": st.fixed_dictionaries({"e": odd}),
        }
    ),
)


def plainly(given: SearchSpace) -> list[dict[str, Any]]:
    """Every point by itself, nothing remembered: its identity by tokens, its place by the definition of the order."""

    def rank(parameter: Parameter, point: Point) -> tuple[int, float, str]:
        if parameter.name not in point.values:
            return 0, 0.0, ""
        value = point.values[parameter.name]
        own = [token(each) for each in parameter.points]
        if token(value) in own:
            return 1, own.index(token(value)), ""
        return 2, float(value) if is_number(value) and token(value) != "nan" else 0.0, token(value)

    found: dict[Any, Any] = {}
    for values in itertools.product(*(parameter.points for parameter in given.parameters.values())):
        points = [Point(dict(zip(given.parameters, values, strict=True)), SharedContext({}))]
        for rule in given.rules:
            effect = Effect(rule.label)
            points = [
                after
                for point in points
                for after in (rule.apply(point, effect) if rule.applies(point, effect) else [point])
            ]
        for point in points:
            identity = tuple(sorted((name, token(value)) for name, value in point.values.items()))
            others = [(name in point.added, *pair) for pair in identity if (name := pair[0]) not in given.parameters]
            ranks = [rank(parameter, point) for parameter in given.parameters.values()]
            found.setdefault(identity, ((ranks, sorted(others)), point.values))
    return [values for _, values in sorted(found.values(), key=lambda pair: pair[0])]


@settings(max_examples=400, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys("abc", st.lists(odd, min_size=1, max_size=4))), st.lists(odd_rules, max_size=3)
)
def test_what_is_remembered_of_values_changes_nothing(axes: dict[str, Any], conditions: list[Any]) -> None:
    with mock.patch("hyperherd.space.values._MOST_REMEMBERED", 0):
        expected = plainly(space(axes, *conditions))
    try:
        found = points(space(axes, *conditions))
    except SpaceError:
        found = []
    assert list(map(repr, found)) == list(map(repr, expected))


class Double(Action):
    """Doubles a parameter: an action as somebody would add it."""

    key = "double"
    done = "doubled"
    other_spellings = ("twice",)
    needs_swept = True

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def read(cls, written: Any, read_text: Any) -> Action | None:
        return cls(written) if written else None

    def apply(self, point: Point) -> tuple[list[Point], bool]:
        point.force(self.name, point.look_up(self.name) * 2)
        return [point], True

    @property
    def changes(self) -> tuple[str, ...]:
        return (self.name,)


def test_an_action_that_is_listed_is_read_applied_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ACTIONS", (*ACTIONS, Double))
    assignments, report = expand(space(GRID, {"when": {"optimizer": "sgd"}, "double": "lr"}))
    assert [assignment.values["lr"] for assignment in assignments] == [0.01, 0.1, 0.02, 0.2]
    assert [effect.summary for effect in report.effects] == ["matched 2: doubled 2"]
    with pytest.raises(SpaceError, match="force and drop and double need a swept parameter, and 'lrr' is not one"):
        expand(space(GRID, {"when": {"optimizer": "sgd"}, "double": "lrr"}))
    with pytest.raises(SpaceError, match=r"unknown key 'twice' \(did you mean 'double'\?\); .*, resources, double$"):
        space(GRID, {"when": {"optimizer": "sgd"}, "twice": "lr"})
    with pytest.raises(SpaceError, match=r"it has no action; add one of exclude, .*, resources, double$"):
        space(GRID, {"when": {"optimizer": "sgd"}})


@pytest.mark.parametrize("threshold", [(700, 10, 10), (0, 10, 10), (200_000, 100, 5)])
def test_the_search_for_garbage_is_as_it_was_afterwards(threshold: tuple[int, int, int]) -> None:
    before = gc.get_threshold()
    gc.set_threshold(*threshold)
    try:
        expand(space(GRID))
        with pytest.raises(SpaceError):
            expand(space(GRID, {"when": {"lr": {"gt": 0}}, "exclude": True}))
        assert gc.get_threshold() == threshold
    finally:
        gc.set_threshold(*before)
