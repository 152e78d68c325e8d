"""-w 'done(12) && (ended("name[*]") || exit(13,>3))': read when submitted, weighed at each dispatch."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple

from .jobs import DONE, EXIT, Element, Table, parse_indices
from .wire import CommandError

TOKEN = re.compile(r"""\s*(&&|\|\||!|\(|\)|,|"[^"]*"|'[^']*'|[<>=!]=?\s*\d+|[^\s()&|!,"']+)""")
COMPARE: dict[str, Callable[[int, int], bool]] = {
    "": operator.eq, "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
CONDITIONS = ("done", "ended", "exit", "started")


class Verdict(NamedTuple):
    """Is it so, and may it still become so?"""

    true: bool
    possible: bool


def _bad() -> CommandError:
    return CommandError("Bad dependency condition syntax. Job not submitted.")


def check(text: str, table: Table) -> None:
    """Refuse what cannot be read, and jobs that are not there."""
    _Reader(text, table, None, missing_ok=False).whole()


def weigh(text: str, table: Table, element: Element) -> Verdict:
    return _Reader(text, table, element, missing_ok=True).whole()


class _Reader:
    """A descent through or, and, not, condition; both sides of an operator are always read."""

    def __init__(self, text: str, table: Table, element: Element | None, missing_ok: bool) -> None:
        self.tokens = self._split(text)
        self.table, self.element, self.missing_ok = table, element, missing_ok

    @staticmethod
    def _split(text: str) -> list[str]:
        tokens, at = [], 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if not found:
                raise _bad()
            tokens.append(found[1])
            at = found.end()
        return tokens

    def whole(self) -> Verdict:
        verdict = self.any_of()
        if self.tokens:
            raise _bad()
        return verdict

    def take(self, *wanted: str) -> str:
        if not self.tokens or (wanted and self.tokens[0] not in wanted):
            raise _bad()
        return self.tokens.pop(0)

    def any_of(self) -> Verdict:
        left = self.all_of()
        while self.tokens and self.tokens[0] == "||":
            self.take()
            right = self.all_of()
            left = Verdict(left.true or right.true, left.possible or right.possible)
        return left

    def all_of(self) -> Verdict:
        left = self.single()
        while self.tokens and self.tokens[0] == "&&":
            self.take()
            right = self.single()
            left = Verdict(left.true and right.true, left.possible and right.possible)
        return left

    def single(self) -> Verdict:
        token = self.take()
        if token == "!":
            return Verdict(not self.single().true, True)
        if token == "(":
            inside = self.any_of()
            self.take(")")
            return inside
        if token not in CONDITIONS or not self.tokens or self.tokens[0] != "(":
            return self.met("done", token, "")
        self.take("(")
        job, code = self.take(), ""
        if token == "exit" and self.take(",", ")") == ",":
            code = self.take()
            self.take(")")
        elif token != "exit":
            self.take(")")
        return self.met(token, job, code)

    def met(self, condition: str, job: str, code: str) -> Verdict:
        elements = self.find(job.strip("\"'"))
        if not elements:
            if self.missing_ok:
                return Verdict(False, False)
            raise CommandError(f"{job.strip(chr(34))}: No matching job found. Job not submitted.")
        verdicts = [_state_of(condition, element, code) for element in elements]
        return Verdict(all(v.true for v in verdicts), all(v.possible for v in verdicts))

    def find(self, job: str) -> list[Element]:
        """By id, or by name: then the job that was submitted last."""
        base, _, index = job.rstrip("]").partition("[")
        jobs = list(self.table.history.values())
        chosen = [j for j in jobs if str(j.id) == base] or [j for j in jobs if j.spec.name == base][-1:]
        elements = [e for j in chosen for e in j.elements]
        if index == "*":
            return [e for e in elements if self.element is None or e.index == self.element.index]
        return [e for e in elements if e.index in parse_indices(index)] if index else elements


def _state_of(condition: str, element: Element, code: str) -> Verdict:
    if condition == "started":
        return Verdict(element.runs > 0, element.runs > 0 or not element.over)
    if not element.over:
        return Verdict(False, True)
    wanted = {"done": (DONE,), "exit": (EXIT,), "ended": (DONE, EXIT)}[condition]
    true = element.state in wanted
    if true and code:
        found = re.fullmatch(r"([<>=!]=?)?\s*(\d+)", code)
        if not found:
            raise _bad()
        true = COMPARE[found[1] or ""](element.code or 0, int(found[2]))
    return Verdict(true, true)
