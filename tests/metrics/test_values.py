import json
import math
import pickle
from enum import Enum, IntEnum
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.metrics.rows.values import (
    EXACT,
    MOST_BYTES,
    NotLogged,
    as_name,
    as_step,
    dumps,
    final,
    logged,
    split,
    unwrap,
)
from hyperherd.records.disk.files import number

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "$number" not in repr(value))


def same(one: object, other: object) -> bool:
    """Equal to the last bit, NaN and the sign of zero included, True distinct from 1."""
    return repr(one) == repr(other)


def stored(value: object) -> object:
    numeric, exact, refused = split({"m": value})
    assert not refused
    value_column = number(json.loads(dumps(numeric))["m"]) if "m" in numeric else None
    return logged(value_column, dumps(exact["m"]).decode() if "m" in exact else None)


def refused(metrics: dict[str, object]) -> str:
    """Return why the one value is not kept; as a final value for the same reason."""
    numeric, exact, reasons = split(metrics)
    assert (numeric, exact) == ({}, {})
    assert final(metrics) == ({}, reasons)
    [reason] = reasons.values()
    return reason


class Hostile:
    """An object that raises when it is asked what it holds."""

    @property
    def item(self) -> object:
        raise RuntimeError("no")


@given(anything)
def test_what_is_logged_can_be_told_from_what_is_stored(value):
    expected = float(value) if type(value) is int and abs(value) <= EXACT else value
    assert same(stored(value), expected)
    assert same(unwrap(json.loads(dumps(final({"m": value})[0]))["m"]), value)


@pytest.mark.parametrize(
    ("value", "numeric", "exact"),
    [
        (0.25, 0.25, None),
        (math.inf, "Infinity", None),
        (-math.inf, "-Infinity", None),
        (math.nan, "NaN", None),
        (7, 7, None),
        (2**53, 2**53, None),
        (2**53 + 1, float(2**53), 2**53 + 1),
        (-(2**64) - 1, float(-(2**64)), -(2**64) - 1),
        (10**400, None, 10**400),
        (True, 1, True),
        (False, 0, False),
        ("text", None, "text"),
        ([1, math.nan], None, [1, {"$number": "NaN"}]),
        ((1, 2), None, [1, 2]),
        ({1: {"a": -math.inf}}, None, {"1": {"a": {"$number": "-Infinity"}}}),
    ],
)
def test_forms_on_disk(value, numeric, exact):
    expected = ({} if numeric is None else {"m": numeric}, {} if exact is None else {"m": exact}, {})
    assert same(split({"m": value}), expected)


def test_none_is_a_value():
    assert split({"m": None}) == ({}, {"m": None}, {})


class Colour(str, Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.1), 0.1),
        (np.float16("nan"), math.nan),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(2.5), 2.5),
        (np.array([2.5]), 2.5),
        (Fraction(1, 4), 0.25),
        (Colour.RED, "red"),
        (Level.LOW, 1.0),
        ([np.float32(0.5), {"a": np.array(2)}], [0.5, {"a": 2}]),
    ],
)
def test_scalars_of_other_libraries(value, expected):
    assert same(stored(value), expected)


def test_tensors():
    torch = pytest.importorskip("torch")
    assert same(stored(torch.tensor(0.5, requires_grad=True)), 0.5)
    assert same(stored(torch.tensor(0.5, dtype=torch.bfloat16)), 0.5)
    assert same(stored(torch.tensor([[3]])), 3.0)
    assert same(stored(torch.tensor(True)), True)
    assert same(stored([np.float32(0.5), {"a": torch.tensor(2)}]), [0.5, {"a": 2}])
    assert same(as_step(torch.tensor(3)), 3)
    for value in (torch.zeros(2, 3), torch.tensor(1j)):
        assert refused({"val/acc": value}).startswith("'val/acc' ")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        1j,
        b"bytes",
        {1, 2},
        np.array([1.0, 2.0]),
        np.datetime64("2026-01-01"),
        {(1, 2): 3},
        {True: 1},
        [[object()]],
        Hostile(),
        [Hostile()],
        pytest.param(10**5000, id="digits"),
        pytest.param({"deep": 10**5000}, id="digits inside"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_name(value):
    assert refused({"val/acc": value}).startswith("'val/acc' ")


def test_a_value_that_cannot_be_kept_affects_no_other():
    logged = {"a": 1.0, "b": object(), "c": "text", 3: 4, "d": np.zeros((2, 3)), "e": 2**70, "f": math.nan, "g": True}
    numeric, exact, reasons = split(logged)
    assert numeric == {"a": 1.0, "e": float(2**70), "f": "NaN", "g": 1}
    assert exact == {"c": "text", "e": 2**70, "g": True}
    assert list(reasons) == ["b", "3", "d"]
    assert "array of shape (2, 3)" in reasons["d"]
    assert "log_array" in reasons["d"]
    kept, reasons = final(logged)
    assert list(kept) == ["a", "c", "e", "f", "g"]
    assert list(reasons) == ["b", "3", "d"]


def test_a_text_that_no_line_can_hold_is_refused_by_name():
    assert "too large" in refused({"page": "x" * (MOST_BYTES + 1)})


def test_the_error_names_every_value_that_is_not_kept_and_survives_pickling():
    error = NotLogged({"a": "'a' is odd", "b": "'b' is odd"})
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "'a' is odd; 'b' is odd"
    assert copy.reasons == error.reasons


def test_an_integer_of_too_many_digits_is_refused():
    with pytest.raises(TypeError, match="JSON cannot hold"):
        dumps(10**5000)


@pytest.mark.parametrize("step", [3, 3.0, np.int32(3), np.uint8(3), np.float32(3), Level.LOW + 2])
def test_whole_numbers_are_steps(step):
    assert same(as_step(step), 3)


@pytest.mark.parametrize(
    "step", [True, np.bool_(True), 1.5, math.nan, math.inf, "1", None, 2**63, [1], np.array([1, 2])]
)
def test_other_things_are_no_steps(step):
    with pytest.raises(TypeError, match="a step must be a whole number"):
        as_step(step)


def test_names():
    assert as_name("größe/λ 🐑") == "größe/λ 🐑"
    assert as_name(np.str_("a")) == "a"
    assert as_name("a\ud800") == "a\\ud800"
    with pytest.raises(TypeError, match="name of a metric"):
        as_name(3)
