"""The content of `provenance.json` as far as it is known when an attempt begins."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hyperherd
from hyperherd.masking import masked_words
from hyperherd.records.code import code_hash, imported_code
from hyperherd.records.provenance.git import git_state, inherited
from hyperherd.records.provenance.packages import imported_versions, package_versions
from hyperherd.records.snapshot import in_use

_TRAINING = ("torch", "lightning", "pytorch-lightning", "transformers")


def provenance(
    script: str, invocations: Sequence[Mapping[str, Any]] = (), folder: Path | None = None
) -> dict[str, Any]:
    """Return the content of `provenance.json` for this process.

    Args:
        script: absolute path of the script it runs; `sys.argv` may name a launcher's worker instead.
        invocations: of its sweep, which has asked git.
        folder: of the sweep, or of a trial that is none's; gets the diff of a checkout that was changed since.

    Raises:
        OSError: the diff cannot be written.
    """
    frozen, code = in_use(), imported_code(script)
    git = inherited(invocations, code)
    if git is None and frozen is None and (state := git_state(str(Path(script).parent))):
        git = state.facts
        if folder is not None:
            state.keep_diff(folder)
    return {
        **process_facts(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "imported": imported_versions(),
        "git": git,
        "code": code,
        "snapshot": frozen.name if frozen else None,
    }


def process_facts() -> dict[str, Any]:
    """Return what is kept of each process that starts a sweep or an attempt."""
    return {
        "argv": list(masked_words(sys.argv)),
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "hyperherd": hyperherd.__version__,
        "packages": package_versions(),
    }


def versions(found: Mapping[str, Any]) -> dict[str, str]:
    """Return in short what of a `provenance.json` may change results: a hash of the code, packages that train."""
    return {
        "code": code_hash(found["code"]),
        **{name: package_versions()[name] for name in _TRAINING if name in package_versions()},
    }
