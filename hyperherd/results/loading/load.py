"""The trials under any paths, each a row whatever state its files are in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from hyperherd.errors import NothingFound
from hyperherd.garbage import not_collected
from hyperherd.paths import SweepPaths
from hyperherd.records.status import Observer
from hyperherd.results.files.discover import Discovered, TrialFolder, absolute, discover, is_trial_dir
from hyperherd.results.files.index.block import MOST, Block, blocks_of
from hyperherd.results.files.index.entry import IndexEntry, is_settled
from hyperherd.results.files.index.index import SMALLEST, Index
from hyperherd.results.files.newest import MULTIRUN, resolved
from hyperherd.results.files.trial_json import Signature, signature_of
from hyperherd.results.loading.indexed_trial import IndexedTrial
from hyperherd.results.loading.plain_sweeps import completed_by_siblings
from hyperherd.results.loading.sweep_files import read_sweep_files
from hyperherd.results.loading.trial_reader import TrialReader
from hyperherd.results.trials.trial import Sweep, Trial


def load_trials(paths: Sequence[str | os.PathLike[str]]) -> list[Trial]:
    """Return the trials under `paths` (see :func:`hyperherd.load`).

    Raises:
        NothingFound: a path does not exist, or there is no trial under any of them.
    """
    with not_collected():
        return _load([resolved(path) for path in paths or (MULTIRUN,)])


def _load(paths: list[Path]) -> list[Trial]:
    found = discover(paths)
    observer = Observer()
    trials: list[Trial] = []
    outside: dict[str, Path] = {}
    for sweep_dir, places in _by_sweep(found).items():
        index = found.indexes.get(sweep_dir, Index())
        planned = _planned(sweep_dir) if sweep_dir in found.sweeps else None
        known = all(place.stored for place in places) and len(places) == len(index.rows)
        all_done = known and planned is not None and list(planned) == index.planned
        files = read_sweep_files(sweep_dir, all_done=all_done)
        reader = TrialReader(files, observer)
        packed = _Packed(files.sweep) if sweep_dir in found.sweeps and len(places) >= SMALLEST else None
        read = sorted(_trials(reader, places, found.sweeps.get(sweep_dir), packed), key=_order)
        trials += completed_by_siblings(read, sweep_dir)
        outside.update(dict.fromkeys(reader.outside, sweep_dir))
        if packed is not None and not all_done:
            complete = reader.is_all_done and not files.sweep.problem
            index.write(sweep_dir, reader.stored, packed.blocks, planned if complete else None)
    if not trials:
        raise NothingFound(
            f"no trial under {', '.join(map(str, found.sweeps.values()))} yet: no trial is planned there"
        )
    return _once(trials, outside) if outside else trials


def _once(trials: Iterable[Trial], outside: Mapping[str, Path]) -> list[Trial]:
    """Return trials without those that were found by looking, and that are another sweep's by its plan.

    Args:
        trials: of all sweeps.
        outside: where a sweep's trials lie outside of it -> that sweep.
    """
    return [
        trial
        for trial in trials
        if trial.dir is None or outside.get(os.path.realpath(trial.dir), trial.sweep.dir) == trial.sweep.dir
    ]


def _planned(sweep_dir: Path) -> Signature | None:
    """Return the signature of the list of planned trials, from before it is read."""
    try:
        signature = signature_of(SweepPaths(sweep_dir).trials)
    except OSError:
        return None
    return signature if is_settled(signature[0]) else None


def is_trial(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder is that of one trial: it has records of ours or of Hydra's."""
    return is_trial_dir(Path(path))


def _by_sweep(found: Discovered) -> dict[Path, list[TrialFolder]]:
    """Return the places of each sweep; jobs outside of any are kept together by the folder they lie in."""
    groups: dict[Path, list[TrialFolder]] = {sweep_dir: [] for sweep_dir in found.sweeps}
    for place in found.places:
        groups.setdefault(place.sweep or absolute(place.dir).parent, []).append(place)
    return groups


def _trials(
    reader: TrialReader, places: Iterable[TrialFolder], whole: Path | None, packed: _Packed | None
) -> list[Trial]:
    """Return the trials of one sweep; those that are only planned if the whole sweep was given."""
    found = map(reader.read, places)
    trials: list[Trial] = []
    for trial in found if whole is None else chain(found, reader.not_found(whole)):
        trials.append(trial)
        if packed is not None and reader.fresh is not None:
            packed.add(trials, str(trial.dir), reader.fresh)
    if packed is not None:
        packed.pack(trials)
    return trials


class _Packed:
    """What has been read of a large sweep's files, and may be kept, in as little memory as an index takes."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._waiting: list[tuple[int, str, IndexEntry]] = []
        self.blocks: list[Block] = []

    def add(self, trials: list[Trial], path: str, entry: IndexEntry) -> None:
        """Take in the last one of `trials`, which lies in `path`; it is soon another object that says the same."""
        self._waiting.append((len(trials) - 1, path, entry))
        if len(self._waiting) >= MOST:
            self.pack(trials)

    def pack(self, trials: list[Trial]) -> None:
        """Put trials that take less memory in the place of those that wait for it."""
        blocks = blocks_of(entry for _, _, entry in self._waiting)
        rows = {name: row for block in blocks for name, row in block.rows().items()}
        for place, path, entry in self._waiting:
            trials[place] = IndexedTrial.of(rows[entry.place], path, self._sweep)
        self.blocks += blocks
        self._waiting.clear()


def _order(trial: Trial) -> tuple[bool, int, str]:
    return trial.number is None, trial.number or 0, "" if trial.number is not None else str(trial.dir)
