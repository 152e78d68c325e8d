"""What git says of the code, asked once a sweep: its trials take that over as long as they run the same code.

What leaves this module holds no secrets that look like one: remotes and diffs are masked.
"""

from __future__ import annotations

import functools
import hashlib
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.masking import masked_text
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.files import replace_bytes
from hyperherd.records.snapshot import in_use

SECONDS = 5.0
"""How long git may take for everything: a network file system may hang."""
_LARGEST_DIFF = 1 << 20
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false")


@dataclass(frozen=True)
class GitState:
    """The state of a checkout.

    Attributes:
        facts: ``git`` of `provenance.json` (docs/format.md).
        diff: the text that ``facts["diff"]`` names; empty if there is none.
    """

    facts: dict[str, Any]
    diff: bytes = field(default=b"", repr=False)

    def keep_diff(self, folder: Path) -> None:
        """Write the diff into the records of a sweep, or of a trial that is none's, unless it is there.

        Raises:
            OSError: it cannot be written.
        """
        if self.diff:
            path = SweepPaths(folder).diffs / f"{self.facts['diff']['hash']}.diff"
            if not path.exists():
                replace_bytes(path, self.diff, durable=False, private=True)


def inherited(invocations: Sequence[Mapping[str, Any]], code: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what git said when the sweep was started, if a process runs that code; None if that is not known.

    Args:
        invocations: of the sweep.
        code: what this process has imported; what a snapshot has needs no comparison.
    """
    frozen = in_use()
    for invocation in reversed(invocations):
        git, known, snapshot = (invocation.get(name) for name in ("git", "code", "snapshot"))
        if not isinstance(git, dict) or not isinstance(known, dict):
            continue
        if frozen is not None:
            if isinstance(snapshot, dict) and snapshot.get("name") == frozen.name:
                return git
            continue
        # The other imports of the trial are not known to have been the same when git was asked.
        if code and all(known.get(name) == digest for name, digest in code.items()):
            return git
    return None


@functools.lru_cache(maxsize=8)
def git_state(folder: str) -> GitState | None:
    """Return the state of the checkout that holds `folder`; None without git, a commit, or an answer in time."""
    git = functools.partial(_git, folder, time.monotonic() + SECONDS)
    commit = _line(git("rev-parse", "HEAD"))
    if not commit:
        return None
    # Without untracked files, for which git would have to look through every folder.
    status = git("status", "--porcelain", "--untracked-files=no")
    remote = _line(git("config", "--get", "remote.origin.url"))
    facts: dict[str, Any] = {
        "commit": commit,
        "branch": _line(git("symbolic-ref", "--short", "--quiet", "HEAD")) or None,
        "dirty": None if status is None else bool(status),
        "remote": masked_text(remote) or None,
        "submodules": dict(_submodules(git, (status or b"").decode(errors="replace").splitlines())),
        "diff": None,
    }
    diff = b""
    if status and (found := git("diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")):
        is_whole = len(found) <= _LARGEST_DIFF
        # Up to the end of a line: half a token is not recognised.
        kept = found if is_whole else found[: found.rfind(b"\n", 0, _LARGEST_DIFF) + 1]
        diff = masked_text(kept.decode(errors="replace")).encode()
        facts["diff"] = {"hash": hashlib.sha256(diff).hexdigest()[:16], "whole": is_whole}
    return GitState(facts, diff)


def _submodules(git: Callable[..., bytes | None], changes: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path of each submodule, with the commit that the checkout wants and whether it has another state."""
    root = _line(git("rev-parse", "--show-toplevel"))
    if not root or not Path(root, ".gitmodules").is_file():
        return
    named = git("config", "--file", f"{root}/.gitmodules", "--get-regexp", r"\.path$") or b""
    paths = [os.fsdecode(line.partition(b" ")[2]) for line in named.splitlines()]
    staged = git("-C", root, "ls-files", "-s", "--", *paths) if paths else None
    for line in (staged or b"").splitlines():
        about, _, path = os.fsdecode(line).partition("\t")
        mode, commit, *_ = about.split(" ")
        if mode == "160000":
            yield path, {"commit": commit, "dirty": any(change[3:] == path for change in changes)}


def _line(printed: bytes | None) -> str:
    return os.fsdecode(printed or b"").strip()


def _git(folder: str, deadline: float, *arguments: str) -> bytes | None:
    """Return what git prints, at most a little more than the largest diff; None if it fails or takes too long."""
    command = ["git", *_OPTIONS, "-C", folder, *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_QUIET},
        )
    except OSError:
        return None
    assert process.stdout is not None
    with process.stdout as stream:
        found, is_whole = _read(stream.fileno(), deadline)
    if not is_whole:
        process.kill()
        process.wait()
        return found if len(found) > _LARGEST_DIFF else None
    return found if process.wait() == 0 else None  # it has closed its output, so it ends


def _read(descriptor: int, deadline: float) -> tuple[bytes, bool]:
    """Return what comes until the end, or until it is more than the largest diff; and whether it is all."""
    found = bytearray()
    with selectors.DefaultSelector() as readable:
        readable.register(descriptor, selectors.EVENT_READ)
        while len(found) <= _LARGEST_DIFF and readable.select(max(deadline - time.monotonic(), 0.0)):
            if not (piece := os.read(descriptor, 1 << 16)):
                return bytes(found), True
            found += piece
    return bytes(found), False
