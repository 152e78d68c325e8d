from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from strategies import values

from hyperherd.space.naming import MAX_BYTES, trial_name


def test_names_read_well() -> None:
    assert trial_name({"optimizer.lr": 0.01, "model": "cnn", "flag": True}) == "lr-0.01_model-cnn_flag-true"
    assert trial_name({"a.lr": 1, "b.lr": 2}) == "a.lr-1_b.lr-2"
    assert trial_name({"layers": [64, 32]}) == "layers-64+32"


@given(st.dictionaries(st.text(max_size=10), values, max_size=4))
def test_any_assignment_gives_a_file_name_that_is_safe_everywhere(assignment: dict[str, object]) -> None:
    name = trial_name(assignment)
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name)
    assert len(name) <= MAX_BYTES


def test_names_that_had_to_be_changed_differ() -> None:
    assert trial_name({"path": "a/b"}) != trial_name({"path": "a-b"})
    assert trial_name({"x": "y" * 200}) != trial_name({"x": "y" * 201})
