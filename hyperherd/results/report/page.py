"""One HTML file from plain data: template, style, scripts and data, under a policy that lets nothing else run or load.

Data stands in a script element that is never executed, with ``<`` spelled as an escape, so that no text in it can end
the element. Scripts and style are named in the policy by their hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
from importlib import resources
from typing import Any

from hyperherd.records.disk.files import strict
from hyperherd.results.report.sections import SECTIONS

_ECHARTS = "echarts/echarts.min.js"
_IMPORTANCE = ("design", "variance", "significance", "contrasts", "rates", "settings", "effects")
_FIRST_SCRIPTS = (
    *("base.js", "charts.js", "store.js", "filter.js", "statistics.js", "ranking.js"),
    *(f"importance/{name}.js" for name in _IMPORTANCE),
    "summary.js",
)
_PACKED = 1 << 20
"""Bytes of JSON above which it is compressed; the browser unpacks it."""


def page(document: dict[str, Any]) -> bytes:
    """Return the file for what `gather` returned."""
    style = _asset("report.css")
    scripts = [_asset(_ECHARTS), script()]
    policy = "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(map(_source, scripts)),
            f"style-src {_source(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "@POLICY@": policy,
        "@TITLE@": html.escape(document["title"]),
        "@STYLE@": style,
        "@SECTIONS@": "\n  ".join(f'<section id="{item.name}" class="card" hidden></section>' for item in SECTIONS),
        "@DATA@": _data(document),
        "@CHARTS@": scripts[0],
        "@SCRIPT@": scripts[1],
    }
    text = _asset("report.html")
    # Each place is filled once and what was filled in is not looked at again, so that data may hold "@SCRIPT@".
    done = []
    for mark, part in parts.items():
        before, _, text = text.partition(mark)
        done += [before, part]
    return "".join([*done, text]).encode("utf-8", "backslashreplace")


def script_parts() -> list[tuple[str, str]]:
    """Return the name and the text of each part of our script, in their order; `main.js` shows the listed sections."""
    names = [*_FIRST_SCRIPTS, *(section.script for section in SECTIONS if section.script)]
    listed = ", ".join(f"['{section.name}', '{section.title}', {section.show}]" for section in SECTIONS)
    parts = [(name, _asset(name)) for name in names]
    return [*parts, ("the list of sections", f"const SECTIONS = [{listed}];\n"), ("main.js", _asset("main.js"))]


def script() -> str:
    """Return our scripts as one, in which nothing is global."""
    return "(() => {\n'use strict';\n" + "\n".join(text for _, text in script_parts()) + "\n})();\n"


def _data(document: dict[str, Any]) -> str:
    text = json.dumps(strict(document), ensure_ascii=True, allow_nan=False, default=str, separators=(",", ":"))
    kind = "application/json"
    if len(text) > _PACKED:
        kind = "application/gzip"
        text = base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()
    return f'<script id="data" type="{kind}">{text.replace("<", chr(92) + "u003c")}</script>'


def _source(text: str) -> str:
    """Return the hash by which the policy knows an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (resources.files("hyperherd.results.report") / "assets" / name).read_text("utf-8")
