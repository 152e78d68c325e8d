"""One process beside each running job: it leads the job's session, adopts its orphans and ends when the last one has.

It stands for LSF's res and /bin/sh wrapper. Its exit code is the script's; where a signal ended the script it ends by the
same one, so that the daemon can tell 140 from SIGUSR2.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass

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
    """Fork a supervisor; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        _supervise(run)
    finally:
        os._exit(125)


def _supervise(run: Run) -> None:
    signal.set_wakeup_fd(-1)
    os.setsid()
    become_subreaper()
    for number in SURVIVED:
        signal.signal(number, lambda *_: None)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.closerange(3, 1024)
    main = os.fork()
    if not main:
        try:
            _execute(run)
        finally:
            os._exit(127)
    status = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, ended = os.wait()
            status = ended if pid == main else status
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
    out = os.open(run.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(os.open(run.err, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if run.err else 1, 2)
    os.umask(run.umask)
    environ = {**run.environ, "PWD": os.getcwd(), "LS_JOBPID": str(os.getpid())}
    os.execve(run.program, [run.program], environ)
