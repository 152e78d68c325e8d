"""What a sweep's record keeps of each of its starts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hyperherd.records.code import imported_code
from hyperherd.records.provenance.git import git_state
from hyperherd.records.provenance.record import process_facts
from hyperherd.records.snapshot import Snapshot


def invocation(script: str, sweep_dir: Path, snapshot: Snapshot | None) -> dict[str, Any]:
    """Return what `sweep.json` keeps of this start of a sweep; the changes that git has not committed go to a file."""
    state = git_state(str(Path(script).parent))
    if state is not None:
        state.keep_diff(sweep_dir)
    return {
        "time": time.time(),
        **process_facts(),
        "pid": os.getpid(),
        "git": state and state.facts,
        "code": imported_code(script),
        "snapshot": snapshot and {"name": snapshot.name, "root": snapshot.root},
    }
