"""A real Slurm for the tests: a small one of their own, or with `--slurm` the one this machine belongs to."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import PATIENCE

SCRIPTS = Path(__file__).parent / "slurm" / "cluster"
NEEDED = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "sbatch")
PACKAGES = "slurmctld slurmd slurm-client munge slurmdbd mariadb-server-core"


class Slurm:
    """A cluster as the tests use it.

    Args:
        folder: of a cluster of our own; None for one that is not ours to break.
        knobs: environment of up.sh.
    """

    def __init__(self, folder: Path | None, **knobs: str) -> None:
        self.folder = folder
        self._knobs = knobs

    @property
    def environment(self) -> dict[str, str]:
        return {} if self.folder is None else {"SLURM_CONF": f"{self.folder}/etc/slurm.conf"}

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm prints; jobs of `sbatch` write their output beside the cluster's files."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def state(self, job_id: str) -> str:
        """Return the state of a job in the queue; an empty string if it is not there."""
        done = subprocess.run(
            ["squeue", "-h", "-r", "-j", job_id, "-o", "%T"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def up(self) -> None:
        self._script("up.sh")

    def down(self, *arguments: str) -> None:
        self._script("down.sh", *arguments)

    def configure(self, before: str, after: str) -> None:
        """Replace words of slurm.conf, and let the daemons read it again."""
        assert self.folder is not None
        file = self.folder / "etc" / "slurm.conf"
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        self.ask("scontrol", "reconfigure")

    def kill_node(self, name: str) -> None:
        self._script("killnode.sh", name)

    def kill_controller(self) -> None:
        """End slurmctld as a crash does; `up` brings it back."""
        assert self.folder is not None
        os.kill(int((self.folder / "run" / "slurmctld.pid").read_text()), 9)

    def kill_accounting(self) -> None:
        """End slurmdbd as a crash does; `up` brings it back."""
        assert self.folder is not None
        os.kill(int((self.folder / "run" / "slurmdbd.pid").read_text()), 9)

    def _script(self, name: str, *arguments: str) -> None:
        assert self.folder is not None
        done = subprocess.run(
            [str(SCRIPTS / name), str(self.folder), *arguments],
            env={**os.environ, **self._knobs},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def reason_to_skip() -> str:
    """Return why no cluster can be started here; an empty string if one can."""
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install -y --no-install-recommends {PACKAGES})"
    return "" if os.getuid() == 0 else "a Slurm of our own can be started as root only"


@contextmanager
def own_slurm(**knobs: str) -> Iterator[Slurm]:
    """Yield a cluster in a folder with a short and fixed name, so that what a killed session left is found."""
    for index in range(10):
        folder = Path(f"/tmp/herd-slurm-{index}")
        with open(f"{folder}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another session's
                continue
            slurm = Slurm(folder, **knobs)
            slurm.down("--purge")
            slurm.up()
            try:
                yield slurm
            finally:
                slurm.down("--purge")
            return
    raise AssertionError("ten other sessions run clusters")
