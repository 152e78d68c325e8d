"""A cluster for a test: make its folder and commands, start its daemon, change its settings, stop it."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from .daemon import READY
from .runs import cluster_environment
from .settings import Settings

COMMANDS = (
    *("bsub", "bjobs", "bkill", "bhist", "bacct", "bmod", "brequeue", "bstop", "bresume"),
    *("lsid", "bqueues", "bparams", "bhosts", "bpeek"),
)
HERE = Path(__file__).parent


class Cluster:
    """One emulated cluster in a folder; everything it starts ends with `stop`."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = Settings(**settings)
        for name in ("bin", "spool"):
            (folder / name).mkdir(parents=True)
        for command in COMMANDS:
            self._script(command)
        self.settings.write(folder)
        self._daemon: subprocess.Popen[bytes] | None = None
        self.start()

    def _script(self, command: str) -> None:
        """A shell script: the path of a Python may be too long, or hold a space, for a #! line."""
        words = [sys.executable, "-I", "-S", str(HERE / "client.py"), str(self.folder), command]
        path = self.folder / "bin" / command
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the daemon; it answers when this returns."""
        with open(self.folder / "daemon.log", "ab") as log:
            self._daemon = subprocess.Popen(
                [sys.executable, "-E", "-s", "-S", "-m", HERE.name, str(self.folder)],
                cwd=HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._daemon.stdout is not None
        if self._daemon.stdout.readline() != READY.encode() + b"\n":
            raise RuntimeError(self.log)

    def stop(self) -> None:
        """End the daemon and every job; the jobs are lost."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.communicate(b"")
            (self.folder / "socket").unlink()
            if self.log:
                raise RuntimeError(f"the emulator has a defect:\n{self.log}")

    def set(self, **changes: Any) -> None:
        """Change settings, faults included, from the next command on."""
        self.settings = Settings.read(self.folder)
        for name, value in changes.items():
            if name not in Settings.__dataclass_fields__:
                raise TypeError(f"the cluster has no setting {name}")
            setattr(self.settings, name, value)
        self.settings.write(self.folder)

    def configure(self, **parameters: str | None) -> None:
        """Change parameters of lsf.conf, None takes one out."""
        changed = {**self.settings.lsf_conf, **parameters}
        self.set(lsf_conf={name: value for name, value in changed.items() if value is not None})

    @property
    def environ(self) -> dict[str, str]:
        """What a shell on this cluster has in its environment, PATH included."""
        return {
            **cluster_environment(self.folder),
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }

    @property
    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()

    def calls(self, command: str) -> list[list[str]]:
        """The arguments of each call of the command that reached the daemon."""
        path = self.folder / "calls"
        lines = path.read_text(errors="surrogateescape").splitlines() if path.exists() else []
        return [words[1:] for words in map(ast.literal_eval, lines) if words[0] == command]
