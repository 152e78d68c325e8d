"""Orphaned trials, which the space of their sweep no longer holds: into the sweep's trash, and out of it for good."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hyperherd.errors import FormatError
from hyperherd.paths import SweepPaths
from hyperherd.records.disk.ownership import check_trusted, is_own, make_folder, sweep_files
from hyperherd.records.places import below, check_records_inside
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, read_planned, write_planned
from hyperherd.results.api import load
from hyperherd.results.files.discover import discover
from hyperherd.sweep.tidying.checkpoints import stored_files
from hyperherd.sweep.tidying.clean import RUNNING, SHARED, Cleaning, Item, locked

_AT_WORK = (TrialState.RUNNING, TrialState.STALLED, TrialState.SUBMITTED)


def trash_orphans(path: Path, *, act: bool, shared: bool = False) -> Cleaning:
    """Move the directories of orphaned trials to the trash of their sweep, `.hyperherd/trash`.

    Args:
        path: a sweep, or a folder above several.
        act: whether to move them, or only to return what would be moved.
        shared: whether folders count that somebody else could have written.

    Raises:
        NothingFound: there is no sweep.
        Outside: a sweep's own files lead elsewhere.
        NotTrusted: somebody else could have written the plan.
    """
    done = Cleaning()
    sweeps = discover([path]).sweeps
    with locked(sweeps, act=act) as running:
        for sweep_dir in sweeps:
            check_records_inside(sweep_dir)
            planned = read_planned(sweep_dir)
            orphans = [trial for trial in planned if trial.orphan and trial.dir]
            reasons = _reasons(sweep_dir, orphans, planned) if orphans else {}
            moved = []
            for trial in orphans:
                folder = sweep_dir / str(trial.dir)
                reason = RUNNING if sweep_dir in running else reasons[trial.number]
                if reason:
                    done.keep(reason, f"trial {trial.number}")
                elif folder.is_dir():
                    done.items.append(Item(folder, tuple(stored_files(folder))))
                    moved.append(trial)
            if act and moved:
                if not shared:
                    check_trusted(sweep_files(sweep_dir), SHARED)
                _move(sweep_dir, planned, moved)
    return done


def _reasons(sweep_dir: Path, orphans: Sequence[PlannedTrial], planned: Sequence[PlannedTrial]) -> dict[int, str]:
    """Return for each orphan why it stays; empty if it does not."""
    states = {trial.number: trial.state for trial in load(sweep_dir)}
    others = [os.path.normpath(trial.dir) for trial in planned if trial.dir]
    found = {}
    for trial in orphans:
        own = os.path.normpath(str(trial.dir))
        try:
            folder = below(sweep_dir, str(trial.dir))
            reason = "of another user" if folder.exists() and not is_own(folder) else ""
        except FormatError:
            reason = "outside of the sweep"
        if states.get(trial.number) in _AT_WORK:
            reason = str(states[trial.number])
        elif own == "." or any(other.startswith(f"{own}/") for other in others):
            reason = "with other trials in their directory"
        elif not reason and folder.is_symlink():
            reason = "behind a link"
        found[trial.number] = reason
    return found


def _move(sweep_dir: Path, planned: Sequence[PlannedTrial], moved: Sequence[PlannedTrial]) -> None:
    """Move directories. The plan says so first: a trial that is still there is shown whatever the plan says."""
    numbers = {trial.number for trial in moved}
    write_planned(sweep_dir, [replace(trial, trashed=True) if trial.number in numbers else trial for trial in planned])
    trash = SweepPaths(sweep_dir).trash / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    for trial in moved:
        target = trash / str(trial.dir)
        make_folder(target.parent)
        (sweep_dir / str(trial.dir)).rename(target)


def empty_trash(path: Path, *, act: bool, shared: bool = False) -> Cleaning:
    """Delete what is in the trash of sweeps.

    Args:
        path: a sweep, or a folder above several.
        act: whether to delete it, or only to return what would be deleted.
        shared: whether folders count that somebody else could have written.

    Raises:
        NothingFound: there is no sweep.
        Outside: a link leads out of the sweep.
        NotTrusted: somebody else could have put something there.
    """
    done = Cleaning()
    for sweep_dir in discover([path]).sweeps:
        trash = below(sweep_dir, SweepPaths(sweep_dir).trash.relative_to(sweep_dir).as_posix())
        if not trash.is_dir():
            continue
        if act and not shared:
            check_trusted([*sweep_files(sweep_dir), trash], SHARED)
        for folder in sorted(trash.iterdir()):
            if folder.is_symlink() or not is_own(folder):
                done.keep("a link, or of another user", str(folder))
                continue
            done.items.append(Item(folder, tuple(stored_files(folder))))
            if act:
                shutil.rmtree(folder)  # follows no link, also while others write there
    return done
