"""What every command is: carry the call to the daemon, print what it answers. One file, run without site-packages.

Usage: client.py FOLDER COMMAND [ARGUMENT...]; the private `_socket` and `marshal` spare each call 20 ms of imports.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket
from typing import Any

REFUSED = "Connection refused by server"


def ask(folder: str, request: dict[str, Any]) -> Any:
    """One question to the daemon; None when no one is there."""
    link = socket(AF_UNIX, SOCK_STREAM)
    try:
        os.chdir(folder)  # the path of a socket may have 107 characters only; the request has the old one
        link.connect("socket")
        link.sendall(marshal.dumps(request))
        link.shutdown(SHUT_WR)
        parts = []
        while part := link.recv(1 << 16):
            parts.append(part)
    except OSError:
        return None
    finally:
        link.close()
    return marshal.loads(b"".join(parts)) if parts else None


def down(command: str, arguments: list[str]) -> dict[str, Any]:
    """What is known when the daemon is gone."""
    final = [REFUSED]
    if command == "bsub":
        final = [f"{REFUSED}. Job not submitted."]
    elif command in ("bkill", "bstop", "bresume", "brequeue"):
        final = [f"Job <{a}>: {REFUSED}" for a in arguments if a[:1].isdigit()] or final
    return {
        "out": [],
        "err": final,
        "rc": 255,
        "retry": True,
        "wait": 1.0,
        "waiting": "LSF is down. Please wait ...",
        "waiting_on_stdout": False,
    }


def say(stream: Any, lines: list[str]) -> None:
    for line in lines:
        stream.write(line.encode("utf-8", "surrogateescape") + b"\n")
    stream.flush()


def main() -> int:
    folder, command, *arguments = sys.argv[1:]
    try:
        cwd = os.getcwd()  # noqa: PTH109 -- pathlib is an import too many here
    except FileNotFoundError:
        cwd = os.environ.get("PWD", "/")
    umask = os.umask(0)
    os.umask(umask)
    request: dict[str, Any] = {
        "command": command,
        "arguments": arguments,
        "cwd": cwd,
        "environ": dict(os.environ),
        "umask": umask,
        "stdin": None,
    }
    tries = int(os.environ.get("LSB_NTRIES") or 0)  # 0: for ever
    while True:
        reply = ask(folder, request) or down(command, arguments)
        if reply.get("needs_stdin"):
            request["stdin"] = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
            continue
        if reply["waiting"]:
            say(sys.stdout.buffer if reply["waiting_on_stdout"] else sys.stderr.buffer, [reply["waiting"]])
        time.sleep(reply["wait"])
        tries -= 1
        if not reply["retry"] or tries == 0:
            break
    say(sys.stdout.buffer, reply["out"])
    say(sys.stderr.buffer, reply["err"])
    return int(reply["rc"])


if __name__ == "__main__":
    sys.exit(main())
