"""Scripts that start in an interpreter which has imported already what they are going to import.

`tests/starting.py` starts this server: `python fork_server.py SOCKET MODULE...`. For each request it forks a process
that becomes what `python script.py ...` would be, and that is handed over to the one who asked: it is forked twice, and
the one between ends, so that the system gives the orphan to the next ancestor that adopts orphans.
"""

from __future__ import annotations

import builtins
import codecs
import ctypes
import gc
import importlib
import io
import json
import os
import socket
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

LONGEST_REQUEST = 1 << 18


def serve(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request. Returns the request in the forked process alone; the server ends when nobody can ask."""
    while True:
        told, streams, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not told:
            os._exit(0)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            request = json.loads(told)
            if request.pop("is_leader"):
                os.setsid()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            while os.getppid() == between:  # not yet adopted
                time.sleep(0.0002)
            os.write(writing, str(os.getpid()).encode())
            for descriptor in (reading, writing, requests.detach()):
                os.close(descriptor)
            return request
        os.waitpid(between, 0)
        requests.send(os.read(reading, 20))
        for descriptor in (reading, writing, *streams):
            os.close(descriptor)


def become(command: list[str], folder: str, environment: dict[str, str], mask: int) -> None:
    """Run a script as `python script.py ...` does, or a package as `python -m package ...`."""
    os.chdir(folder)
    os.umask(mask)
    os.environ.clear()
    os.environ.update(environment)
    _open_streams()
    sys.orig_argv[:] = command
    if command[1] == "-m":
        script = Path(str(importlib.import_module(command[2]).__file__)).with_name("__main__.py")
        sys.argv[:] = [str(script), *command[3:]]
        sys.path[0] = folder
    else:
        script = Path(command[1]).absolute()
        sys.argv[:] = command[1:]
        sys.path[0] = str(script.resolve().parent)
    _run_script(str(script))


def _open_streams() -> None:
    """Open the standard streams as the interpreter does: those of the server remember whether theirs could seek."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        before = getattr(sys, name)
        is_unbuffered = isinstance(before.buffer, io.RawIOBase)
        buffer = open(number, f"{mode}b", buffering=0 if is_unbuffered else -1, closefd=False)  # noqa: SIM115
        (buffer if is_unbuffered else buffer.raw).name = f"<{name}>"
        stream = io.TextIOWrapper(
            buffer,
            codecs.lookup(encoding).name if encoding else before.encoding,
            before.errors if number == 2 else errors or ("strict" if encoding else before.errors),
            newline="\n",
            line_buffering=not is_unbuffered and (number == 2 or os.isatty(number)),
            write_through=before.write_through,
        )
        stream.mode = mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run_script(path: str) -> None:
    """Run a script by the interpreter's own function for that, so that no frames of ours are in its tracebacks."""
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main
    system = ctypes.CDLL(None)
    system.fopen.restype = ctypes.c_void_p
    name = ctypes.c_char_p(os.fsencode(path))
    if ctypes.pythonapi.PyRun_SimpleFileExFlags(ctypes.c_void_p(system.fopen(name, b"rb")), name, 1, None):
        # It is printed already. An exception here ends as the script's would: with 1, or by the signal of Ctrl-C.
        sys.excepthook = lambda *_: None
        raise RuntimeError(path)


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # Pages of memory that no collection touches stay shared.
    become(**serve(socket.socket(fileno=int(sys.argv[1]))))
