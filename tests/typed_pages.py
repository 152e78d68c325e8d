"""Pages of the documentation, typed word for word in a folder: what they say is printed is what is printed.

Of a page count the blocks that name what they are. ``python`` and ``yaml`` are files if their first line names one
(``# conf/config.yaml``). In ``console``, what follows ``$ `` is typed, and what stands below it has to be printed;
``...`` stands for any lines, and nothing for anything; a command behind which ``# exits with 1`` stands has to fail. A
block below ``<!-- slurm -->`` needs a Slurm, and is typed where there is one.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"(?:^<!-- (\w+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.\w+)\n")
FAILS = "# exits with 1"
CHANGES = [
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"\d\d-\d\d-\d\d", "TIME"),
    (r"\b\d+(\.\d+)?s\b", "0s"),
    (r"\s+", " "),
]
"""What differs from run to run, and the widths of columns, which depend on it."""


def write_files(page: Path, folder: Path) -> None:
    """Write the files of a page."""
    for _, kind, block in BLOCK.findall(page.read_text()):
        if kind in ("python", "yaml") and (named := FILE.match(block)):
            path = folder / named[1]
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text(block)


def type_page(page: Path, folder: Path, needs: str = "") -> int:
    """Write the files of a page, type its commands that need `needs`; return how many outputs were compared."""
    write_files(page, folder)
    compared = 0
    for needed, kind, block in BLOCK.findall(page.read_text()):
        if kind == "console" and needed == needs:
            for command, expected in _steps(block):
                compared += _is_printed(_type_in(command, folder), expected, command)
    return compared


def _is_printed(text: str, expected: str, command: str) -> bool:
    """Compare what was printed; return whether the page says anything about it."""
    wanted = _same_text(expected)
    pattern = "\n".join(".*" if line == "..." else re.escape(line) for line in wanted)
    assert not wanted or re.fullmatch(pattern, "\n".join(_same_text(text)), re.DOTALL), f"{command}\n{text}"
    return bool(set(wanted) - {"..."})


def _same_text(text: str) -> list[str]:
    """Return the lines of a text without what differs from run to run."""
    for pattern, instead in CHANGES[:-1]:
        text = re.sub(pattern, instead, text)
    return [re.sub(*CHANGES[-1], line).rstrip() for line in text.splitlines() if line.strip()]


def _steps(block: str) -> Iterator[tuple[str, str]]:
    """Give each command of a block, and what is printed below it."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = step.partition("\n")
        yield command, printed


def _type_in(command: str, folder: Path) -> str:
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
    assert (process.returncode != 0) == command.endswith(FAILS), f"{command}\n{text}"
    return text
