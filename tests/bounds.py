"""What the distribution requires, for environments that pip would not choose by itself; one requirement a line.

Usage: python tests/bounds.py oldest [EXTRA ...]           every lower bound, exactly
       python tests/bounds.py without NAME [EXTRA ...]     everything as it is required, except one package
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest needs it there
    import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def project() -> dict[str, Any]:
    """Return the table [project]."""
    found: dict[str, Any] = tomllib.loads(PYPROJECT.read_text())["project"]
    return found


def requirements(*extras: str) -> list[str]:
    """Return what the distribution and some of its extras require."""
    found = project()
    return list(found["dependencies"]) + [line for extra in extras for line in found["optional-dependencies"][extra]]


def oldest(required: Iterable[str]) -> list[str]:
    """Return each requirement as its lower bound alone."""
    found = []
    for line in required:
        bound = re.fullmatch(r"([\w-]+)>=([\d.]+)(,<[\d.]+)?", line)
        if bound is None:
            sys.exit(f"{line.partition('<')[0]} has no lower bound in {PYPROJECT.name}: write NAME>=VERSION")
        found.append(f"{bound[1]}=={bound[2]}")
    return found


def without(required: Iterable[str], name: str) -> list[str]:
    """Return the requirements of every other package."""
    return [line for line in required if re.split(r"[<>=]", line)[0] != name]


def main(kind: str, *names: str) -> None:
    """Print them."""
    lines = oldest(requirements(*names)) if kind == "oldest" else without(requirements(*names[1:]), names[0])
    print("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
