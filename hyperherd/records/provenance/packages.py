"""Versions of packages: of those that matter for a training, and of all that a process has imported."""

from __future__ import annotations

import functools
import os
import re
import sys
from contextlib import suppress
from importlib import metadata
from types import ModuleType

_PACKAGES = (
    "hydra-hyperherd",
    "hydra-core",
    "omegaconf",
    "numpy",
    "torch",
    "pytorch-lightning",
    "lightning",
    "transformers",
    "accelerate",
)
_INSTALLED = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_PLACES = ("site-packages", "dist-packages")
_MOST = 500


@functools.lru_cache(maxsize=1)
def package_versions() -> dict[str, str]:
    """Return the installed packages that may change results, with their versions."""
    found = {}
    for name in _PACKAGES:
        try:
            # From what is installed, so that nothing is imported for it.
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def imported_versions() -> dict[str, str]:
    """Return the packages of an environment that this process has imported, with their versions.

    A module counts as the distribution of its name, whose version stands in the name of its folder of metadata; no
    file is read. One of another name (``yaml``) goes by its own, with its ``__version__`` if it has one.
    """
    found: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        folder = "" if "." in name or name.startswith("_") else _folder(module)
        if not folder or len(found) == _MOST:
            continue
        version = _installed(folder).get(_plain(name)) or vars(module).get("__version__")
        if isinstance(version, str):
            found[name] = version
    return dict(sorted(found.items()))


def _folder(module: ModuleType) -> str:
    """Return the folder of an environment that a module lies in; empty if it is none of these."""
    file = vars(module).get("__file__") if hasattr(module, "__dict__") else None
    if not isinstance(file, str):
        return ""
    for place in _PLACES:
        before, mark, _ = file.partition(f"/{place}/")
        if mark:
            return f"{before}/{place}"
    return ""


@functools.cache
def _installed(folder: str) -> dict[str, str]:
    """Return the distributions in a folder; a process that is forked has what its parent found."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for entry in os.listdir(folder):  # noqa: PTH208 - names alone
            if known := _INSTALLED.fullmatch(entry):
                found[_plain(known["name"])] = known["version"]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
