from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
