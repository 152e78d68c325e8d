"""How trials come into being: forked from the server where that is safe, else each a fresh interpreter.

A fork takes over everything the script has imported in two milliseconds, where importing torch again takes seconds. It
copies the memory of all threads, but only the one thread that calls it, so what another thread was changing, or held a
lock on, stays so forever. Why it is safe here:

- The server is forked when the first trial is to start, from the main thread, while it is the only thread that runs
  Python: ours are made in trials, and a script that has its own is not forked. So no Python object is half-changed and
  no lock of Python's is held by a thread that is gone. The server runs one thread and does little else, so what trials
  are forked from is this state; what the sweep does later (threads, pyarrow, the users' callbacks) is not in it.
- Native threads belong to pools that wait for work while the main thread runs Python. OpenBLAS, MKL, LLVM's OpenMP,
  jemalloc and Arrow repair themselves by ``pthread_atfork``, glibc's allocator too. GNU's OpenMP does not: a child
  waits forever for a team that it does not have (seen with torch as soon as the script has computed something on
  two threads and the trial may use two). So the team is ended before the fork (:func:`.cpu.end_openmp_team`).
- An initialised CUDA cannot be used in a child at all, and asking whether there is a GPU initialises it. torch knows:
  the server asks it once it is forked, and gives up before any trial (`refusal_to_fork`). JAX runs threads from its
  first computation on.
- What the end of a trial has imported to merge rows (pyarrow, and numpy with it) the server imports once, before it
  forks the next one (`_Forker`): a trial that logs would spend most of its time on that. It starts no thread of
  Python's, and native ones only of those that repair themselves. Where trials log no rows it never happens.
- Streams are flushed before, so that nothing is written twice. Exit functions and finalizers of the script belong to
  the sweep's process and do not run in trials; those that a trial registers run at its end. NumPy's global generator
  gets a new seed unless the script has seeded it, as it would have in a process of its own; Python reseeds its own.

Where one of these does not hold, and on systems other than Linux (libraries of macOS forbid it), the server is a fresh
interpreter and starts each trial as one, with the task function pickled as joblib and submitit do it.
"""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any, NoReturn

from hyperherd.compat.cpython import forget_exit_functions, interpreter_flags
from hyperherd.compat.numpy import reseed_unless_seeded
from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialJob
from hyperherd.launch.local.compose import Composer
from hyperherd.launch.local.cpu import ThreadLimit, end_openmp_team
from hyperherd.launch.local.gpus import GpuThresholds
from hyperherd.launch.local.messages import Ready
from hyperherd.launch.local.server import HELD, Server, Starter, Times
from hyperherd.launch.local.slots import Capacity, Slot, Slots
from hyperherd.launch.local.trial import PoolPayload, finish, run_trial, setup_trial_process
from hyperherd.launch.worker import snapshot_of
from hyperherd.metrics.consolidate.merge import MERGES_ROWS
from hyperherd.records.code import imported_code
from hyperherd.records.provenance.packages import imported_versions, package_versions
from hyperherd.records.snapshot import in_use
from hyperherd.trial.copier import start_copier
from hyperherd.trial.output import use_copier
from hyperherd.trial.system.machine import machine


@dataclass(frozen=True)
class Pool:
    """How many trials run at once, and for how long."""

    capacity: Capacity
    times: Times
    gate: GpuThresholds


@dataclass(frozen=True)
class ServerProcess:
    """The server, as the sweep sees it."""

    pid: int
    channel: Connection


class Refused(Exception):
    """Trials cannot be forked; the message gives the reason."""


def start_server(work: PoolPayload, pool: Pool, method: str, warn: Callable[[str], None]) -> ServerProcess:
    """Start the server, whose trials are forked or spawned.

    Args:
        work: what trials do.
        pool: how many of them, and for how long.
        method: ``fork``, ``spawn``, or ``auto``: fork where it is safe.
        warn: gets the reason if trials are spawned although the user did not ask for that.

    Raises:
        SweepError: the method is unknown, ``fork`` is not safe, or the task function cannot be pickled.
    """
    if method not in ("auto", "fork", "spawn"):
        raise SweepError(f"hydra.launcher.start_method: {method!r} is not one of auto, fork, spawn")
    if snapshot_of(work.task_function) is not None and in_use() is None:
        # A fork would have what the script has imported from the project itself, and the paths of that.
        if method == "fork":
            raise SweepError("hydra.launcher.start_method: trials that run from hydra.sweeper.snapshot are not forked")
        return _spawn_server(work, pool, "they run from hydra.sweeper.snapshot")
    if method == "spawn":
        return _spawn_server(work, pool, "hydra.launcher.start_method is spawn")
    try:
        if reason := reason_not_to_fork():
            raise Refused(reason)
        return _fork_server(work, pool)
    except Refused as refused:
        if method == "fork":
            raise SweepError(
                f"hydra.launcher.start_method: trials cannot be forked, because {refused}; use auto or spawn"
            ) from None
        warn(f"each trial starts a fresh Python interpreter and re-imports everything, because {refused}")
        return _spawn_server(work, pool, str(refused))


def reason_not_to_fork() -> str:
    """Return why trials must not be forked from this process; empty if nothing is known against it."""
    if sys.platform != "linux":
        return f"{sys.platform} does not allow a fork without exec"
    if threading.current_thread() is not threading.main_thread():
        return "the sweep does not run in the main thread"
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"the script runs threads ({', '.join(others)})"
    if not end_openmp_team():
        return "the script has loaded a GNU OpenMP whose threads cannot be ended"
    return ""


def refusal_to_fork() -> str:
    """Return what a forked process finds that it cannot use; empty if nothing."""
    torch = sys.modules.get("torch")
    for name in ("cuda", "xpu", "mps"):
        if getattr(getattr(torch, name, None), "_is_in_bad_fork", bool)():
            return f"the script has initialised {name} (torch.{name}.is_available() does that)"
    jax = sys.modules.get("jax._src.xla_bridge")
    return "the script has used JAX" if getattr(jax, "_backends", None) else ""


def _fork_server(work: PoolPayload, pool: Pool) -> ServerProcess:
    ours, theirs = Pipe()
    _flush()
    pid = _fork()
    if pid == 0:
        _to_the_end(lambda: _serve_forked(work, pool, ours, theirs))
    # Or `recv` would wait forever for a server that died before it answered.
    theirs.close()
    ready = ours.recv()
    if ready.refusal:
        ours.close()
        os.waitpid(pid, 0)
        raise Refused(ready.refusal)
    return ServerProcess(pid, ours)


def _serve_forked(work: PoolPayload, pool: Pool, theirs_of_sweep: Connection, channel: Connection) -> None:
    # Or the server would keep the sweep's end open itself, and never see the sweep end.
    theirs_of_sweep.close()
    os.setsid()
    refusal = refusal_to_fork()
    channel.send(Ready(refusal))
    if not refusal:
        _serve(channel, _Forker(work, pool, channel), pool)


def _serve(channel: Connection, start: Starter, pool: Pool) -> None:
    server = Server(channel, start, Slots(pool.capacity.slots), pool.times, pool.gate)
    try:
        server.serve()
    finally:
        server.end_now()


class _Forker:
    """Starts trials by forking them."""

    def __init__(self, work: PoolPayload, pool: Pool, channel: Connection) -> None:
        self._work = work
        self._limit = ThreadLimit(pool.capacity.threads)
        self._channel = channel
        self._composer = Composer(work.context.config_loader, work.config)
        self._on_child = signal.getsignal(signal.SIGCHLD)
        self._has_merged_rows = mmap.mmap(-1, 1)  # shared with the trials
        if not work.shows_output:
            with suppress(OSError):  # then each trial starts its own
                use_copier(start_copier(_fork))
            for known in (package_versions, imported_versions, machine):  # they remember what is the same in all trials
                known()
            imported_code(str(Path(sys.argv[0]).absolute()))

    def __call__(self, job: TrialJob, slot: Slot, report: IO[bytes]) -> int:
        self._composer.prepare(job)
        self._load_what_merges_rows()
        server = os.getpid()
        pid = _fork()
        if pid == 0:
            _to_the_end(lambda: self._be_trial(job, slot, report, server))
        return pid

    def _be_trial(self, job: TrialJob, slot: Slot, report: IO[bytes], server: int) -> None:
        # A copy in a trial would hide the death of the server from the sweep, which waits for the end of the file.
        self._channel.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, self._on_child or signal.SIG_DFL)
        os.environ.update({**self._limit.environment, **slot.environment})
        _forget_parent()
        setup_trial_process(HELD, server, shows_output=self._work.shows_output)
        self._limit.apply()
        run_trial(self._work, self._composer, job, report)
        self._has_merged_rows[0] = MERGES_ROWS in sys.modules
        finish()

    def _load_what_merges_rows(self) -> None:
        """Import what an earlier trial needed at its end, for those that are forked from now on."""
        if self._has_merged_rows[0] and MERGES_ROWS not in sys.modules:
            self._has_merged_rows[0] = False
            os.environ.update(self._limit.environment)  # numpy makes its threads when it is imported
            with suppress(ImportError):  # the trials report it
                importlib.import_module(MERGES_ROWS)
            gc.freeze()  # as in `serve`


def _forget_parent() -> None:
    """Drop what the script wants done at its own end, and the randomness it has in common with every other trial."""
    forget_exit_functions()
    reseed_unless_seeded()


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of any thread, native pools included; the module's docstring explains why those are safe.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _to_the_end(work: Callable[[], None]) -> NoReturn:
    """Do `work` in a forked process and end it: what is below on its stack belongs to its parent."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the boundary of a process: no caller above can handle it
        traceback.print_exc()
    finally:
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a broken pipe, a closed stream, or an object of a class of the user's
            stream.flush()


# Spawned


@dataclass(frozen=True)
class _SpawnOrder:
    """The first message to a fresh server; `work` stays pickled, so that the server need not import the script."""

    work: bytes
    pool: Pool
    environment: dict[str, str]
    shows_output: bool


def _spawn_server(work: PoolPayload, pool: Pool, reason: str) -> ServerProcess:
    from hyperherd.launch.local.spawned import pack

    order = _SpawnOrder(pack(work, reason), pool, ThreadLimit(pool.capacity.threads).environment, work.shows_output)
    ours, theirs = Pipe()
    process = _python("from hyperherd.launch.local.start import serve; serve()", theirs.fileno())
    theirs.close()
    try:
        ours.send(order)
        ours.recv()
    except (EOFError, OSError):
        raise SweepError("the process that runs the trials did not start; see its output above") from None
    return ServerProcess(process, ours)


def serve() -> None:
    """Be the server, in a fresh interpreter; its argument is the descriptor of the channel."""
    channel = Connection(int(sys.argv[1]))
    order = channel.recv()
    with tempfile.TemporaryFile() as work:
        work.write(order.work)
        work.flush()
        channel.send(Ready())
        _serve(channel, _Spawner(order, work), order.pool)


class _Spawner:
    """Starts trials as interpreters of their own."""

    def __init__(self, order: _SpawnOrder, work: IO[bytes]) -> None:
        self._order = order
        self._work = work

    def __call__(self, job: TrialJob, slot: Slot, report: IO[bytes]) -> int:
        report.write(pickle.dumps((job, os.getpid())))
        report.flush()
        environment = {**os.environ, **self._order.environment, **slot.environment}
        code = "from hyperherd.launch.local.spawned import main; main()"
        return _python(code, self._work.fileno(), report.fileno(), environment=environment)


def _python(code: str, *descriptors: int, environment: dict[str, str] | None = None) -> int:
    """Start an interpreter in a session of its own, which gets the descriptors as its arguments; return its pid."""
    process: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, *interpreter_flags(), "-c", code, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        env=environment,
        pass_fds=descriptors,
        start_new_session=True,
    )
    process.returncode = 0  # the caller waits for it by its pid: Popen must neither wait nor warn when it is collected
    return process.pid
