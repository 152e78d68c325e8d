"""Who could have written a file: what others can write is data, and never decides what is run.

Trusted is what belongs to this user, or to root, and what nobody else can write to. A group whose only member is this
user is nobody else: many systems give every user such a group, and a umask of 002 with it.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths, TrialPaths

SHARED = "hydra.sweeper.shared=true"
VARIABLE = "HYPERHERD_SHARED"
"""Hands on to jobs that their sweep was given `SHARED`, and so is about the mode of what is made, and nothing else."""
_ACL = "system.posix_acl_access"


class NotTrusted(SweepError):
    """Somebody else could have written what is to be run; the message names the owner, the mode and the option."""


def is_own(path: Path) -> bool:
    """Return whether `path` belongs to this user; not if it cannot be looked at."""
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def owner(path: Path) -> str:
    """Return whose `path` is, if it is another user's; an empty string if it is this one's.

    Raises:
        OSError: it cannot be looked at.
    """
    uid = path.stat().st_uid
    return "" if uid == os.geteuid() else _user(uid)


def distrust(path: Path, *, or_root: bool = True) -> str:
    """Return who else could have written `path`, in words; an empty string if nobody could.

    Args:
        path: a file or a folder; links are followed.
        or_root: whether what belongs to root is trusted as well.

    Raises:
        OSError: it cannot be looked at.
    """
    status = path.stat()
    mode = f"mode {stat.S_IMODE(status.st_mode):04o}"
    if status.st_uid != os.geteuid() and not (or_root and status.st_uid == 0):
        return f"{path} belongs to {_user(status.st_uid)} ({mode})"
    if status.st_mode & stat.S_IWOTH:
        return f"everybody can write to {path}, which belongs to {_user(status.st_uid)} ({mode})"
    if status.st_mode & stat.S_IWGRP and (_has_acl(path) or not _is_private(status.st_gid)):
        return (
            f"the group {_group(status.st_gid)} can write to {path}, which belongs to {_user(status.st_uid)} ({mode})"
        )
    return ""


def check_trusted(paths: Iterable[Path], option: str = SHARED) -> None:
    """Check that nobody else could have written one of `paths`; those that do not exist are skipped.

    Args:
        paths: files and folders that decide what is run.
        option: what has to be given, in this call, to run it nevertheless.

    Raises:
        NotTrusted: somebody could.
    """
    for path in paths:
        try:
            fault = distrust(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            fault = str(error)
        if fault:
            raise NotTrusted(
                f"{fault}: another user could decide what runs here. Remove the others' write permission "
                f"(chmod go-w), or pass {option} with this command if you trust everyone who can write there"
            )


def sweep_files(sweep_dir: Path) -> list[Path]:
    """Return the files and folders that decide what resuming a sweep runs."""
    paths = SweepPaths(sweep_dir)
    return [sweep_dir, paths.records, paths.sweep, paths.trials, paths.events]


def share_folders(shared: bool) -> None:
    """Let the umask decide who can write to what this process and its jobs make; or keep others out."""
    if shared:
        os.environ[VARIABLE] = "1"
    else:
        os.environ.pop(VARIABLE, None)


def file_mode() -> int:
    """Return the mode of a file that is made, before the umask takes its part."""
    return 0o666 if os.environ.get(VARIABLE) == "1" else 0o644


def trial_files(trial_dir: Path) -> list[Path]:
    """Return what decides with which overrides a trial is run again."""
    paths = TrialPaths(trial_dir)
    written = (paths.hydra / "overrides.yaml", paths.hydra / "config.yaml", paths.hydra / "hydra.yaml")
    return [trial_dir, paths.records, paths.trial, paths.hydra, *written]


def folder_mode() -> int:
    """Return the mode of a folder that is made, before the umask takes its part."""
    return 0o777 if os.environ.get(VARIABLE) == "1" else 0o755


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing; unless it is shared, only this user can write to them.

    Raises:
        OSError: it cannot be made.
    """
    if path.is_dir():
        return
    # Not mkdir(parents=True), which does not give the mode to the folders above.
    if not path.parent.is_dir():
        make_folder(path.parent)
    path.mkdir(folder_mode(), exist_ok=True)


@functools.cache
def _is_private(gid: int) -> bool:
    """Return whether this user is the only member of a group, as far as the system lists its users."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    if set(group.gr_mem) - {user.pw_name}:
        return False
    listed = pwd.getpwall()
    if any(one.pw_gid == gid and one.pw_uid != user.pw_uid for one in listed):
        return False
    # Large sites do not list their users. There a group counts as private by its name alone, or not at all.
    is_complete = any(one.pw_uid == user.pw_uid for one in listed)
    return group.gr_name == user.pw_name or (is_complete and (user.pw_gid == gid or user.pw_name in group.gr_mem))


def _has_acl(path: Path) -> bool:
    """Return whether the rights of the group are in truth a mask over those of further users."""
    try:
        return hasattr(os, "listxattr") and _ACL in os.listxattr(path)
    except OSError:
        return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
