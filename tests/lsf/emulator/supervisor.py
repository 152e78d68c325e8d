"""One process beside each running job: it leads the job's session, adopts its orphans and ends when the last one has.

It stands for LSF's res and /bin/sh wrapper. Its exit code is the script's; where a signal ended the script it ends by
the same one, so that the daemon can tell 140 from SIGUSR2.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <linux/prctl.h>
SURVIVED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True)
class Run:
    """What the supervisor starts."""

    program: str
    cwds: list[str]  # the first that can be entered
    environ: dict[str, str]
    umask: int
    out: str
    err: str


def become_subreaper() -> None:
    """Orphans below this process become its children; only Linux can do that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def start(run: Run) -> int:
    """Fork a supervisor, wait until the script runs and can be signalled; the supervisor's pid."""
    reader, writer = os.pipe()  # closed on the other side when the script's exec succeeds, or fails
    pid = os.fork()
    if pid:
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        return pid
    try:
        _supervise(run, writer)
    finally:
        os._exit(125)


def _supervise(run: Run, writer: int) -> None:
    signal.set_wakeup_fd(-1)
    os.setsid()
    become_subreaper()
    for number in SURVIVED:
        signal.signal(number, lambda *_: None)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.dup2(writer, 3, inheritable=False)
    os.closerange(4, 1024)
    main = os.fork()
    if not main:
        try:
            _execute(run)
        finally:
            os._exit(127)
    os.close(3)
    _end_like(_wait_for_all(main))


def _wait_for_all(main: int) -> int:
    """The status of the script, when nothing of the job is left."""
    status = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, ended = os.wait()
            status = ended if pid == main else status
    return status


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _execute(run: Run) -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for cwd in run.cwds:
        try:
            os.chdir(cwd)
        except OSError:
            continue
        break
    os.umask(run.umask)
    os.dup2(_open(run.out), 1)
    os.dup2(_open(run.err) if run.err else 1, 2)
    environ = {**run.environ, "PWD": str(Path.cwd()), "LS_JOBPID": str(os.getpid())}
    try:
        os.execve(run.program, [run.program], environ)
    except OSError as problem:
        os.write(2, f"{run.program}: {problem.strerror}\n".encode())


def _open(path: str) -> int:
    """A file for a stream; what cannot be written is lost."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
