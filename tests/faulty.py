"""A scheduler's commands with faults before them: scripts that come first on PATH, the real commands behind them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import App, Sweep
from waiting import PATIENCE

_SCRIPT = """#!/bin/bash
# Runs $FAULT if there is one, as part of this script; what that does not end goes on to the real command.
folder={folder!r} name={name} real={real!r}
echo "$name $*" >> "$folder/calls"
[ -e "$folder/$name.fault" ] && . "$folder/$name.fault"
exec "$real" "$@"
"""


class Faults:
    """What happens before the commands that are on PATH now.

    Args:
        folder: of the scripts.
        names: of the commands.
        monkeypatch: which puts the folder on PATH.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        for name in names:
            real = shutil.which(name)
            assert real, name
            script = folder / name
            script.write_text(_SCRIPT.format(folder=str(folder), name=name, real=real))
            script.chmod(0o755)
        self.names = names
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def before(self, name: str, script: str) -> None:
        """Run some lines of bash before each call of a command; they are in force in one step."""
        fresh = self.folder / f".{name}"
        fresh.write_text(script + "\n")
        fresh.replace(self.folder / f"{name}.fault")

    def fail(self, name: str, text: str, times: int | None = None, code: int = 1) -> None:
        """Let the next calls of a command fail with a text; all of them until it is healed, without a number."""
        left = (
            "" if times is None else f"[ $(grep -c '^{name} ' \"$folder/calls\") -le {self.count(name) + times} ] && "
        )
        self.before(name, f"{left}{{ printf '%s\\n' {text!r} >&2; exit {code}; }}")

    def down(self, text: str) -> None:
        """Let all commands fail with a text."""
        for name in self.names:
            self.fail(name, text)

    def heal(self, *names: str) -> None:
        """Let commands do again what they do."""
        for name in names or self.names:
            (self.folder / f"{name}.fault").unlink(missing_ok=True)

    def calls(self, name: str) -> list[str]:
        """Return the arguments of each call of a command so far."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == name]

    def count(self, name: str) -> int:
        return len(self.calls(name))


LEDGER = """
import pathlib
ledger = pathlib.Path(HydraConfig.get().runtime.cwd) / "ledger"
lines = ledger.read_text().splitlines() if ledger.exists() else []
tries = sum(line.startswith(f"begin {cfg.width} ") for line in lines)
def note(what):
    with open(ledger, "a") as stream:
        stream.write(f"{what} {cfg.width} {time.time()}\\n")
note("begin")
"""
"""The head of a task function that notes its start; `tries` is how often it has run before, `note("end")` its end."""


def sooner(app: App, **seconds: float) -> None:
    """Let the sweep of an app wait less for what may still change: for constants of `cluster.watch`."""
    patches = "".join(f"watch.{name} = {value}\n" for name, value in seconds.items())
    app.script.write_text(f"from hyperherd.launch.cluster import watch\n{patches}{app.script.read_text()}")


def entries(folder: Path, what: str = "begin") -> list[int]:
    """Return the trials' values in the order in which they noted this."""
    path = folder / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(f"{what} ")]


def most_at_once(folder: Path) -> int:
    """Return how many trials ran at once at most, by the clock of their one host."""
    lines = [line.split() for line in (folder / "ledger").read_text().splitlines()]
    moments = sorted((float(moment), 1 if what == "begin" else -1) for what, _, moment in lines)
    running, most = 0, 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def ended(app: App) -> Sweep:
    """Return the sweep that an app has run in its folder ``s``."""
    return Sweep(None, app.folder / "s")  # type: ignore[arg-type]


def finish(sweep: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end of a sweep, which must have this exit code, and return what it printed."""
    try:
        told, _ = sweep.communicate(timeout=PATIENCE)
    finally:
        sweep.kill()
    assert sweep.returncode == code, told
    return told
