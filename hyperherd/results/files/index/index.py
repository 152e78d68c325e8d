"""`index.bin`: a sweep's finished trials as they were last read, so that thousands are not read again.

Invariant: deleting it changes nothing but time. An entry replaces its `trial.json` only while that file and the JSONL
of other programs beside it have the same modification time, size and inode; it is made only of a trial that is done,
about which no other file has anything to say (no alerts, and no event that has a pruned one run on), and only if the
files are too old to be changed within the tick of the clock that their time was taken from.

It begins with a line that says whose it is, a header in JSON that says where the columns of each block lie, and a
checksum of both: it is not synced, so that a crash of the machine may leave any part of it empty. It is no Parquet,
because importing pyarrow takes longer than all the rest.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, ClassVar

import orjson

import hyperherd
from hyperherd.errors import FormatError
from hyperherd.metrics.store.foreign import first_results, foreign_signature, list_foreign, may_have_foreign
from hyperherd.paths import RECORDS, SweepPaths, TrialPaths
from hyperherd.records.config import KeptSettings
from hyperherd.records.disk import kinds
from hyperherd.records.disk.atomic import replace
from hyperherd.records.disk.guarded import LIST_BYTES, open_regular
from hyperherd.records.disk.ownership import is_own, make_folder
from hyperherd.records.places import stays_in
from hyperherd.results.files.index.block import MOST, Block, Row, blocks_of
from hyperherd.results.files.index.entry import IndexEntry, Shape, as_text
from hyperherd.results.files.trial_json import Signature

FORMAT = 7
SMALLEST = 100
"""Sweeps of fewer trials are read as fast without."""
_MAGIC = b"HyperHerd index\n"
_OURS = (_MAGIC, b"", bytes(len(_MAGIC)))
"""What one of ours begins with; it may be empty, or all zeros, after a crash of the machine."""
_HEAD = len(_MAGIC) + 3 * 8
"""The first line, then the sizes of the header and of all columns, and their checksum."""
_TRIAL = f"{RECORDS}/trial.json"
_WORTHWHILE = 20
"""The index is written again when one in this many entries would be new."""
_MOST_OPEN = 8
_EARLIER = "index.json"
_EARLIER_BEGINS = b'{"format":'


@dataclass
class Index:
    """The entries of one sweep by the trials' directories, relative to the sweep's."""

    blocks: list[Block] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    """By directory."""
    planned: list[int] | None = None
    """Signature of a `trials.jsonl` that plans only trials which have entries."""
    results: str = ""
    """Where the first HyperHerd's results lie in the sweep, if there are any."""
    is_ours: bool = True
    """Whether the file there is one of ours, of any version, or there is none; anything else is not replaced."""

    @classmethod
    def read(cls, sweep_dir: Path) -> Index:
        """Return the index of a sweep; an empty one if there is none that this version wrote."""
        path = SweepPaths(sweep_dir).index
        if not stays_in(path, sweep_dir):
            return cls(is_ours=False)
        try:
            stream = open_regular(path, LIST_BYTES)
        except FileNotFoundError:
            return cls()
        except (OSError, FormatError):
            return cls(is_ours=False)
        with stream:
            magic = stream.read(len(_MAGIC))
            try:
                blocks, planned = _read(path, stream) if magic == _MAGIC else ([], None)
            except (OSError, FormatError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
                # It is a cache, in a folder that others may write to: what is wrong in it is as if absent.
                blocks, planned = [], None
        if not blocks:
            return cls(is_ours=magic in _OURS)
        rows: dict[str, Row] = {}
        for block in blocks:
            rows.update(block.rows())
        return cls(blocks, rows, planned, first_results(sweep_dir))

    def current(self, name: str, path: str) -> Row | None:
        """Return the entry of the trial in `path`, named so below the sweep, if it still matches its file."""
        row = self.rows.get(name)
        if row is None:
            return None
        block, at = row
        try:
            status = os.stat(f"{path}/{_TRIAL}")  # noqa: PTH116 - once for each trial, and a Path takes longer
            if (status.st_mtime_ns, status.st_size, status.st_ino) != block.signatures[at]:
                return None
            others = block.fact("others")[at]
            number = block.fact("number")[at] if self.results else None
            may_differ = others or may_have_foreign(path, number, self.results)
            return None if may_differ and _signature_beside(path) != others else row
        except (OSError, ValueError):
            return None

    def write(self, sweep_dir: Path, kept: Sequence[Row], fresh: Sequence[Block], planned: Signature | None) -> None:
        """Replace the index of a sweep if it is worth it; what is not this user's own, or not ours, stays as it is.

        Args:
            sweep_dir: absolute.
            kept: its own entries that are still right.
            fresh: what was read anew.
            planned: the signature of the list of planned trials, if all of them have entries.
        """
        told = None if planned is None else list(planned)
        new = sum(block.count for block in fresh)
        if not self.is_ours or not is_own(SweepPaths(sweep_dir).records) or not is_own(sweep_dir):
            return
        if len(kept) + new < SMALLEST or (new * _WORTHWHILE < len(kept) + new and told == self.planned):
            return
        with suppress(OSError, FormatError, TypeError):  # Closed to us; or what it was made of has gone.
            blocks = _repacked(kept, fresh)
            path = SweepPaths(sweep_dir).index
            make_folder(path.parent)
            replace(path, lambda stream: _write(stream, blocks, told), durable=False)
            _remove_earlier(path.with_name(_EARLIER))


def _signature_beside(trial_dir: str) -> str:
    return as_text(foreign_signature(list_foreign(TrialPaths(Path(trial_dir)))))


def _repacked(kept: Sequence[Row], fresh: Sequence[Block]) -> list[Block]:
    """Return blocks of all these entries, none of them small if it can be avoided."""
    by_block: dict[int, list[Row]] = {}
    for row in [*kept, *(row for block in fresh for row in block.rows().values())]:
        by_block.setdefault(id(row.block), []).append(row)
    whole: list[Block] = []
    loose: list[IndexEntry] = []
    for rows in by_block.values():
        block = rows[0].block
        if len(rows) == block.count and 2 * block.count >= MOST:
            whole.append(block)
        else:
            loose += [row.entry() for row in rows]
    return [*whole, *blocks_of(loose)]


def _write(stream: BinaryIO, blocks: Sequence[Block], planned: list[int] | None) -> None:
    shapes = {shape: place for place, shape in enumerate(dict.fromkeys(block.shape for block in blocks))}
    kept = {repr(item): item for block in blocks for item in block.kept}
    places = {text: place for place, text in enumerate(kept)}
    told = [None if item is None else [item.choices, item.config_hash, item.versions] for item in kept.values()]
    header = orjson.dumps(
        {
            "format": FORMAT,
            "hyperherd": hyperherd.__version__,
            "planned": planned,
            "shapes": list(map(list, shapes)),
            "kept": told,
            "blocks": [
                {
                    "shape": shapes[block.shape],
                    "count": block.count,
                    "kept": [places[repr(item)] for item in block.kept],
                    "kinds": [kind for kind, _ in block.columns],
                    "sizes": [len(data) for _, data in block.columns],
                    "rest": block.rest_size,
                }
                for block in blocks
            ],
        }
    )
    size = sum(len(data) for block in blocks for _, data in block.columns)
    checksum = zlib.crc32(header)
    for block in blocks:
        for _, data in block.columns:
            checksum = zlib.crc32(data, checksum)
    stream.write(_MAGIC + b"".join(number.to_bytes(8, "little") for number in (len(header), size, checksum)) + header)
    for block in blocks:
        stream.writelines(data for _, data in block.columns)
    for block in blocks:
        stream.write(block.whole_rest())


def _read(path: Path, stream: BinaryIO) -> tuple[list[Block], list[int] | None]:
    """Return the blocks of an index, and the signature of its plan; none of another version.

    Raises:
        OSError, FormatError, ValueError, LookupError, TypeError, AttributeError, RecursionError: it is broken.
    """
    total = os.fstat(stream.fileno()).st_size
    head_size, size, checksum = (int.from_bytes(stream.read(8), "little") for _ in range(3))
    if _HEAD + head_size + size > total:
        raise ValueError("it ends too early")
    header, data = stream.read(head_size), stream.read(size)
    if zlib.crc32(data, zlib.crc32(header)) != checksum:
        raise ValueError("it is not what was written")
    raw = orjson.loads(header)
    if raw["hyperherd"] != hyperherd.__version__ or raw["format"] != FORMAT:
        return [], None
    shapes = [Shape.read(item) for item in raw["shapes"]]
    kept = [_kept(item) for item in raw["kept"]]
    rest = _Rest(path, stream)
    columns, start = memoryview(data), _HEAD + head_size + size
    blocks = []
    for item in raw["blocks"]:
        ends = [*accumulate(item["sizes"], initial=0)]
        pieces = [columns[begin:end] for begin, end in pairwise(ends)]
        columns = columns[ends[-1] :]
        pairs = list(zip(item["kinds"], pieces, strict=True))
        block = Block(shapes[item["shape"]], item["count"], pairs, partial(rest.read, start))
        block.check([kept[code] for code in item["kept"]])
        blocks.append(block)
        if not kinds.whole(item["rest"]) or item["rest"] < 0:
            raise TypeError("not the size of what follows")
        start += item["rest"]
    if start != total:
        raise ValueError("it ends too early or too late")
    return blocks, raw["planned"]


class _Rest:
    """What of an index is read only when it is asked for: its file stays open from then on, a few such files in all."""

    _opened: ClassVar[deque[_Rest]] = deque()
    _lock: ClassVar[Lock] = Lock()

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path = path
        self._version = _version(stream)
        self._stream: BinaryIO | None = None

    def read(self, block: int, start: int, size: int) -> bytes:
        """Return some bytes of a block whose rest begins at `block`.

        Raises:
            OSError, FormatError: they cannot be read any more, because the index has been replaced.
        """
        with self._lock:  # another thread may open one too many meanwhile
            if self._stream is None:
                self._open()
            return os.pread(self._stream.fileno(), size, block + start) if self._stream else b""

    def _open(self) -> None:
        stream = open_regular(self._path, LIST_BYTES)
        if _version(stream) != self._version:
            stream.close()
            raise FormatError(f"{self._path} has been replaced")
        self._stream = stream
        self._opened.append(self)
        if len(self._opened) > _MOST_OPEN:
            self._opened.popleft().close()

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _version(stream: BinaryIO) -> tuple[int, int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _remove_earlier(path: Path) -> None:
    """Remove the index of an earlier version, which nothing reads any more; a file of another kind stays."""
    with suppress(OSError, FormatError):
        with open_regular(path) as stream:
            is_index = stream.read(len(_EARLIER_BEGINS)) == _EARLIER_BEGINS
        if is_index and not path.is_symlink():
            path.unlink()


def _kept(raw: Any) -> KeptSettings | None:
    """Return what trials kept, as the index has it.

    Raises:
        TypeError, ValueError: it is not that.
    """
    if raw is None:
        return None
    choices, config_hash, versions = raw
    if not (isinstance(choices, dict) and isinstance(config_hash, str) and isinstance(versions, dict)):
        raise TypeError("not what a trial keeps")
    return KeptSettings(choices, config_hash, versions)
