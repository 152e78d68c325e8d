"""A script that is forked from the server of `starting.py` sees what it sees in an interpreter of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starting import run, start

SEEN = """
import atexit, json, os, signal, sys, threading, warnings
main = sys.modules["__main__"]
atexit.register(print, "left last")
mask = os.umask(0)
seen = {
    "main": [(name, type(value).__name__) for name, value in sorted(vars(main).items()) if name != "seen"],
    "is main": [main.__dict__ is globals(), __name__, __file__, repr(__spec__), __cached__, __loader__.path],
    "words": [sys.argv, sys.orig_argv],
    "path": sys.path,
    "flags": [repr(sys.flags), sys.warnoptions, sys.dont_write_bytecode],
    "streams": [
        (stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.fileno())
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "signals": [(number, repr(signal.getsignal(number))) for number in sorted(signal.valid_signals())],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "process": [os.getcwd(), mask, os.getppid(), os.getsid(0) == os.getpid(), threading.active_count()],
    "open": sorted(os.listdir("/proc/self/fd")),
    "environment": sorted(os.environ.items()),
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__],
}
print(json.dumps(seen))
print("complaint", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FROM_SCRATCH", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "app.py").write_text(SEEN)
    before = os.umask(0o027)
    yield tmp_path
    os.umask(before)


@pytest.mark.parametrize("encoding", ["", "ascii", "latin-1:replace"])
def test_a_forked_script_sees_what_it_sees_alone(folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("CHANGED", "é\udcff")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for new_session in (False, True):
        options = {"cwd": folder, "env": dict(os.environ), "text": True, "stdin": subprocess.DEVNULL}
        options["start_new_session"] = new_session
        command = [sys.executable, "app.py", "-m", "a b"]
        forked = run(command, **options)
        alone = subprocess.run(command, capture_output=True, check=True, **options)
        for one, other in zip(forked.stdout.splitlines(), alone.stdout.splitlines(), strict=True):
            if one.startswith("{"):
                assert json.loads(one) == json.loads(other)
            else:
                assert one == other == "left last"
        assert (forked.returncode, forked.stderr) == (0, alone.stderr)


@pytest.mark.parametrize(
    "body",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit('words')",
        "import os; os._exit(4)",
        "def wrong():\n    raise ValueError('é')\nwrong()",
        "wrong syntax",
        "import os; os.kill(os.getpid(), 9)",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import sys; sys.excepthook = lambda *_: exec('print(1)'); raise KeyboardInterrupt",
    ],
)
def test_it_ends_as_it_does_alone(tmp_path: Path, body: str) -> None:
    (tmp_path / "app.py").write_text(body)
    command = [sys.executable, "app.py"]
    forked = run(command, cwd=tmp_path, text=True)
    alone = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


@pytest.mark.parametrize("words", [["show", "nothing"], ["--nothing"], ["--help"]])
def test_the_command_prints_what_it_prints_alone(tmp_path: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "hyperherd.cli", *words]
    forked = run(command, cwd=tmp_path, text=True)
    alone = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert (forked.returncode, forked.stdout, forked.stderr) == (alone.returncode, alone.stdout, alone.stderr)


def test_it_is_signalled_and_read_like_any_child(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print(input(), flush=True)\nimport time\ntime.sleep(600)")
    options = {"cwd": tmp_path, "text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with start([sys.executable, "app.py"], start_new_session=True, **options) as process:
        assert process.poll() is None
        process.stdin.write("said\n")
        process.stdin.flush()
        assert process.stdout.readline() == "said\n"
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
