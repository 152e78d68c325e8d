"""The decisions about a trial, as they are kept and as anybody may have written them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.pruning.decisions import CONTINUED, Decision, append_decision, as_ranges, from_ranges, read_decisions

DECISION = Decision(
    CONTINUED, "0.5 is number 1 of 1", "asha", "val/acc", 0, 5, 1.8e9, rung=5, value=0.5, rank=1, cohort=1
)


@given(st.sets(st.integers(0, 500)))
def test_numbers_survive_as_ranges(numbers: set[int]) -> None:
    text = as_ranges(numbers)
    assert text is None or from_ranges(text) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", set()), ("3", {3}), ("0-2,5", {0, 1, 2, 5}), ("a,-1,2-,4--5,7", {2, 7}), ("5-3", set()), ("1" * 40, set())],
)
def test_ranges_that_others_wrote(text: str, numbers: set[int]) -> None:
    assert from_ranges(text) == numbers


def test_no_ranges_take_all_memory() -> None:
    assert len(from_ranges(",".join(f"{n}000000000-{n}999999999" for n in range(1, 1000)))) < 3 * 10**6


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    (tmp_path / ".hyperherd").mkdir()
    about = {"rung": 9, "value": math.nan, "threshold": -math.inf}
    odd = Decision(CONTINUED, "NaN, of 1", "asha", "val/\u2028acc", 1, 9, 1.8e9, **about)  # type: ignore[arg-type]
    for one in (DECISION, odd):
        append_decision(tmp_path, one)
    found = read_decisions(tmp_path)
    assert found[0] == DECISION
    assert (found[1].metric, found[1].threshold, math.isnan(found[1].value or 0.0)) == (odd.metric, -math.inf, True)
    assert (found[0].short, found[1].short) == ("rung 5: 1 of 1", "rung 9: continued")


def test_lines_that_are_no_decisions_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".hyperherd").mkdir()
    append_decision(tmp_path, DECISION)
    path = tmp_path / ".hyperherd/rungs.jsonl"
    whole = path.read_text("utf-8")
    bad = (
        "not json",
        "[]",
        "{}",
        whole.replace('"rung": 5', '"rung": "5"'),
        whole.replace('"time"', '"tim"'),
        whole.replace("1800000000.0", "1e400"),
        whole.replace('"rank": 1', '"rank": 1.5'),
        whole[: len(whole) // 2],
    )
    path.write_text("\n".join(bad) + "\n" + whole, "utf-8")
    assert read_decisions(tmp_path) == [DECISION]
    path.unlink()
    path.mkdir()
    assert read_decisions(tmp_path) == []
