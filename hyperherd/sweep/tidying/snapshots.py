"""Snapshots of a sweep's code: which ones nothing needs any more, and deleting them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import check_trusted, is_own, sweep_files
from hyperherd.records.places import below
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import SweepRecord
from hyperherd.results.api import load
from hyperherd.results.files.discover import discover
from hyperherd.sweep.tidying.checkpoints import stored_files
from hyperherd.sweep.tidying.clean import RUNNING, SHARED, Cleaning, Item, locked

_AT_WORK = (TrialState.RUNNING, TrialState.STALLED, TrialState.SUBMITTED, TrialState.REQUEUED)


def clean_snapshots(path: Path, wanted: str, *, act: bool, shared: bool = False) -> Cleaning:
    """Delete copies of the code that trials of sweeps were to run from (`hydra.sweeper.snapshot`).

    Args:
        path: a sweep, or a folder above several.
        wanted: ``unused``, which no trial ran and workers by hand would not run; or ``all``.
        act: whether to delete them, or only to return what would be deleted.
        shared: whether folders count that somebody else could have written.

    Raises:
        NothingFound: there is no sweep.
        Outside: a link leads out of the sweep.
        NotTrusted: somebody else could have written what decides.
    """
    done = Cleaning()
    sweeps = discover([path]).sweeps
    with locked(sweeps, act=act) as running:
        for sweep_dir in sweeps:
            folder = below(sweep_dir, SweepPaths(sweep_dir).snapshots.relative_to(sweep_dir).as_posix())
            if not folder.is_dir():
                continue
            if not is_own(folder) and not os.access(folder, os.R_OK | os.X_OK):
                done.keep("of another user", str(folder))
                continue
            if act and not shared:
                check_trusted([*sweep_files(sweep_dir), folder], SHARED)
            reasons = _reasons(sweep_dir, wanted)
            for snapshot in sorted(folder.iterdir()):
                reason = RUNNING if sweep_dir in running else reasons.get("", reasons.get(snapshot.name, ""))
                if snapshot.is_symlink() or not is_own(snapshot):
                    reason = "a link, or of another user"
                if reason:
                    done.keep(reason, str(snapshot))
                    continue
                done.items.append(Item(snapshot, tuple(stored_files(snapshot))))
                if act:
                    shutil.rmtree(snapshot)  # follows no link
    return done


def _reasons(sweep_dir: Path, wanted: str) -> dict[str, str]:
    """Return why snapshots stay, by their names; under the empty one why all do."""
    trials = load(sweep_dir)
    if any(trial.state in _AT_WORK for trial in trials):
        return {"": "trials that run, or wait in a queue, may need it"}
    if wanted == "all":
        return {}
    found: dict[str, str] = {}
    try:
        last = SweepRecord.read(sweep_dir).invocations[-1].get("snapshot")
    except (OSError, FormatError, IndexError):
        last = None
    if isinstance(last, dict):
        found[str(last.get("name"))] = "the sweep was started with it last"
    ran = (trial.provenance.get("snapshot") for trial in trials)
    return found | {name: "trials ran from it" for name in ran if isinstance(name, str)}
