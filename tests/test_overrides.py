from __future__ import annotations

from pathlib import Path

import pytest
from composing import write_app
from hypothesis import given, settings
from strategies import same, values

from hyperherd.errors import SpaceError
from hyperherd.overrides import encode, override, parse, parse_values
from hyperherd.space.parameters import Interval


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


def test_intervals_keep_their_scale_and_kind() -> None:
    assert parse_values("lr", "interval(0.1,1)") == Interval(0.1, 1)
    assert parse_values("lr", "tag(log,int(interval(1,10)))") == Interval(1, 10, log=True, integer=True)


def test_a_shuffle_is_the_same_each_time_and_depends_on_the_seed() -> None:
    first = parse_values("lr", "shuffle(range(1,50))")
    assert first == parse_values("lr", "shuffle(range(1,50))")
    assert first != parse_values("lr", "shuffle(range(1,50))", seed=1)
    assert sorted(first) == list(range(1, 50))
    assert parse_values("lr", "shuffle(a,b,c,d)") == parse_values("lr", "shuffle(a,b,c,d)")
    assert parse_values("lr", "sort(3,1,2)") == (1, 2, 3)


def test_a_sweep_that_means_nothing_is_refused_by_name() -> None:
    with pytest.raises(SpaceError, match=r"lr=interval\(1,0\): low must be finite and at most high"):
        parse(["lr=interval(1,0)"])


def test_a_glob_without_a_match_suggests_what_it_does_not_leave_out(tmp_path: Path) -> None:
    options = {f"model/{name}": "a: 1\n" for name in ("large", "small", "smaller")}
    app = write_app(tmp_path, {"config": "defaults: [model: large]\n", **options})

    def message(text: str) -> str:
        with pytest.raises(SpaceError) as refused:
            parse([f"model={text}"], app.loader)
        return str(refused.value)

    assert "glob(smal) matches no option of model (did you mean 'small'?)" in message("glob(smal)")
    assert "glob(smal) without small* matches no option of model; there" in message("glob(smal,exclude=small*)")
