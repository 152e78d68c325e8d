"""``python -m hyperherd.launch.lsf.spawn N FOLDER``: the processes of a job that has several, on one host.

LSF has no srun for this. Each process gets its rank, its log and its result; all of them end with the first that fails.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hyperherd.launch.lsf.environment import MARKER, LsfJobEnvironment
from hyperherd.launch.processes import kill
from hyperherd.trial.system.processes import descendants

GRACE = "HYPERHERD_LSF_GRACE_S"
"""Seconds the other processes get when one has failed, 30 if it is not set."""

_POLL_SECONDS = 0.1
_FAILED = "rank {} of the job {}; the others get a while to end"


def main(arguments: Sequence[str]) -> int:
    """Run the processes and return the exit code of the first that failed, or 0."""
    tasks, folder = int(arguments[0]), arguments[1]
    for number in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # LSF sends them to every process: each decides for itself
    port = _free_port()
    processes = [_start(rank, tasks, folder, port) for rank in range(tasks)]
    return _wait(processes)


def _start(rank: int, tasks: int, folder: str, port: int) -> subprocess.Popen[bytes]:
    ours = {"NTASKS": tasks, "NNODES": 1, "NODEID": 0, "GLOBAL_RANK": rank, "LOCAL_RANK": rank}
    torch = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": tasks, "NODE_RANK": 0, "MASTER_PORT": port}
    given = {**{f"SUBMITIT_LSF_{name}": value for name, value in ours.items()}, **torch}
    environment = {**os.environ, "MASTER_ADDR": "127.0.0.1", **{name: str(value) for name, value in given.items()}}
    command = [sys.executable, "-u", "-m", "submitit.core._submit", folder]
    if rank == 0:  # its logs are the script's
        return subprocess.Popen(command, env=environment)
    with open(_log(folder, rank, "out"), "ab") as stdout:
        if os.path.sameopenfile(1, 2):  # stderr_to_stdout
            return subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.STDOUT)
        with open(_log(folder, rank, "err"), "ab") as stderr:
            return subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr)


def _free_port() -> int:
    """Return a port for the processes to meet at, by the variables of torch that Lightning and others read too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _log(folder: str, rank: int, kind: str) -> str:
    from submitit.core import utils

    paths = utils.JobPaths(folder, LsfJobEnvironment().job_id, rank)
    return str(paths.stdout if kind == "out" else paths.stderr)


def _wait(processes: list[subprocess.Popen[bytes]]) -> int:
    """Wait for all, and after the first failure for a while only, since the others may wait for it forever."""
    failed: int | None = None
    deadline = float("inf")
    while any(process.poll() is None for process in processes):
        first = next((rank for rank, process in enumerate(processes) if process.poll()), None)
        if failed is None and first is not None:
            failed, is_requeued = processes[first].returncode, Path(os.environ[MARKER]).exists()
            deadline = time.monotonic() + (0.0 if is_requeued else _grace())
            if not is_requeued:
                print(_FAILED.format(first, _how(failed)), file=sys.stderr, flush=True)
        if time.monotonic() >= deadline:
            kill(descendants(os.getpid()))
        time.sleep(_POLL_SECONDS)
    failed = failed if failed is not None else next((p.returncode for p in processes if p.returncode), 0)
    return failed if failed >= 0 else 128 - failed


def _how(code: int) -> str:
    return f"exited with code {code}" if code > 0 else f"was killed by signal {-code}"


def failed_rank(log: str) -> tuple[int, str] | None:
    """Return the first process of a job that failed, and how, as :func:`main` wrote it to the job's log."""
    found = re.findall(r"^rank (\d+) of the job ((?:exited with code|was killed by signal) \d+);", log, re.M)
    return (int(found[-1][0]), str(found[-1][1])) if found else None  # the last run of a requeued job


def _grace() -> float:
    return float(os.environ.get(GRACE, "30"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
