"""How tests start scripts: as processes of their own, most of them forked from a server that has done the imports.

The imports are most of what a short run costs: half a second for Hydra and a sweep of ours, five for Lightning. What a
script sees is the same (`tests/test_starting.py`). A command that a server cannot run as it is gets an interpreter of
its own, and so does each command if FROM_SCRATCH is set, as it is by `tests/environments.sh`. `herd-results`,
which tests write as `python -m hyperherd.cli`, is forked like a script.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fork_server import LONGEST_REQUEST
from waiting import PATIENCE

SERVER = Path(__file__).parent / "fork_server.py"
PR_SET_CHILD_SUBREAPER = 36

SWEEP = ("hydra.utils", "hyperherd.sweep.run", "hyperherd.launch.local.launcher", "hyperherd.results.pages.overview")
"""What the script of a sweep has imported at the end."""
HERD_RESULTS = ["-m", "hyperherd.cli"]
PAGES = ("hyperherd.results.api", "hyperherd.results.pages.effects", "hyperherd.results.pages.best", "pyarrow.compute")
"""What most pages of `herd-results` have imported at the end."""
TRAINERS = {
    "pytorch_lightning|lightning_fabric": ("pytorch_lightning",),
    "transformers": ("transformers.trainer",),
    "torch": ("torch",),
}
"""What a script that imports one of the names has imported besides; the first of them counts."""

_READ_AT_THE_START = re.compile(
    r"PYTHON(?!IOENCODING)|LC_|LANG|LD_|(OMP|MKL|OPENBLAS|HF|TRANSFORMERS|TOKENIZERS|TORCH|CUDA)_|COVERAGE|VIRTUAL_ENV|(TZ|HOME)$"
)
"""Variables of which the interpreter or what is imported makes something when it starts."""


_OPTIONS = {"cwd", "env", "text", "encoding", "errors", "stdin", "stdout", "stderr", "start_new_session"}
"""What of `subprocess.Popen` a server can do."""


def _read_at_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _READ_AT_THE_START.match(name)}


_ENVIRONMENT = dict(os.environ)


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command as `subprocess.Popen` does."""
    modules = _modules(command, options)
    return subprocess.Popen(command, **options) if modules is None else _Forked(modules, command, **options)


def run(command: Sequence[str], timeout: float = PATIENCE, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end, and keep what it prints."""
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            told, complained = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, told, complained)


def _modules(command: Sequence[str], options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What the server is to have imported that can run a command; None if no server can."""
    environment = options.get("env") or os.environ
    if (
        sys.platform != "linux"
        or "FROM_SCRATCH" in os.environ
        or command[0] != sys.executable
        or not (command[1].endswith(".py") or command[1:3] == HERD_RESULTS)
        or options.keys() - _OPTIONS
        or _read_at_the_start(environment) != _read_at_the_start(_ENVIRONMENT)
    ):
        return None
    if command[1:3] == HERD_RESULTS:
        return PAGES
    script = Path(options.get("cwd") or ".", command[1])
    if not script.is_file():
        return None
    text = script.read_text()
    imported = (modules for names, modules in TRAINERS.items() if re.search(rf"(from|import) .*\b({names})\b", text))
    return (*SWEEP, *next(imported, ()))


class _Forked(subprocess.Popen[Any]):
    """A process that is forked from a server instead of executing an interpreter, and then a child like any other."""

    def __init__(self, modules: tuple[str, ...], command: Sequence[str], **options: Any) -> None:
        self._modules = modules
        super().__init__(list(command), **options)

    def _execute_child(
        self,
        args: list[str],
        executable: None,
        preexec_fn: None,
        close_fds: bool,
        pass_fds: tuple[int, ...],
        cwd: str | None,
        env: Mapping[str, str] | None,
        startupinfo: None,
        creationflags: int,
        shell: bool,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        restore_signals: bool,
        gid: None,
        gids: None,
        uid: None,
        umask: int,
        start_new_session: bool,
        process_group: int = -1,  # since Python 3.11
    ) -> None:
        """Do what that of `subprocess.Popen` does; a descriptor of -1 stands for this process's own stream."""
        request = {
            "command": args,
            "folder": os.path.abspath(cwd or "."),  # noqa: PTH100
            "environment": dict(os.environ if env is None else env),
            "mask": _umask(),
            "is_leader": start_new_session,
        }
        streams = [number if given == -1 else given for number, given in enumerate((p2cread, c2pwrite, errwrite))]
        server = _server(self._modules)
        try:
            with _adopting():
                socket.send_fds(server, [json.dumps(request).encode()], streams)
                self.pid = int(server.recv(20))
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        self._child_created = True


@cache
def _server(modules: tuple[str, ...]) -> socket.socket:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_REQUEST)
    process = subprocess.Popen(
        [sys.executable, SERVER, str(its.fileno()), *modules],
        env=_ENVIRONMENT,
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    its.close()
    atexit.register(lambda: (ours.close(), process.wait()))
    return ours


@contextmanager
def _adopting() -> Iterator[None]:
    """Let this process become the parent of processes below it whose parent ends."""
    system = ctypes.CDLL(None)
    system.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        system.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
