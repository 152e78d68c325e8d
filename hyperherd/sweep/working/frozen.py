"""A script run from a snapshot of its project, in an interpreter of its own: what `herd-results work` starts."""

from __future__ import annotations

import os
import runpy
import sys

from hyperherd.launch.frozen import frozen_path, run_from
from hyperherd.records.snapshot import Snapshot


def command(snapshot: Snapshot, cwd: str) -> list[str]:
    """Return what stands behind the interpreter, before the script or ``-m`` and the module.

    Args:
        snapshot: what to run from.
        cwd: where the sweep was started, which ``-m`` looks for modules in.
    """
    return ["-m", __name__, snapshot.root, snapshot.folder, cwd]


def main() -> None:
    """Run what the arguments name as ``__main__``."""
    root, folder, cwd, *rest = sys.argv[1:]
    snapshot = Snapshot(root, folder)
    first = cwd if rest[0] == "-m" else os.path.dirname(rest[0])  # noqa: PTH120 - as Python has it on sys.path
    sys.path[:] = frozen_path([first, *sys.path[1:]], snapshot)
    run_from(snapshot)
    if rest[0] == "-m":
        sys.argv[:] = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = rest
        runpy.run_path(rest[0], run_name="__main__")


if __name__ == "__main__":
    main()
