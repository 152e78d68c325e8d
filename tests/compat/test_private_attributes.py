from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hyperherd

PACKAGE = Path(hyperherd.__file__).parent
OWN = {"writer._forget_parent", "task._attempt", "task._is_requeued", "task._is_claimed", "remote._pickled"}
"""Attributes of our own classes that their own module uses from outside."""
NAMED_TUPLES = {"_asdict", "_field_defaults", "_replace"}
"""Public in spite of their names, which must not be those of fields."""
KNOWN = ("self", "cls", "other", "os", "argparse")
"""`os._exit` is public, and argparse has no public name for the type of a group of arguments."""
SUBCLASSES = {"launch/lsf/environment.py", "launch/lsf/executor/executor.py", "launch/lsf/executor/watcher.py"}
"""Classes that fill in submitit's base classes, whose methods are all private."""


def uses(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and "._internal" in (node.module or ""):
            yield str(node.module)
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
            continue
        if node.attr in NAMED_TUPLES:
            continue
        owner = ast.unparse(node.value)
        if owner not in KNOWN and f"{owner}.{node.attr}" not in OWN:
            yield f"{owner}.{node.attr}"


def test_what_libraries_do_not_promise_is_used_in_compat_alone() -> None:
    files = [path for path in PACKAGE.rglob("*.py") if "compat" not in path.relative_to(PACKAGE).parts]
    found = {str(path.relative_to(PACKAGE)): list(uses(path)) for path in files}
    assert {name: names for name, names in found.items() if names and name not in SUBCLASSES} == {}


def test_the_scan_sees_such_uses(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("from hydra._internal.utils import x\nnode._value()\nself._own\n")
    assert list(uses(file)) == ["hydra._internal.utils", "node._value"]
