"""README, typed word for word in an empty folder: what it says is printed is what is printed."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.\w+)\n")
CHANGES = [(r"\d{4}-\d\d-\d\d", "DATE"), (r"\d\d-\d\d-\d\d", "TIME"), (r"\b\d+s\b", "0s"), (r"\s+", " ")]
"""What differs from run to run, and the widths of columns, which depend on it."""


def same_text(text: str) -> list[str]:
    """Return the lines of a text without what differs from run to run."""
    for pattern, instead in CHANGES[:-1]:
        text = re.sub(pattern, instead, text)
    return [re.sub(*CHANGES[-1], line).rstrip() for line in text.splitlines() if line.strip()]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Give each command of a block, and what is printed below it."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = step.partition("\n")
        yield command, printed


def type_in(command: str, folder: Path) -> str:
    """Run a command in a terminal of 100 columns, and return what it printed there."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "xterm"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        printed = b""
        while True:
            try:
                piece = os.read(screen, 65536)
            except OSError:  # Linux's way of saying that nobody has the terminal open any more
                break
            if not piece:
                break
            printed += piece
    os.close(screen)
    text = printed.decode().replace("\r\n", "\n")
    assert process.returncode == 0, f"{command}\n{text}"
    return text


@pytest.mark.slow
def test_what_readme_says_is_printed_is_printed(tmp_path: Path) -> None:
    compared = 0
    for kind, block in BLOCK.findall(README.read_text()):
        if kind in ("python", "yaml"):
            path = tmp_path / FILE.match(block)[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
        elif kind == "console":
            for command, expected in steps(block):
                printed = same_text(type_in(command, tmp_path))
                wanted = same_text(expected)
                if wanted[:1] == ["..."]:
                    printed = printed[len(printed) - len(wanted) + 1 :] if wanted[1:] else []
                    wanted = wanted[1:]
                if wanted:
                    assert printed == wanted, command
                    compared += 1
    assert compared == 3
    assert {"loss.pdf", "report.html"} <= {path.name for path in tmp_path.iterdir()}


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 140
