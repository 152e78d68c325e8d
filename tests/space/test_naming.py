from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from strategies import values

from hyperherd.space.naming import MAX_BYTES, TrialNames
from hyperherd.space.parameters import Parameter


def test_names_read_well() -> None:
    assert TrialNames().name({"optimizer.lr": 0.01, "model": "cnn", "flag": True}) == "lr-0.01_model-cnn_flag-true"
    assert TrialNames().name({"a.lr": 1, "b.lr": 2}) == "a.lr-1_b.lr-2"
    assert TrialNames().name({"layers": [64, 32]}) == "layers-64+32"


@given(st.dictionaries(st.text(max_size=10), values, max_size=4))
def test_any_assignment_gives_a_file_name_that_is_safe_everywhere(assignment: dict[str, object]) -> None:
    name = TrialNames().name(assignment)
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name)
    assert len(name) <= MAX_BYTES


def test_names_that_had_to_be_changed_differ() -> None:
    assert TrialNames().name({"path": "a/b"}) != TrialNames().name({"path": "a-b"})
    assert TrialNames().name({"x": "y" * 200}) != TrialNames().name({"x": "y" * 201})


def test_parts_of_names_are_written_once_for_each_value() -> None:
    """As each assignment by itself: 1, 1.0, true and -0.0 are apart, and a short name is used where it is unique."""
    parameters = {
        "a.lr": Parameter("a.lr", (1, 0.5), labels=("one", "half")),
        "size": Parameter("size", (1, 2), abbrev="s"),
        "layers": Parameter("layers", ([1], [2])),
    }
    assignments: list[dict[str, object]] = [
        {"a.lr": lr, **more, "layers": layers}
        for lr in (1, 1.0, 0.5, True, 0.0, -0.0, None)
        for more in ({}, {"size": 2}, {"b.lr": "x/y"})
        for layers in ([1], [1, 2], {"k": 1})
    ]
    names = TrialNames(parameters)
    for assignment in (*assignments, *assignments):
        assert names.name(assignment) == TrialNames(parameters).name(assignment)
    assert names.name({"a.lr": 1, "size": 2}) == "lr-one_s-2"
    assert names.name({"a.lr": 1, "b.lr": 1}) == "a.lr-one_b.lr-1"
    assert names.name({"a.lr": True, "size": True}) == "lr-true_s-true"
