"""Expressions in conditions: a small language, read once, checked for names, and evaluated in bounded work.

The text is parsed as Python and walked; a node that is not listed here is refused when the expression is read, so
nothing is ever run that the grammar does not have: numbers, texts, lists, names, arithmetic, comparison, membership,
``and or not``, ``a if b else c``, and calls of ``min max abs len round``. A dotted name is one name
(``trainer.lr``); ``p['model/encoder']`` is any name at all.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperherd.errors import SpaceError
from hyperherd.space.values import Value, equal, is_number

Lookup = Callable[[str], Value]
"""Returns the value of a name, or raises :class:`Absent`."""

MAX_LENGTH = 1000
MAX_DEPTH = 50
_MAX_BITS = 4096
_MAX_ITEMS = 10_000
_MAX_DIGITS = 400
"""More than any float has; `round` of an integer computes ten to the power of its negative."""
_BY_NAME = "p"

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def _rounded(value: Any, digits: Any = None) -> Any:
    if digits is None:
        return round(value)
    if not is_number(digits) or abs(digits) > _MAX_DIGITS:
        raise ValueError(f"round takes at most {_MAX_DIGITS} digits, not {digits!r:.50}")
    return round(value, digits)


_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs, "len": len, "round": _rounded}


class Absent(Exception):
    """A known name has no value in this assignment."""


@dataclass(frozen=True)
class Expression:
    """An expression that has been read.

    Attributes:
        text: as written.
        names: every name it uses.
    """

    text: str
    names: frozenset[str]
    _tree: ast.expr

    def evaluate(self, lookup: Lookup) -> Value:
        """Return its value.

        Raises:
            Absent: a name it needs has no value here.
            SpaceError: it has no value (a division by zero, a comparison of text with a number) or too large a one.
        """
        try:
            return _evaluate(self._tree, lookup)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise SpaceError(f"expr {self.text!r}: {error}") from None


def read_expression(text: Any) -> Expression:
    """Read an expression.

    Raises:
        SpaceError: it is not in the grammar; the message names what is not.
    """
    if not isinstance(text, str) or len(text) > MAX_LENGTH:
        raise SpaceError(f"expr must be text of at most {MAX_LENGTH} characters, not {text!r:.50}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        names = frozenset(_names(tree, 0))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SpaceError(f"expr {text!r} cannot be parsed: {error}") from None
    return Expression(text, names, tree)


def _names(node: ast.AST, depth: int) -> list[str]:
    """Return the names in `node`; ValueError for what the grammar does not have."""
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels deep")
    name = _name(node)
    if name is not None:
        return [name]
    return [name for child in _children(node) for name in _names(child, depth + 1)]


def _children(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return []
    if isinstance(node, ast.List | ast.Tuple):
        return node.elts
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Not):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare) and all(type(op) in _ORDER or isinstance(op, _EQUALITY) for op in node.ops):
        return [node.left, *node.comparators]
    if isinstance(node, ast.IfExp):
        return [node.test, node.body, node.orelse]
    if isinstance(node, ast.Call) and _is_known(node.func) and node.args and not node.keywords:
        return node.args
    hint = "; a key with @ or / in it is written p['db@source']" if isinstance(node, ast.BinOp) else ""
    raise ValueError(f"{ast.unparse(node)!r} is not allowed in an expression{hint}")


def _name(node: ast.AST) -> str | None:
    """Return the parameter that `node` names, if it names one: ``lr``, ``trainer.lr``, ``p['model/encoder']``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = _name(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == _BY_NAME):
        return None
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return key if isinstance(key, str) else None


def _is_known(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id in _FUNCTIONS


def _evaluate(node: ast.AST, lookup: Lookup) -> Any:
    name = _name(node)
    if name is not None:
        return lookup(name)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluate(item, lookup) for item in node.elts]
    if isinstance(node, ast.BinOp):
        return _calculate(type(node.op), _evaluate(node.left, lookup), _evaluate(node.right, lookup))
    if isinstance(node, ast.UnaryOp):
        return _unary(node.op, _evaluate(node.operand, lookup))
    if isinstance(node, ast.BoolOp):
        return _boolean(node, lookup)
    if isinstance(node, ast.Compare):
        return _compare(node, lookup)
    if isinstance(node, ast.IfExp):
        return _evaluate(node.body if _evaluate(node.test, lookup) else node.orelse, lookup)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    return _FUNCTIONS[node.func.id](*(_evaluate(argument, lookup) for argument in node.args))


def _calculate(kind: type[ast.operator], left: Any, right: Any) -> Any:
    if kind is ast.Add and type(left) is type(right) and isinstance(left, str | list):
        if len(left) + len(right) > _MAX_ITEMS:
            raise ValueError("the value is too long")
        return left + right
    if not (is_number(left) and is_number(right)):
        raise TypeError(f"arithmetic needs numbers, not {left!r:.50} and {right!r:.50}")
    if kind is ast.Pow:
        _check_power(left, right)
    result = _ARITHMETIC[kind](left, right)
    if isinstance(result, complex) or (isinstance(result, int) and result.bit_length() > _MAX_BITS):
        raise ValueError("the value is too large or not a real number")
    return result


def _check_power(base: float, exponent: float) -> None:
    """Refuse a power before it is computed, if computing it could take forever."""
    if isinstance(base, int) and isinstance(exponent, int) and max(base.bit_length(), 1) * abs(exponent) > _MAX_BITS:
        raise ValueError(f"{base}**{exponent} is too large" if exponent.bit_length() < 64 else "a power is too large")


def _unary(kind: ast.unaryop, value: Any) -> Any:
    if isinstance(kind, ast.Not):
        return not value
    if not is_number(value):
        raise TypeError(f"unary + and - need a number, not {value!r:.50}")
    return -value if isinstance(kind, ast.USub) else value


def _boolean(node: ast.BoolOp, lookup: Lookup) -> Any:
    stop_at = isinstance(node.op, ast.Or)
    value: Any = None
    for operand in node.values:
        value = _evaluate(operand, lookup)
        if bool(value) is stop_at:
            break
    return value


def _compare(node: ast.Compare, lookup: Lookup) -> bool:
    left = _evaluate(node.left, lookup)
    for kind, operand in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(operand, lookup)
        if not _holds(kind, left, right):
            return False
        left = right
    return True


def _holds(kind: ast.cmpop, left: Any, right: Any) -> bool:
    if isinstance(kind, ast.Eq | ast.NotEq):
        return equal(left, right) is isinstance(kind, ast.Eq)
    if isinstance(kind, ast.In | ast.NotIn):
        return _contains(right, left) is isinstance(kind, ast.In)
    if not (is_number(left) and is_number(right)):
        raise TypeError(f"< and > need numbers, not {left!r:.50} and {right!r:.50}")
    return _ORDER[type(kind)](left, right)


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, str) and isinstance(item, str):
        return item in container
    if isinstance(container, list):
        return any(equal(item, member) for member in container)
    raise TypeError(f"`in` needs a list or text on its right, not {container!r:.50}")
