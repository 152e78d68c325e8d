"""What trials print is copied to their files by one process, whoever holds on to the output, and whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import PATIENCE, until

from hyperherd.trial.copier import Copier, start_copier

PRINTING = """
import os, socket, sys
from pathlib import Path
from hyperherd.trial.copier import Copier, start_copier
from hyperherd.trial.output import copied_output, use_copier
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if sys.argv[1] == "gone":
    theirs.close()
use_copier(start_copier(os.fork) if sys.argv[1] == "there" else Copier(ours))
with copied_output(Path("out"), Path("err")):
    print("caf\\u00e9", end="\\r")
    sys.stdout.reconfigure(encoding="latin-1")
    print("caf\\u00e9", flush=True)
    os.write(2, b"\\xff\\x00")
    os.system("echo child")
print("after")
"""


@pytest.fixture
def copier() -> Iterator[Copier]:
    copier = start_copier(os.fork)
    yield copier
    copier.close()


def test_every_byte_arrives_before_the_wait_ends(copier: Copier, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) + "é\r\n".encode()
    streams = [copier.begin(tmp_path / name) for name in ("a", "b")]
    for write, _ in streams:
        for start in range(0, len(data), 1 << 15):
            os.write(write, data[start : start + (1 << 15)])
    for write, wait in streams:
        os.close(write)
        wait(PATIENCE)
    assert [(tmp_path / name).read_bytes() == data for name in ("a", "b")] == [True, True]
    write, wait = copier.begin(tmp_path / "a")  # a further attempt appends
    os.write(write, b"more")
    os.close(write)
    wait(PATIENCE)
    assert (tmp_path / "a").read_bytes() == data + b"more"


def test_a_process_that_is_left_behind_is_not_waited_for_and_still_copied(copier: Copier, tmp_path: Path) -> None:
    write, wait = copier.begin(tmp_path / "a")
    left = subprocess.Popen(["sh", "-c", "echo begun; read go; echo late"], stdin=subprocess.PIPE, stdout=write)
    os.close(write)
    start = time.monotonic()
    wait(0.05)
    assert time.monotonic() - start < PATIENCE / 2
    left.communicate(b"go\n")
    until(lambda: (tmp_path / "a").read_bytes() == b"begun\nlate\n")


def test_what_the_disk_does_not_take_costs_no_other_stream(copier: Copier, tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    full, wait_for_full = copier.begin(tmp_path / "full")
    other, wait = copier.begin(tmp_path / "other")
    os.write(full, b"lost")
    os.write(other, b"kept")
    for descriptor in (full, other):
        os.close(descriptor)
    wait_for_full(PATIENCE)
    wait(PATIENCE)
    assert (tmp_path / "other").read_bytes() == b"kept"


@pytest.mark.parametrize("process", ["there", "gone"])
def test_output_that_is_shown_nowhere_is_kept(process: str, tmp_path: Path) -> None:
    code = [sys.executable, "-c", PRINTING, process]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "PYTHONUTF8": "1"}
    subprocess.run(code, cwd=tmp_path, check=True, timeout=PATIENCE, env=environment, **streams)
    assert (tmp_path / "out").read_bytes() == b"caf\xc3\xa9\rcaf\xe9\nchild\n"
    assert (tmp_path / "err").read_bytes() == b"\xff\0"
