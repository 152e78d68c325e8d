"""Apps on a terminal of their own, and what is to be read there in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

from waiting import PATIENCE


def on_a_terminal(
    command: Sequence[str], folder: Path, *, interrupts: Sequence[Callable[[str], bool]] = (), columns: int = 100
) -> tuple[str, int]:
    """Run a command on a terminal of that width; return all it wrote there, and its exit code.

    Args:
        command: what to run.
        folder: where.
        interrupts: Ctrl-C is pressed each time that one of these says so of what has been written since the one before.
        columns: how wide the terminal is.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written, since, due = b"", 0, list(interrupts)
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
            if due and due[0](written[since:].decode(errors="replace")):
                del due[0]
                since = len(written)
                process.send_signal(signal.SIGINT)
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    return written.decode().replace("\r\n", "\n"), process.wait(timeout=PATIENCE)


def left(written: str) -> str:
    """Return what is to be read on the terminal in the end."""
    shown: list[str] = [""]
    for part in re.split(r"(\x1b\[\d+F\x1b\[J|\n)", written):
        if part == "\n":
            shown.append("")
        elif part.startswith("\x1b["):
            del shown[len(shown) - 1 - int(part[2 : part.index("F")]) :]
            shown.append("")
        else:
            shown[-1] += part
    return "\n".join(shown)
