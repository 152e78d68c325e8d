"""Taking a snapshot: a copy of what belongs to it, under the hash of its content, so that equal trees share one.

Invariant: a folder of that name is complete. It is filled under another name; its files are copies (which share their
blocks with the original where the file system can do that, and never more than that), and cannot be written to.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.launch.frozen import file_of, is_frozen
from hyperherd.paths import SweepPaths, conf_dir
from hyperherd.records.code import file_hash, imported_code, is_foreign, project_root
from hyperherd.records.disk.ownership import VARIABLE, folder_mode, make_folder
from hyperherd.records.snapshot import Snapshot, digest
from hyperherd.sweep.freezing.files import MOST_FILES, Selection
from hyperherd.sweep.freezing.settings import KEY, SnapshotSettings

_LISTED = 5
_FILLING = ".{}.tmp"
_CLONE = 0x40049409
"""FICLONE of Linux: the new file shares the blocks of the old one until either is written to."""

log = logging.getLogger("hyperherd")


_taken: dict[Path, Snapshot] = {}
"""Sweep directory -> its snapshot: rounds of one process run the same code."""


def check_launcher(launcher: type) -> None:
    """Check that a launcher of Hydra's can run trials from a copy.

    Raises:
        SweepError: it is none of ours.
    """
    if not hasattr(launcher, "trial_launcher"):
        raise SweepError(
            f"hydra.sweeper.snapshot: {launcher.__name__} runs the project as it is when a trial starts; use "
            "hydra/launcher=herd_local, herd_slurm or herd_lsf, or remove hydra.sweeper.snapshot"
        )


def take_snapshot(
    sweep_dir: Path,
    script: str,
    settings: SnapshotSettings,
    config_folders: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Snapshot:
    """Keep a copy of the script's project in the records of a sweep, unless this process has done so.

    Args:
        sweep_dir: absolute.
        script: absolute path.
        settings: what is left out, and how large it may be.
        config_folders: that Hydra reads, absolute.
        without: files that hold a secret, absolute.

    Raises:
        SweepError: it is too large, cannot be written, or is not what this process has imported.
    """
    if sweep_dir not in _taken:
        if not Path(script).is_file():
            raise SweepError(
                f"{KEY} needs a script with a file; this sweep was started from a notebook or an interpreter"
            )
        root = project_root(script)
        whole = Snapshot(root, root)
        inside = tuple(name for folder in config_folders if (name := whole.relative(folder)) is not None)
        secret = tuple(f"/{escape(name)}" for path in without if (name := whole.relative(path)) is not None)
        selection = Selection(root, os.path.relpath(script, root), inside, (*settings.exclude, *secret))
        others = (one for one in config_folders if whole.relative(one) is None and not is_foreign(f"{one}/"))
        beside = [folder for folder in others if folder != str(conf_dir())]
        _taken[sweep_dir] = _take(sweep_dir, script, selection, settings.max_mb, beside)
    return _taken[sweep_dir]


def _take(sweep_dir: Path, script: str, selection: Selection, max_mb: float, beside: Sequence[str]) -> Snapshot:
    root = selection.root
    before = imported_code(script)
    names = dict.fromkeys((*selection.names, *_imported(script, selection)))
    _check_size(root, names, max_mb)
    folder = SweepPaths(sweep_dir).snapshots
    try:
        _make_private(folder)
        for left in folder.glob(_FILLING.format("*")):  # of a process that was killed; this one holds the sweep
            shutil.rmtree(left, ignore_errors=True)
        snapshot = _copied(root, list(names), folder)
    except OSError as error:
        raise SweepError(f"{KEY}: the project cannot be copied to {folder}: {error}") from None
    edited = [name for name, known in before.items() if file_hash(f"{snapshot.folder}/{name}") != known]
    if edited:
        raise SweepError(
            f"{KEY}: {_some(edited)} of {root} was edited while the sweep was being planned, so that the snapshot is "
            "not what was planned with; start it again"
        )
    log.info("trials run from %s, a copy of %s (%d files)", snapshot.folder, root, len(names))
    lacking = [f"{root}/{name}" for name in selection.configs if not os.path.lexists(f"{snapshot.folder}/{name}")]
    if outside := [*beside, *filter(os.path.isdir, lacking), *_outside(selection.root)]:
        log.warning("%s: not in the snapshot, and read as they are when a trial runs: %s", KEY, _some(outside))
    return snapshot


def _imported(script: str, selection: Selection) -> Iterator[str]:
    """Yield the script and what it has imported of the project, which git may ignore.

    Raises:
        SweepError: a pattern of the user leaves one out.
    """
    whole = Snapshot(selection.root, selection.root)
    files = [script, *(file for module in list(sys.modules.values()) if (file := file_of(module)))]
    for file in dict.fromkeys(files):
        name = whole.relative(file)
        if name is None or not is_frozen(file, whole) or not Path(file).is_file():
            continue
        if any(Path(selection.root, parent).is_symlink() for parent in _parents(name)):
            continue  # it is found through the link, wherever that leads
        if selection.excludes(name):
            raise SweepError(f"{KEY}.exclude leaves out {name}, which the script imports; remove the pattern")
        yield name


def _outside(root: str) -> list[str]:
    """Return the folders of modules that were imported from neither the project nor an environment."""
    whole = Snapshot(root, root)
    packages = ("os", "hyperherd", "hyperherd_callbacks")  # the standard library, and our own
    known = [file for name in packages if (file := file_of(sys.modules.get(name)))]
    owned = tuple(f"{Path(file).parent}/" for file in known)
    found: dict[str, None] = {}
    for name, module in list(sys.modules.items()):
        file = file_of(module)
        if file is None or not Path(file).is_file() or whole.relative(file) is not None or is_foreign(file):
            continue
        if name in ("__main__", "sitecustomize", "usercustomize") or "hyperherd" in name.split("."):
            continue
        if not file.startswith(owned):
            found.setdefault(str(Path(file).parent))
    return list(found)


def _check_size(root: str, names: Iterable[str], max_mb: float) -> None:
    sizes = {}
    for name in names:
        with suppress(FileNotFoundError):  # as below
            sizes[name] = os.lstat(f"{root}/{name}").st_size
    total = sum(sizes.values()) / 1e6
    if total <= max_mb and len(sizes) <= MOST_FILES:
        return
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LISTED]
    listed = ", ".join(f"{name} ({sizes[name] / 1e6:.1f} MB)" for name in largest)
    much = f"{total:.1f} MB, and {KEY}.max_mb is {max_mb:g}"
    many = f"{len(sizes)} files, more than {MOST_FILES}"
    raise SweepError(
        f"{KEY}: {root} has {much if total > max_mb else many}. The largest files: {listed}. Leave out what the code "
        f"does not need: {KEY}={{exclude: [data/, '*.ckpt']}}, or a line in .gitignore"
        + (f"; or allow more: {KEY}={{max_mb: {total * 1.2:.0f}}}" if total > max_mb else "")
    )


def _copied(root: str, names: list[str], folder: Path) -> Snapshot:
    filling = folder / _FILLING.format(secrets.token_hex(6))
    try:
        filling.mkdir(folder_mode())
        known = set(names) | {parent for name in names for parent in _parents(name)}
        leaving = []
        for name in names:
            target = filling / name
            make_folder(target.parent)
            with suppress(FileNotFoundError):  # an editor's own file, which has gone since it was listed
                if Path(root, name).is_symlink():
                    leaving += _link(root, name, target, known)
                else:
                    _copy(f"{root}/{name}", target)
        if leaving:
            log.warning("%s: links lead out of what is copied, and are followed as they are: %s", KEY, _some(leaving))
        place = folder / digest(filling)
        if not place.is_dir():
            filling.rename(place)
        elif changed := [name for name in names if file_hash(f"{place}/{name}") != file_hash(f"{filling}/{name}")]:
            raise SweepError(
                f"{KEY}: {place} is of an earlier start, and was changed since: {_some(changed)}; delete it, if no "
                "trial runs from it"
            )
        return Snapshot(root, str(place))
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def _make_private(folder: Path) -> None:
    """Make the folder of snapshots: who could not read the project cannot read its copy."""
    if os.environ.get(VARIABLE) == "1":  # a sweep that a group shares
        make_folder(folder)
    elif not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(0o700)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name


def _link(root: str, name: str, target: Path, known: set[str]) -> list[str]:
    """Make a link again: to the copy of what it leads to, else to the original; return what is not copied."""
    link = Path(root, name)
    aim = os.path.normpath(link.parent / link.readlink())
    below = os.path.relpath(aim, root)
    if below in known:
        target.symlink_to(os.path.relpath(aim, link.parent))
        return []
    target.symlink_to(aim)
    return [f"{name} -> {aim}"]


def _copy(source: str, target: Path) -> None:
    with open(source, "rb") as read, open(target, "xb") as written:
        if not _cloned(read.fileno(), written.fileno()):
            shutil.copyfileobj(read, written, 1 << 20)
        status = os.fstat(read.fileno())
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    target.chmod(status.st_mode & 0o555 | 0o400)


def _cloned(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _CLONE, source)
    except OSError:
        return False
    return True


def _some(names: list[str]) -> str:
    more = f", ... {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
