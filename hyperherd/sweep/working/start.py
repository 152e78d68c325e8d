"""Before a worker starts by hand: may this folder decide what runs here, and is it the script that the sweep ran?

The code that runs is what the folder names, so nothing of it is believed that somebody else could have written. The
folder counts where it is now, whatever path it had for the sweep.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, NothingFound, SweepError
from hyperherd.masking import MASK
from hyperherd.paths import SweepPaths
from hyperherd.records.code import file_hash
from hyperherd.records.disk.ownership import NotTrusted, distrust, sweep_files
from hyperherd.records.places import check_records_inside
from hyperherd.records.snapshot import Snapshot
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.files.yaml_files import read_yaml
from hyperherd.sweep.working import frozen
from hyperherd.sweep.working.order import Order

_NOT_HANDED_ON = ("hydra.sweep.dir=", "hydra.mode=", "hydra.sweeper.resume=", "hydra.sweeper.dry_run=")
"""Overrides of the sweep that say what is to be swept where, and not how trials are composed."""


@dataclass(frozen=True)
class WorkCommand:
    """A command that works in a sweep.

    Attributes:
        command: to be run.
        environment: its variables, in addition to those of this process.
        cwd: where it runs.
        script: what it imports; a path, or the name of a module.
        notes: what the user is to know before, one line each.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    cwd: Path
    script: str
    notes: tuple[str, ...]


def work_command(sweep_dir: Path, order: Order, script: Path | None = None, *, allow_changes: bool) -> WorkCommand:
    """Return the command that works in a sweep.

    Args:
        sweep_dir: absolute.
        order: what it is to do.
        script: where the script is here, if it is not where the sweep had it.
        allow_changes: whether it may differ from the sweep's, and the version of Python too.

    Raises:
        NothingFound: there is no sweep.
        NotTrusted: somebody else could have written what would run.
        SweepError: the script is missing or another one, or the sweep was not started by a command.
    """
    if not SweepPaths(sweep_dir).sweep.exists():
        raise NothingFound(f"{sweep_dir} does not contain a sweep; give the directory of a sweep")
    check_records_inside(sweep_dir)
    _check_trusted(sweep_dir)
    record = SweepRecord.read(sweep_dir)
    if record.no_command:
        raise SweepError(f"{sweep_dir}: no worker can be started by hand, because {record.no_command}")
    last = record.invocations[-1] if record.invocations else {}
    snapshot = _snapshot(sweep_dir, last)
    if snapshot is not None and script is not None:
        raise SweepError("--script: the sweep has kept a snapshot of its code, which is what runs; leave it out")
    started, found = _started(record, script, snapshot)
    faults = [*_other_python(last), *(_other_script(found, last) if found is not None else ())]
    if faults and not allow_changes:
        raise SweepError(f"{'; '.join(faults)}. Results could not be compared; --allow-changes runs it nevertheless")
    cwd, notes = _folder(last)
    fixed = record.base.get("overrides")
    overrides = [*(fixed if isinstance(fixed, list) else ()), *_hydra_overrides(sweep_dir)]
    before = [] if snapshot is None else frozen.command(snapshot, str(last.get("cwd")))
    words = [sys.executable, *before, *started, "--multirun", *map(str, overrides)]
    if any(MASK in word for word in words):
        raise SweepError(f"{sweep_dir}: the sweep's command holds a secret that is not on record, so it cannot be run")
    if snapshot is not None:
        notes = [*notes, f"the code is the snapshot {snapshot.folder}"]
    name = str(found) if found is not None else f"-m {started[1]}"
    return WorkCommand(tuple(words), order.environment, cwd, name, (*faults, *notes))


def _check_trusted(sweep_dir: Path) -> None:
    paths = SweepPaths(sweep_dir)
    for path in (*sweep_files(sweep_dir), paths.multirun, paths.workers, paths.workers / "queue"):
        if path.exists() and (fault := distrust(path, or_root=False)):
            raise NotTrusted(
                f"{fault}: another user could decide what runs here. A worker serves one user: work in a folder of "
                "your own that nobody else can write to (chmod go-w)"
            )


def _snapshot(sweep_dir: Path, last: dict[str, Any]) -> Snapshot | None:
    """Return what the sweep kept of its code when it was started last; None if it runs the project itself.

    Raises:
        NotTrusted: somebody else could have written it.
        SweepError: it is gone, or was changed.
    """
    noted = last.get("snapshot")
    if not isinstance(noted, dict):
        return None
    name, root = str(noted.get("name")), str(noted.get("root"))
    folder = SweepPaths(sweep_dir).snapshots / name
    if not name.isalnum() or not folder.is_dir():
        raise SweepError(f"the snapshot of the sweep's code, {folder}, is gone; run the sweep's command again")
    if fault := distrust(folder, or_root=False):
        raise NotTrusted(f"{fault}: another user could decide what runs here")
    snapshot = Snapshot(root, str(folder))
    if snapshot.digest() != name:
        raise SweepError(f"{folder} was changed since the sweep took it; delete it, and run the sweep's command again")
    return snapshot


def _started(record: SweepRecord, script: Path | None, snapshot: Snapshot | None) -> tuple[list[str], Path | None]:
    """Return what to start, with the flags of Hydra, and the file of the script; None for a module.

    Raises:
        SweepError: it is not on record, or not there.
    """
    command = record.command or record.base.get("command")
    if not isinstance(command, list) or len(command) < 2 or not all(isinstance(word, str) for word in command):
        raise SweepError("the command of the sweep is not on record; it was started by another version")
    if command[1] == "-m":
        if script is not None:
            raise SweepError(f"--script: the sweep runs the module {command[2]}, which is found by its name")
        return command[1:], None
    written = command[1] if snapshot is None else snapshot.inside(command[1])
    found = (script or Path(written)).absolute()
    if not found.is_file():
        where = "--script" if script else "the sweep's script"
        raise SweepError(f"{where}: {found} does not exist here; give its path on this machine with --script")
    return [str(found), *command[2:]], found


def _other_python(last: dict[str, Any]) -> list[str]:
    there, here = str(last.get("python", "")), platform.python_version()
    if not there or there.split(".")[:2] == here.split(".")[:2]:
        return []
    return [f"the sweep runs in Python {there}, and this is Python {here} ({sys.executable})"]


def _other_script(script: Path, last: dict[str, Any]) -> list[str]:
    """Return that the text of the script is not that of the sweep, if both are known."""
    code = last.get("code")
    known = (
        {digest for name, digest in code.items() if Path(name).name == script.name} if isinstance(code, dict) else ()
    )
    return (
        [f"{script} is not the script that the sweep ran: its text differs"]
        if known and file_hash(str(script)) not in known
        else []
    )


def _folder(last: dict[str, Any]) -> tuple[Path, list[str]]:
    """Return where trials run, as relative paths in a script and its config count from there."""
    there = last.get("cwd")
    if isinstance(there, str) and Path(there).is_dir() and os.access(there, os.X_OK):
        return Path(there), []
    return Path.cwd(), [f"the sweep's working directory {there} does not exist here; trials run in {Path.cwd()}"]


def _hydra_overrides(sweep_dir: Path) -> list[str]:
    """Return the overrides of `hydra.*` that the sweep was started with."""
    path = SweepPaths(sweep_dir).multirun
    try:
        found = read_yaml(path)
        written = found["hydra"]["overrides"]["hydra"]
    except (OSError, FormatError, KeyError, TypeError) as error:
        raise SweepError(f"{path}: the overrides of the sweep cannot be read: {error}") from None
    return [str(text) for text in written if not str(text).startswith(_NOT_HANDED_ON)]
