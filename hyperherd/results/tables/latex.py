r"""Columns as a LaTeX table with the rules of booktabs. No text in them is a command or a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from hyperherd.results.tables.columns import Column, View
from hyperherd.results.tables.rounded import is_numeric, rounded_cells
from hyperherd.results.text.format import escaped
from hyperherd.results.text.layout import PLAIN

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_ESCAPES = str.maketrans(
    {
        # pdfLaTeX knows these letters in formulas alone.
        **dict(zip("αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΦΨΩ", (f"$\\{name}$" for name in _GREEK.split()), strict=True)),
        **{char: f"\\{char}" for char in "&%$#_{}"},
        # At the start of a row LaTeX would take these for options of the line break before it.
        **{char: f"{{{char}}}" for char in "[]*"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "`": r"\textasciigrave{}",
        "±": r"$\pm$",
        "–": "--",
        "·": r"$\cdot$",
        "×": r"$\times$",
        "−": "$-$",
        "≤": r"$\leq$",
        "²": "$^2$",
        "…": r"\ldots{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
    }
)
_ESCAPES = {sign: text.translate(_ESCAPES) for sign, text in PLAIN.items()} | _ESCAPES
_NUMBER = re.compile(r"(?<![\w.])(-?)(\d+(?:\.\d+)?)(?:e(-?\d+))?(?![\w.])")


def to_latex(columns: Sequence[Column], view: View, err: str) -> str:
    """Return a ``tabular``, in a ``table`` if the view has a caption; the best cells are in bold."""
    table = rounded_cells(columns, view, err, escape, r"\textbf{{{}}}")
    table = [_in_math(column, cells) for column, cells in zip(columns, table, strict=True)]
    kinds = "".join("r" if is_numeric(column) else "l" for column in columns)
    heads, lines = _heads(columns, [cells[0] for cells in table]), zip(*(cells[1:] for cells in table), strict=True)
    rows = [" & ".join(cells) + r" \\" for cells in lines]
    if view.ranked is not None and 0 < view.ranked < len(rows):
        rows.insert(view.ranked, r"\midrule")
    body = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", *heads, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"]
    if view.caption:
        label = [rf"\label{{{view.label}}}"] if view.label else []
        body = [r"\begin{table}", r"\centering", rf"\caption{{{escape(escaped(view.caption))}}}", *label, *body]
        body += [r"\end{table}"]
    return "\n".join([*_comments(columns, view), *body]) + "\n"


def escape(text: str) -> str:
    """Return a text as LaTeX shows it; two hyphens stay two."""
    return "-{}".join(part.translate(_ESCAPES) for part in re.split("-(?=-)", text))


def _comments(columns: Sequence[Column], view: View) -> list[str]:
    """Return what whoever reads the file must know; what comes from runs in it cannot end a line."""
    told = [r"needs \usepackage{booktabs}", *([escaped(view.about)] if view.about else [])]
    if any(column.best for column in columns):
        of = "row" if view.bold == "row" else "column"
        told.append(f"bold: the best of each {of}, and what cannot be distinguished from it at 95 %")
    rest = 0 if view.ranked is None else len(columns[0].values) - view.ranked
    if rest:
        told.append(f"{rest} of the rows, the last ones, are of trials that are not ranked")
    return [f"% {text}" for text in told]


def _heads(columns: Sequence[Column], headings: Sequence[str]) -> list[str]:
    """Return the lines of the head: above columns that are the values of one name stands that name."""
    if not any(column.span for column in columns):
        return [" & ".join(headings) + r" \\"]
    above, rules, place = [], [], 1
    for name, members in groupby(columns, key=lambda column: column.span and column.span[0]):
        width = len(list(members))
        above += [rf"\multicolumn{{{width}}}{{c}}{{{escape(escaped(name))}}}"] if name else [""] * width
        rules += [rf"\cmidrule(lr){{{place}-{place + width - 1}}}"] if name else []
        place += width
    pairs = zip(columns, headings, strict=True)
    below = [escape(escaped(column.span[1])) if column.span else heading for column, heading in pairs]
    return [" & ".join(above) + r" \\", "".join(rules), " & ".join(below) + r" \\"]


def _in_math(column: Column, cells: list[str]) -> list[str]:
    """Return cells of numbers with signs and powers of ten as formulas: a hyphen is not a minus."""
    if not is_numeric(column):
        return cells
    found = [_NUMBER.sub(_formula, text) for text in cells[1:]]
    # What is bold in a text is not so in a formula.
    bold = [
        after.replace(r"\textbf{", r"\textbf{\boldmath ", 1) if after != before else after
        for before, after in zip(cells[1:], found, strict=True)
    ]
    return [cells[0], *bold]


def _formula(found: re.Match[str]) -> str:
    sign, digits, exponent = found.groups()
    if exponent is None:
        return f"${sign}{digits}$" if sign else digits
    power = f"10^{{{exponent}}}"
    return f"${sign}{power}$" if digits == "1" else rf"${sign}{digits} \times {power}$"
