from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.errors import SweepError
from hyperherd.metrics.consolidate.compact import compact
from hyperherd.paths import SweepPaths
from hyperherd.records.lock import SweepLock, is_held
from hyperherd.records.status import process_started
from hyperherd.results.tables.changes import has_ended

HERE = {"host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_started(os.getpid())}


@pytest.mark.parametrize(
    ("written", "held"),
    [
        pytest.param(json.dumps(HERE), True, id="this process"),
        pytest.param(json.dumps({**HERE, "pid_started": 1.0}), False, id="an earlier process of its number"),
        pytest.param(json.dumps({**HERE, "pid_started": "early"}), True, id="no start time"),
        pytest.param(json.dumps({**HERE, "pid": 2**22 + 1}), False, id="gone"),
        pytest.param(json.dumps({**HERE, "host": "elsewhere"}), True, id="another host"),
        # No sweep writes such a lock.
        pytest.param(json.dumps({**HERE, "pid": "7"}), False, id="a text for its number"),
        pytest.param(json.dumps({**HERE, "pid": None}), False, id="no number"),
        pytest.param(json.dumps({**HERE, "pid": -1}), False, id="a number of no process"),
        (json.dumps({"pid": 2**22 + 1}), False),
        # What says nothing holds nothing.
        ("{}", False),
        ("[]", False),
        ("torn", False),
        ("", False),
    ],
)
def test_all_who_ask_get_the_same_answer(tmp_path: Path, written: str, held: bool) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial()
    lock = SweepPaths(sweep.dir).lock
    lock.write_text(written)
    assert is_held(sweep.dir) is held
    assert has_ended(load(sweep.dir)) is not held
    if held:
        with pytest.raises(SweepError, match="is still running"):
            compact(sweep.dir)
        with pytest.raises(SweepError, match="another sweep is running in"):
            SweepLock(sweep.dir).take()
        assert lock.read_text() == written
    else:
        compact(sweep.dir)
        ours = SweepLock(sweep.dir)
        ours.take()
        assert is_held(sweep.dir)
        ours.release()
        assert not lock.exists()


def test_a_lock_that_cannot_be_read_is_taken_for_held(tmp_path: Path) -> None:
    lock = SweepPaths(tmp_path).lock
    lock.parent.mkdir()
    lock.symlink_to(lock)  # reading fails for root as well
    assert is_held(tmp_path)


def test_a_directory_without_a_lock_or_that_is_none_is_not_held(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    (tmp_path / "file").touch()
    assert not is_held(tmp_path / "file")


def test_the_lock_of_another_is_not_released(tmp_path: Path) -> None:
    ours = SweepLock(tmp_path)
    ours.take()
    SweepPaths(tmp_path).lock.write_text(json.dumps({**HERE, "nonce": "another"}))
    ours.release()
    assert is_held(tmp_path)


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from hyperherd.records.lock import SweepLock; "
    code += "SweepLock(Path(sys.argv[1])).take()"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=30)
    assert SweepPaths(tmp_path).lock.exists()
    assert not is_held(tmp_path)
    SweepLock(tmp_path).take()
    assert is_held(tmp_path)
    assert [path.name for path in SweepPaths(tmp_path).records.iterdir()] == ["sweep.lock"]
