"""Writers that are killed, or meet a full disk, at any operation on files: what was acknowledged is there, once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from records.dying_writers import EVENTS, STEPS
from waiting import PATIENCE

DRIVER = Path(__file__).with_name("dying_writers.py")
ALL = list(range(STEPS))


def outcomes(what: str, kind: str, folder: Path, first: int, stride: int) -> Iterator[dict[str, Any]]:
    """Yield what came of each operation, the one that was never reached last."""
    folder.mkdir()
    command = [sys.executable, str(DRIVER), what, kind, str(folder), str(first), str(stride)]
    done = subprocess.run(command, text=True, capture_output=True, timeout=20 * PATIENCE)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        outcome = json.loads(line)
        assert outcome["checked"] == 0, (outcome, done.stderr)
        assert outcome["status"] == (-9 if outcome["reached"] and kind == "kill" else 0), (outcome, done.stderr)
        yield outcome


def check_events(folder: Path, kind: str, first: int = 0, stride: int = 1) -> int:
    """Check the event log at every `stride`-th operation; return how many there were."""
    count = -1
    for outcome in outcomes("events", kind, folder, first, stride):
        count += 1
        acknowledged, found, later = outcome["told"], outcome["found"]["found"], outcome["found"]["later"]
        assert acknowledged == list(range(len(acknowledged))), outcome
        assert later == [*found, 99], outcome
        if outcome["reached"] and kind == "kill":
            # The line that was being written may be there; those before it are, whole and once.
            assert found in (acknowledged, [*acknowledged, len(acknowledged)]), outcome
        else:  # the disk was full once: the next write has brought what was kept
            lost = [EVENTS] if len(found) == EVENTS and outcome["reached"] else []  # the very last one had no next
            assert [*found, *lost] == list(range(EVENTS + 1)), outcome
    return count


def check_last_state(folder: Path, kind: str, first: int = 0, stride: int = 1) -> int:
    """Check the end of a trial at every `stride`-th operation; return how many there were."""
    count = -1
    for outcome in outcomes("last_state", kind, folder, first, stride):
        count += 1
        found = outcome["found"]
        assert found["steps"] == ALL, outcome
        assert found["later"]["steps"] == list(range(2 * STEPS)), outcome
        assert (found["later"]["state"], found["attempt"]) == ("completed", 1), outcome
        if outcome["told"] == ["closed"]:
            assert found["status"] == "cancelled", outcome
        else:  # the last state may have been in place already
            assert (found["state"], found["status"]) in (("running", "lost"), ("cancelled", "cancelled")), outcome
    return count


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_the_event_log_at_every_operation(tmp_path: Path, kind: str) -> None:
    assert check_events(tmp_path / kind, kind) >= 3 * EVENTS


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "full"])
def test_the_last_state_of_a_trial(tmp_path: Path, kind: str) -> None:
    """Some operations of its end; tests/chaos/killed_writers.py takes them all."""
    assert check_last_state(tmp_path / kind, kind, first=1, stride=4) >= 4
