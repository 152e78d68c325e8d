from __future__ import annotations

from typing import Any

import pytest

from hyperherd.errors import SpaceError
from hyperherd.space.parameters import Interval, Parameter, read_parameter


def read(written: Any, key: str = "lr") -> Parameter:
    return read_parameter(key, written, lambda key, text: tuple(text.split(",")))


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ([1, 2], (1, 2)),
        ("a,b", ("a", "b")),
        (5, (5,)),
        (None, (None,)),
        ([[1, 2], {"a": 1}], ([1, 2], {"a": 1})),
        ({"values": [1, 2], "type": "discrete"}, (1, 2)),
        ({"low": 1e-4, "high": 1e-1, "scale": "log", "steps": 4}, (1e-4, 1e-3, 1e-2, 1e-1)),
        ({"low": 0.1, "high": 0.5, "steps": 5}, (0.1, 0.2, 0.3, 0.4, 0.5)),
        ({"low": 1, "high": 5, "steps": 3}, (1, 3, 5)),
        ({"low": 1, "high": 4, "steps": 3}, (1.0, 2.5, 4.0)),
        ({"low": 0.3, "high": 7, "steps": 1}, (0.3,)),
        ({"type": "continuous", "low": 0, "high": 1}, (0.0, 0.25, 0.5, 0.75, 1.0)),
        ({"low": 1, "high": 100, "scale": "log"}, Interval(1, 100, log=True, integer=True)),
    ],
)
def test_reading(written: Any, values: Any) -> None:
    found = read(written).values
    assert found == values
    if isinstance(values, tuple):
        assert [type(value) for value in found] == [type(value) for value in values]  # type: ignore[union-attr]


def test_both_ends_of_a_range_are_exact() -> None:
    ends = (0.1 + 0.2, 1e-4 / 3)
    for scale in ("linear", "log"):
        cut = read({"low": ends[1], "high": ends[0], "steps": 7, "scale": scale}).points
        assert (cut[0], cut[-1]) == (ends[1], ends[0])


def test_prefix_default_abbreviation_and_labels() -> None:
    parameter = read({"values": ["a/b", "c/d"], "labels": ["ab", "cd"], "abbrev": "m", "default": "c/d"}, "+model")
    assert (parameter.name, parameter.prefix, parameter.abbrev) == ("model", "+", "m")
    assert parameter.label("c/d") == "cd"
    assert parameter.default == ("c/d",)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], "'lr' has no values"),
        ({"values": [1, 2], "labels": ["a"]}, "2 values and 1 labels"),
        ({"low": 0, "high": 1, "scale": "log"}, "'lr': scale: log needs low > 0"),
        ({"low": 2, "high": 1}, "'lr': low must be finite and at most high"),
        ({"low": 1, "high": 2, "scale": "logg"}, "scale is 'logg' .did you mean 'log'"),
        ({"low": 1, "high": 2, "steps": 0}, "steps is 0"),
        ({"low": "a", "high": 2}, "a map needs `values`, or the numbers `low` and `high`"),
        ({"valeus": [1]}, "unknown key 'valeus' .did you mean 'values'"),
    ],
)
def test_errors_name_the_parameter(written: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        read(written)
