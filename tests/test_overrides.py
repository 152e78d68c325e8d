from __future__ import annotations

import pytest
from hypothesis import given, settings
from strategies import same, values

from hyperherd.errors import SpaceError
from hyperherd.overrides import encode, override, parse, parse_values


@settings(max_examples=400, deadline=None)
@given(values)
def test_hydra_reads_back_what_encode_writes(value: object) -> None:
    (read,) = parse_values("key", encode(value))
    assert same(read, value), encode(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.01,1e-4", (0.01, 1e-4)),
        ("1,2.0,true,null,abc,'1'", (1, 2.0, True, None, "abc", "1")),
        ("range(1,4)", (1, 2, 3)),
        ("choice([1,2],{a:b})", ([1, 2], {"a": "b"})),
        ("'a,b',c", ("a,b", "c")),
        ("single", ("single",)),
    ],
)
def test_sweep_syntax_gives_typed_values(text: str, expected: tuple[object, ...]) -> None:
    read = parse_values("key", text)
    assert len(read) == len(expected)
    assert all(map(same, read, expected))


def test_prefix_and_package_are_taken_apart() -> None:
    fixed, swept, deleted = parse(["++a.b=1", "+db@backup=x,y", "~old"])
    assert (fixed.prefix, fixed.name, fixed.values) == ("++", "a.b", None)
    assert (swept.prefix, swept.name, swept.values) == ("+", "db@backup", ("x", "y"))
    assert (deleted.prefix, deleted.name) == ("~", "old")


def test_interpolations_survive() -> None:
    assert parse_values("key", encode("${model.width}")) == ("${model.width}",)
    assert parse_values("key", encode("a ${b} c")) == ("a ${b} c",)


@pytest.mark.parametrize("value", [{"a'b": 1}, {"é": 1}, object()])
def test_what_hydra_cannot_write_is_refused_by_name(value: object) -> None:
    with pytest.raises(SpaceError, match=r"model\.width"):
        override("model.width", value)


def test_an_interval_is_refused_with_the_likely_fix() -> None:
    with pytest.raises(SpaceError, match=r"interval\(0,1\).*range"):
        parse(["lr=interval(0,1)"])
