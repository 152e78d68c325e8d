"""JSONL of another program into a trial: kept beside its journals, where every reader of the trial finds it.

Invariant: what has been imported of a file is a sequence of pieces in `metrics/imported`, `<file>-<piece>.jsonl`. A
piece is made whole, under the next number, or not at all; a file whose rows begin with those of a sequence goes on
with it. So an import that is killed, repeated, or done twice at once adds each row once, and of a file that has grown
the new rows.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, NothingFound, ResultsError
from hyperherd.forward.json_rows import JsonRow, JsonRows
from hyperherd.forward.ledger import alone
from hyperherd.forward.step_metrics import METRICS_FILE, located
from hyperherd.metrics.rows.values import as_name, dumps
from hyperherd.metrics.store.foreign import list_foreign
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.files import new_file, strict
from hyperherd.records.disk.guarded import lines, open_regular
from hyperherd.records.disk.ownership import make_folder
from hyperherd.records.places import in_place, stays_in
from hyperherd.results.annotate import annotated_trial
from hyperherd.results.trials.trial import Trial

_PIECE = re.compile(r"(\d{6,9})-(\d{6,9})\.jsonl")
_TRIES = 50


@dataclass(frozen=True)
class Imported:
    """What an import found."""

    rows: int = 0
    """Rows that were added."""
    already: int = 0
    """Rows that an earlier import added."""
    malformed: dict[str, int] = field(default_factory=dict)
    """Kind -> lines of it."""
    files: int = 0

    def __add__(self, other: Imported) -> Imported:
        malformed = Counter(self.malformed) + Counter(other.malformed)
        return Imported(self.rows + other.rows, self.already + other.already, dict(malformed), self.files + other.files)


def import_metrics(
    path: str | os.PathLike[str], trial: Trial | str | os.PathLike[str], *, shared: bool = False
) -> Imported:
    """Add the rows of JSONL to a trial; each of them once, however often this is called.

    Args:
        path: a file of rows ``{"ts", "step", "metrics": {...}}``, ``{"step", "loss": 0.4, ...}`` or ``{"step", "value",
            "ts"}`` (the file's name is the metric); or a folder: with `logs/metrics.jsonl` or `metrics.jsonl`, else
            with a `*.jsonl` for each metric.
        trial: the trial, or its folder.
        shared: whether the folder of another user may be written to.

    Returns:
        how many rows were added, were there already, and which lines are not rows.

    Raises:
        NothingFound: the file or the trial does not exist.
        ResultsError: the file lies in the trial, where it is read without this.
        FormatError: it is not a regular file.
        OSError: it may not be read, or the trial's folder may not be written.
    """
    where = trial.path() if isinstance(trial, Trial) else Path(trial)
    if not where.exists():
        raise NothingFound(f"{where} does not exist")
    _, trial_dir = annotated_trial([str(where)], shared=shared)
    sources = _sources(Path(path))
    for source, _ in sources:
        _check_outside(source, trial_dir)
    folder = in_place(TrialPaths(trial_dir).metrics / "imported", trial_dir)
    make_folder(folder)
    total = Imported()
    with alone(folder / ".lock"):
        for leftover in folder.glob(".*.tmp"):  # Of an import that was killed.
            leftover.unlink(missing_ok=True)
        for source, metric in sources:
            total += _import(JsonRows(source, metric), folder)
    return total


def _sources(path: Path) -> list[tuple[Path, str]]:
    """Return the files to import, and the metric of rows that name none."""
    if not path.is_dir():
        if not path.exists():
            raise NothingFound(f"{path} does not exist")
        return [(path, as_name(path.stem))]
    if (one := located(path, METRICS_FILE)) is not None:
        return [(one, as_name(one.stem))]
    folder = path / "stream" if (path / "stream").is_dir() else path
    found = sorted(one for one in folder.rglob("*.jsonl") if one.is_file() and not one.name.startswith("."))
    if not found:
        raise NothingFound(f"{path} has neither {METRICS_FILE} nor logs/{METRICS_FILE} nor another *.jsonl")
    return [(one, as_name(one.relative_to(folder).with_suffix("").as_posix())) for one in found]


def _check_outside(source: Path, trial_dir: Path) -> None:
    """Refuse what belongs to the trial already: it would be there twice."""
    real = source.resolve()
    if any(file.path.resolve() == real for file in list_foreign(TrialPaths(trial_dir))):
        raise ResultsError(f"{source} is read where it is: it belongs to the trial already, and is not imported")
    if stays_in(source, trial_dir):
        raise ResultsError(
            f"{source} lies in the trial, where {METRICS_FILE}, logs/{METRICS_FILE} and .hyperherd/metrics/*.jsonl are "
            f"read without an import; move it to one of these places"
        )


def _import(rows: JsonRows, folder: Path) -> Imported:
    for _ in range(_TRIES):
        first, piece, already, rest = _continued(rows, folder)
        try:
            count = _write(folder / f"{first:06}-{piece:06}.jsonl", rest)
        except FileExistsError:  # Another import of it was faster, on a file system without locks: look again.
            continue
        return Imported(count, already, dict(rows.malformed), 1)
    raise FormatError(f"{folder} changes all the time")


def _continued(rows: JsonRows, folder: Path) -> tuple[int, int, int, Iterator[bytes]]:
    """Return the number of the file and of the next piece, how many rows are there, and the others."""
    sequences = _sequences(folder)
    for first, pieces in sequences.items():
        remaining = (_line(row) for row in rows)
        already, ours, is_same = 0, None, True
        for there in chain.from_iterable(map(_stored, pieces)):
            ours = next(remaining, None)
            if ours != there:
                is_same = ours is None and already > 0
                break
            already += 1
        if is_same:
            return first, len(pieces) + 1, already, remaining
    return max(sequences, default=0) + 1, 1, 0, (_line(row) for row in rows)


def _sequences(folder: Path) -> dict[int, list[Path]]:
    """Return the pieces of each file, in order."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if match := _PIECE.fullmatch(path.name):
            found.setdefault(int(match[1]), []).append(path)
    return found


def _stored(path: Path) -> Iterator[bytes]:
    with open_regular(path) as stream:
        yield from lines(stream, path)


def _write(path: Path, rows: Iterable[bytes]) -> int:
    """Write a piece of some rows, unless there are none; return how many there are."""
    first = next(iter(rows := iter(rows)), None)
    if first is None:
        return 0
    count = 0
    with new_file(path) as temporary, open(temporary, "xb") as stream:
        for row in chain([first], rows):
            stream.write(row)
            count += 1
        stream.flush()
        os.fsync(stream.fileno())
    return count


def _line(row: JsonRow) -> bytes:
    """Return a row in the nested form, whatever form it came in."""
    record: dict[str, Any] = {"ts": row.time, "step": row.step}
    record["metrics"] = {name: strict(value) for name, value in row.metrics.items()}
    if row.exact:
        record["json"] = {name: json.loads(text) for name, text in row.exact.items()}
    return dumps(record) + b"\n"
