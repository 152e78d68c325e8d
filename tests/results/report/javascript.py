"""Our JavaScript without a browser: the scripts of the report in Node, over the data of a report."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from hyperherd.results.report.page import script_parts

ASSETS = resources.files("hyperherd.results.report").joinpath("assets")
_PLAIN = {"base.js", "store.js", "filter.js", "statistics.js", "ranking.js"}
FILES = tuple(name for name, _ in script_parts() if name in _PLAIN or name.startswith("importance/"))
START = """
const given = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
if (given.data) prepare(given.data);
const answered = (asked) => {
  try { return { value: answer(asked) }; } catch (error) { return { error: error.message }; }
};
process.stdout.write(JSON.stringify(given.asked.map(answered)));
"""


def _node() -> str | None:
    """Return Node: that of this machine, or the one that playwright brings."""
    found = find_spec("playwright")
    brought = Path(found.origin).parent / "driver" / "node" if found and found.origin else None
    return shutil.which("node") or (str(brought) if brought and brought.exists() else None)


NODE = _node()
needs_node = pytest.mark.skipif(NODE is None, reason="neither Node nor playwright is installed")


def in_node(answer: str, asked: list[Any], document: bytes | None = None, files: tuple[str, ...] = FILES) -> list[Any]:
    """Return what the function `answer(asked)`, written in JavaScript, returns for each question; errors as dicts.

    Args:
        answer: the body of the function, in the scope of our scripts.
        asked: JSON values.
        document: the data of a report, as the page holds them.
        files: the scripts.
    """
    assert NODE is not None
    browser = "const window = { addEventListener() {} };"
    ours = [ASSETS.joinpath(name).read_text("utf-8") for name in files]
    code = "\n".join([browser, *ours, f"function answer(asked) {{ {answer} }}", START])
    given = json.dumps({"asked": asked, "data": json.loads(document) if document else None})
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.cjs")  # longer than a word of a command line may be
        script.write_text(f"(() => {{ 'use strict'; {code} }})();", "utf-8")
        done = subprocess.run([NODE, str(script)], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [one.get("value", one) for one in found]
