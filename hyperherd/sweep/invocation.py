"""What a sweep's record keeps of each of its starts."""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from pathlib import Path
from typing import Any

import hyperherd
from hyperherd.masking import masked_words
from hyperherd.records.code import imported_code
from hyperherd.records.provenance.git import git_state
from hyperherd.records.provenance.packages import package_versions
from hyperherd.records.snapshot import Snapshot


def invocation(script: str, sweep_dir: Path, snapshot: Snapshot | None) -> dict[str, Any]:
    """Return what `sweep.json` keeps of this start of a sweep; the changes that git has not committed go to a file."""
    state = git_state(str(Path(script).parent))
    if state is not None:
        state.keep_diff(sweep_dir)
    return {
        "time": time.time(),
        "argv": list(masked_words(sys.argv)),
        "cwd": str(Path.cwd()),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "hyperherd": hyperherd.__version__,
        "packages": package_versions(),
        "git": state and state.facts,
        "code": imported_code(script),
        "snapshot": snapshot and {"name": snapshot.name, "root": snapshot.root},
    }
