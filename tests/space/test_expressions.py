from __future__ import annotations

import ast
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyperherd.errors import SpaceError
from hyperherd.space.expressions import Absent, Expression, read_expression

VALUES: dict[str, Any] = {
    "lr": 0.1,
    "batch": 64,
    "flag": True,
    "opt": "adam",
    "layers": [64, 32],
    "trainer.lr": 5,
    "model/encoder": "vit",
    "none": None,
}


def lookup(name: str) -> Any:
    if name not in VALUES:
        raise Absent(name)
    return VALUES[name]


def evaluate(text: str) -> Any:
    return read_expression(text).evaluate(lookup)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr * batch > 3", True),
        ("batch // 8", 8),
        ("-batch + 2 ** 3 % 5", -61),
        ("batch / 128 if opt == 'adam' else 1", 0.5),
        ("opt in ['adam', 'sgd'] and not flag", False),
        ("opt not in ('sgd',)", True),
        ("'da' in opt", True),
        ("flag == 1", False),
        ("1 == 1.0", True),
        ("0 < lr < 1 <= batch", True),
        ("none == None", True),
        ("flag or missing", True),
        ("len(layers) + max(layers) + min(1, 2) + abs(-3) + round(2.6)", 2 + 64 + 1 + 3 + 3),
        ("round(lr, 0)", 0.0),
        ("trainer.lr + 1", 6),
        ("p['model/encoder'] == 'vit'", True),
        ("[lr, 'x'] == [0.1, 'x']", True),
        ("opt + '-x'", "adam-x"),
        ("layers + [1]", [64, 32, 1]),
        ("2 ** 0.5", math.sqrt(2)),
        ("2 ** -1", 0.5),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert evaluate(text) == expected


def test_dotted_names_are_one_name() -> None:
    assert read_expression("trainer.lr + p['a b'] * lr").names == {"trainer.lr", "a b", "lr"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "().__class__",
        "opt.upper()",
        "open('x')",
        "lambda: 1",
        "[x for x in layers]",
        "layers[0]",
        "{1: 2}",
        "{1, 2}",
        "f'{lr}'",
        "lr := 1",
        "max(layers, key=len)",
        "max()",
        "min(*layers)",
        "lr & 1",
        "lr is None",
        "1 << 5",
        "b'x'",
        "1j",
        "...",
        "x; y",
        "import os",
        "",
        "a" * 1001,
        "(" * 60 + "1" + ")" * 60 + " +" * 3,
        "not " * 60 + "1",
        "p[lr]",
        "q['x']",
    ],
)
def test_what_is_not_in_the_grammar_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(SpaceError):
        read_expression(text)


@pytest.mark.parametrize("text", [5, None, ["lr"], {"a": 1}])
def test_only_text_is_an_expression(text: Any) -> None:
    with pytest.raises(SpaceError, match="expr must be text"):
        read_expression(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9**9**9", "too large"),
        ("9**9**9**9", "too large"),
        ("(-9)**(9**5)", "too large"),
        ("'a' * 10**9", "arithmetic needs numbers"),
        ("layers * 10", "arithmetic needs numbers"),
        ("10.0 ** 400", "too large|out of range"),
        ("(-1) ** 0.5", "not a real number"),
        ("1 / 0", "division by zero"),
        ("1 // 0", "division by zero|modulo by zero"),
        ("opt > 1", "< and > need numbers"),
        ("flag > 0", "< and > need numbers"),
        ("-opt", r"unary \+ and - need a number"),
        ("1 in 2", "`in` needs a list or text"),
        ("len(5)", "len"),
        ("max(1, 'a')", "not supported"),
    ],
)
def test_what_has_no_value_is_an_error_that_shows_the_expression(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        evaluate(text)
    assert text in str(raised.value)


def test_products_stay_bounded() -> None:
    with pytest.raises(SpaceError, match="too large"):
        evaluate(" * ".join(["2**4000"] * 3))


def test_a_name_without_a_value_is_absent() -> None:
    with pytest.raises(Absent, match="missing"):
        evaluate("lr > 1 or missing")


atoms = st.sampled_from(
    ["lr", "batch", "flag", "opt", "layers", "none", "missing", "0", "1.5", "'a'", "[]", "9", "True"]
)
operators = st.sampled_from(
    ["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", "in", "not in", "and", "or", "if 1 else"]
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, operators, inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda text: f"-{text}"),
        inner.map(lambda text: f"not {text}"),
        st.tuples(st.sampled_from(["min", "max", "abs", "len", "round"]), inner).map(
            lambda parts: "{}({})".format(*parts)
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=1500, deadline=None)
@given(expressions)
@example("9**9**9**9**9")
def test_anything_well_formed_has_a_value_of_bounded_size_or_a_clear_end(text: str) -> None:
    try:
        value = evaluate(text)
    except (SpaceError, Absent):
        return
    assert len(repr(value)) < 100_000


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60) | st.text("lrbatch.()[]'\"+-*/%<>=!,: 019pif elsnotand", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = read_expression(text)
    except SpaceError:
        return
    assert isinstance(read, Expression)


@settings(max_examples=500, deadline=None)
@given(expressions)
def test_where_python_gives_a_number_it_is_the_same(text: str) -> None:
    try:
        ours = evaluate(text)
    except (SpaceError, Absent):
        return
    if isinstance(ours, bool) or not isinstance(ours, int | float) or "==" in text or "!=" in text or "in" in text:
        return  # equality and membership are typed here, which is on purpose
    theirs = eval(compile(ast.parse(text, mode="eval"), "", "eval"), {"missing": None}, VALUES)
    assert theirs == ours or (math.isnan(theirs) and math.isnan(ours))


def test_round_is_bounded_on_both_sides() -> None:
    """`round(1, -10**9)` computes ten to the power of a billion."""
    for digits in ("-10**9", "10**9", "p['d']"):
        with pytest.raises(SpaceError, match="round takes at most 400 digits"):
            read_expression(f"round(1, {digits})").evaluate(lambda name: 10**100)
    assert read_expression("round(12345, -2)").evaluate(lambda name: 0) == 12300
    assert read_expression("round(1.25, 1)").evaluate(lambda name: 0) == 1.2
    assert read_expression("round(1.5)").evaluate(lambda name: 0) == 2
