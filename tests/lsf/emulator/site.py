"""LSF as a test sees it, by commands alone: the emulator's or a real one."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .cluster import Cluster

Done = subprocess.CompletedProcess[str]
Row = dict[str, str]
WAITS = "#!/bin/bash\nuntil [ -e go ]; do sleep 0.05; done\n"  # a job that ends when a file is there
FIELDS = "jobid jobindex stat exit_code exit_reason"


@dataclass
class Site:
    """Where jobs run. `cluster` is None on a real LSF; `minute` is how many seconds a minute of -W lasts."""

    folder: Path
    minute: float
    cluster: Cluster | None = None
    submitted: list[str] = field(default_factory=list)

    def run(self, *words: str, stdin: str | None = None, **environ: str) -> Done:
        """One command, in the test's folder."""
        return subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            cwd=self.folder,
            env={**os.environ, **environ},
            text=True,
            capture_output=True,
            timeout=120,
        )

    def submit(self, script: str, *options: str, **environ: str) -> str:
        """Submit a script on standard input; the job's id."""
        done = self.run("bsub", *options, stdin=script, **environ)
        found = re.search(r"Job <(\d+)> is submitted", done.stdout)
        assert found, done.stdout + done.stderr
        self.submitted.append(found[1])
        return found[1]

    def rows(self, *ids: str, fields: str = FIELDS) -> list[Row]:
        """What bjobs tells of the jobs, one row each."""
        done = self.run("bjobs", "-a", "-noheader", "-o", f"{fields} delimiter='^'", *ids)
        names = fields.split()
        lines = [line.split("^") for line in done.stdout.splitlines() if "Please wait" not in line]
        return [dict(zip(names, line, strict=True)) for line in lines if len(line) == len(names)]

    def states(self, *ids: str) -> list[str]:
        return [row["stat"] for row in self.rows(*ids)]

    def wait(self, *ids: str, until: str = "DONE EXIT") -> list[Row]:
        """Wait until every element of the jobs is in one of these states."""
        wanted = until.split()
        rows: list[Row] = []

        def there() -> bool:
            rows[:] = self.rows(*ids)
            return bool(rows) and all(row["stat"] in wanted for row in rows)

        self.wait_for(there)
        return rows

    def wait_for(self, there: Callable[[], bool]) -> None:
        """Look again and again; pytest's own time limit ends a wait that is in vain."""
        while not there():
            time.sleep(0.05 if self.cluster else 2)

    def wait_file(self, name: str, text: str = "") -> str:
        """Wait for a file of the test's folder to hold a text."""
        path = self.folder / name
        self.wait_for(lambda: path.exists() and text in path.read_text())
        return path.read_text()

    def kill_all(self) -> None:
        for job in self.submitted:
            self.run("bkill", job)
