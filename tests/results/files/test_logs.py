from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperherd.errors import FormatError
from hyperherd.results.files import logs
from hyperherd.results.files.logs import follow, read_lines, shown


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("plain\n", "plain"),
        ("\x1b[1;32mgreen\x1b[0m\n", "green"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("0%\r50%\r100%\n", "100%"),
        ("0%\r50%\r\n", "50%"),
        ("dos\r\n", "dos"),
        ("a\tb", "a       b"),
        ("\r", ""),
        ("\u202etxt.exe", r"\u202etxt.exe"),
    ],
)
def test_lines_are_inert(line: str, text: str) -> None:
    assert shown(line) == text


@given(st.text())
def test_any_line_is_inert(line: str) -> None:
    assert shown(line).isprintable()


def test_reading(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n0%\r100%\ntw\xffo\nlast")
    assert list(map(shown, read_lines(path))) == ["one", "100%", r"tw\xffo", "last"]
    assert list(map(shown, read_lines(path, 2))) == [r"tw\xffo", "last"]
    assert list(read_lines(path, 0)) == []


def test_following(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is written until the end arrives, in whole lines, also what has none at its end."""
    monkeypatch.setattr(logs, "_POLL_SECONDS", 0.005)
    path = tmp_path / "log"
    path.write_text("old\nnew\n")
    done = threading.Event()

    def write() -> None:
        with open(path, "a") as stream:
            for index in range(50):
                stream.write("li")
                stream.flush()
                time.sleep(0.001)
                stream.write(f"ne {index}\n")
                stream.flush()
            stream.write("no newline")
        done.set()

    lines = follow(path, done.is_set, 1)
    assert next(lines) == "new\n"
    writer = threading.Thread(target=write)
    writer.start()
    assert list(lines) == [*(f"line {index}\n" for index in range(50)), "no newline"]
    writer.join()


def test_the_last_lines_of_a_log_cost_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "attempt-0.out"
    path.write_text("".join(f"line {number}\n" for number in range(50_000)) + "end")
    assert list(read_lines(path, 3)) == ["line 49998\n", "line 49999\n", "end"]
    assert sum(1 for _ in read_lines(path)) == 50_001
    with path.open("ab") as stream:
        stream.truncate(1 << 40)  # Holes: a terabyte in which no line ends.
    began = time.process_time()
    assert all(set(line) <= set("\0") for line in read_lines(path, 3))
    assert "end" in "".join(line.strip("\0") for line in read_lines(path))
    assert time.process_time() - began < 5


def test_a_log_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.log")
    for lines in (read_lines(tmp_path / "x.log"), follow(tmp_path / "x.log", lambda: True)):
        with pytest.raises(FormatError, match="named pipe"):
            list(lines)
