"""Where a result comes from: code version, command line, environment. Never a reason for a trial to fail."""

from __future__ import annotations

import functools
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import hyperherd
from hyperherd.masking import masked_words
from hyperherd.records.code import code_hash, imported_code
from hyperherd.records.snapshot import in_use

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
_TRAINING = ("torch", "lightning", "pytorch-lightning", "transformers")
_GIT_SECONDS = 5.0


def provenance(script: str) -> dict[str, Any]:
    """Return the content of `provenance.json` for this process.

    Args:
        script: absolute path of the script it runs; `sys.argv` may name a launcher's worker instead.
    """
    return {
        "argv": list(masked_words(sys.argv)),
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "hyperherd": hyperherd.__version__,
        "packages": package_versions(),
        "git": git_version(str(Path(script).parent)),
        "code": imported_code(script),
        "snapshot": frozen.name if (frozen := in_use()) else None,
    }


def versions(found: dict[str, Any]) -> dict[str, str]:
    """Return in short what of a `provenance.json` may change results: a hash of the code, packages that train."""
    return {
        "code": code_hash(found["code"]),
        **{name: package_versions()[name] for name in _TRAINING if name in package_versions()},
    }


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


@functools.lru_cache(maxsize=8)
def git_version(folder: str) -> dict[str, Any] | None:
    """Return ``{"commit", "dirty"}`` of the checkout that holds `folder`; None without git or a commit."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    # Without untracked files, for which git would have to look through every folder.
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: str, *arguments: str) -> str | None:
    command = ["git", "-C", folder, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
