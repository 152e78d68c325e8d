from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.results.text.format import (
    align,
    display_width,
    duration,
    escaped,
    exact,
    measure,
    one_line,
    pad,
    setting,
    tsv,
)
from hyperherd.results.values import Gap

ESCAPES = "\x1b[31mred\x1b[0m\x07\r\n\t\u202eabc\x9b2J\x7f\udc80"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0003, "3e-4"),
        (1e-05, "1e-5"),
        (1.5e-4, "1.5e-4"),
        (0.001, "0.001"),
        (0.1, "0.1"),
        (1.0, "1.0"),
        (-3e-4, "-3e-4"),
        (0.0, "0.0"),
        (1e22, "1e22"),
        (123456.789, "123456.789"),
        (0.00012345678, "1.2345678e-4"),
        (2, "2"),
        (True, "true"),
        (None, "null"),
        ("", "''"),
        ("cnn", "cnn"),
        ([1, "a", {"b": None}], '[1,"a",{"b":null}]'),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("/data/sets/imagenet-2012/train/shards", "/data/sets/image…12/train/shards"),
    ],
)
def test_settings(value: Any, text: str) -> None:
    assert setting(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9871234, "0.9871"),
        (0.012536990153529961, "0.01254"),
        (0.00041234, "4.123e-4"),
        (0.0003, "3e-4"),
        (0.0009999999, "0.001000"),
        (0.99999, "1.000"),
        (99999.6, "100000"),
        (12.345678, "12.35"),
        (1234.5678, "1235"),
        (1234567.8, "1.235e6"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (12345678, "12345678"),
        (2**60, str(2**60)),
    ],
)
def test_measures(value: Any, text: str) -> None:
    assert measure(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_measure_is_the_value_to_four_digits(value: float) -> None:
    assert math.isclose(float(measure(value)), value, rel_tol=5.1e-4)


@given(st.floats())
def test_tsv_floats_come_back(value: float) -> None:
    assert repr(float(tsv(value))) == repr(value)


@given(st.text())
def test_tsv_texts_come_back(text: str) -> None:
    cell = tsv(text)
    assert cell.isprintable()
    if text.isascii() and text:
        assert cell.encode().decode("unicode_escape") == text


def test_nothing_steers_the_terminal() -> None:
    for text in (escaped(ESCAPES), tsv(ESCAPES), setting(ESCAPES), one_line(ESCAPES), setting([ESCAPES])):
        assert text.isprintable()
        assert "red" in text or "…" in text
    assert escaped(ESCAPES).startswith(r"\x1b[31mred\x1b[0m\x07\r\n\t\u202eabc\x9b2J\x7f\udc80")
    assert escaped("größe 数 ✓") == "größe 数 ✓"


def test_gaps() -> None:
    assert tsv(Gap.MISSING) == tsv(Gap.NOT_APPLICABLE) == ""
    assert exact("") == "''"


def test_decimal_points_stand_under_each_other() -> None:
    cells = align(["0.9871", "12.35", "3e-4", "nan", "–", "100"])
    assert cells == ["  0.9871", " 12.35  ", "  3e-4  ", "nan     ", "  –     ", "100     "]


def test_widths() -> None:
    assert [display_width(text) for text in ("abc", "数据", "e\u0301", "✓")] == [3, 4, 1, 1]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", 2),  # A family: three emoji that are joined to one.
        ("\U0001f44d\U0001f3fd", 2),  # A thumb and the tone of its skin.
        ("\u2764\ufe0f", 2),  # A heart that a selector makes an emoji.
        ("1\ufe0f\u20e3", 2),  # A key with a digit.
        ("\U0001f1e9\U0001f1ea", 2),  # A flag: two letters.
        ("\u0e01\u0e31", 1),  # A Thai consonant with its vowel above.
        ("\x1b", 1),
    ],
)
def test_characters_that_join(text: str, width: int) -> None:
    assert display_width(text) == width
    assert len(pad(text, 4)) == len(text) + 4 - width
    assert pad("数", 4) == "数  "
    assert pad("a", 3, right=True) == "  a"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (42, "42s"), (59.6, "1m00s"), (365, "6m05s"), (3600, "1h00m"), (360000, "100h00m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("text", ["1e-5", "1", "-0.5", "true", "False", "null", "nan", ".5"])
def test_a_text_that_reads_as_something_else_stands_in_quotes(text: str) -> None:
    assert setting(text) == f"'{text}'"
    assert tsv(text) == text


@pytest.mark.parametrize("text", ["adam", "1e-5x", "it's", "none", "a,b"])
def test_other_texts_stand_as_they_are(text: str) -> None:
    assert setting(text) == text
