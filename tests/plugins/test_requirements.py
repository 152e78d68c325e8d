"""What the distribution requires: everything that it imports, from a version on that somebody has run it with."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import bounds
import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"hyperherd", "hyperherd_callbacks", "hydra_plugins"}
ONLY_WHERE_THE_USER_HAS_THEM = {"numpy", "torch", "lightning"}
"""Arrays and tensors come from the user's script, and so does the library that they are of."""


def imported() -> set[str]:
    """Return the names of the packages that ours import when they run, at the top or in a function."""
    found: set[str] = set()
    for path in (path for package in OURS for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(_WithoutTypeChecking().visit(ast.parse(path.read_bytes()))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


class _WithoutTypeChecking(ast.NodeTransformer):
    """Removes the blocks that only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node


def test_everything_that_is_imported_is_required() -> None:
    names = {re.match(r"[\w.-]+", line)[0].lower() for line in requires("hydra-hyperherd") or []}
    homes = {**packages_distributions(), "google": ["protobuf"]}  # whose files do not say so to Python 3.10
    missing = {
        package
        for package in imported() - ONLY_WHERE_THE_USER_HAS_THEM
        if not {home.lower() for home in homes.get(package, [package.replace("_", "-")])} & names
    }
    assert missing == set()


def test_every_requirement_has_a_lower_bound_that_can_be_installed() -> None:
    required = bounds.requirements("lightning", "transformers", "plot", "sql", "pandas")
    oldest = bounds.oldest(required)
    assert len(oldest) == len(required) > 12
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in oldest)
    with pytest.raises(SystemExit, match="numpy has no lower bound"):
        bounds.oldest(["numpy<3"])


def test_a_requirement_can_be_left_out() -> None:
    assert set(bounds.requirements()) - set(bounds.without(bounds.requirements(), "hydra-core")) == {
        line for line in bounds.requirements() if line.startswith("hydra-core")
    }


def test_all_is_every_extra() -> None:
    extras = bounds.project()["optional-dependencies"]
    assert extras.pop("all") == [f"hydra-hyperherd[{','.join(extras)}]"]
