from __future__ import annotations

import pytest

from hyperherd.errors import SpaceError
from hyperherd.space.matchers import read_matcher


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("adam", "adam", True),
        ("adam", "sgd", False),
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        (0.3, 0.1 + 0.2, True),
        (None, None, True),
        (None, 0, False),
        ("1", 1, False),
        ([32, 64], 64, True),
        ([32, 64], 128, False),
        ({"eq": [1, 2]}, [1, 2], True),
        ({"eq": [1, 2]}, 1, False),
        ({"ne": "adam"}, "sgd", True),
        ({"gt": 0.05}, 0.1, True),
        ({"gt": 0.05}, 0.05, False),
        ({"ge": 0.05, "lt": 0.1}, 0.05, True),
        ({"ge": 0.05, "lt": 0.1}, 0.1, False),
        ({"in": ["a", "b"]}, "b", True),
        ({"not_in": ["a", "b"]}, "c", True),
        ({"eq": {"width": 1}}, {"width": 1.0}, True),
    ],
)
def test_matching(written: object, value: object, expected: bool) -> None:
    assert read_matcher(written).matches(value) is expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"gte": 1}, r"'gte' is not a comparison \(did you mean 'ge'\?\)"),
        ({"in": "ab"}, "in takes a list, not 'ab'"),
        ({"gt": "high"}, "gt needs a number, not 'high'"),
        ({"lt": True}, "lt needs a number, not True"),
        ({}, "an empty map matches nothing"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_read(written: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        read_matcher(written)


def test_order_of_what_is_no_number_is_an_error_and_not_false() -> None:
    with pytest.raises(SpaceError, match=r"gt 0\.05 needs a number, but the value is 'auto'"):
        read_matcher({"gt": 0.05}).matches("auto")
