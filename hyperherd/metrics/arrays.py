"""Arrays beside a trial's metrics, one `.npy` file each (docs/format.md, Arrays).

Invariant: a file with a name is complete. NumPy is imported only by who has an array, or wants one. Nothing wrong with
the disk stops the training.
"""

from __future__ import annotations

import logging
import math
import os
import tokenize
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote

from hyperherd.errors import FormatError, ResultsError
from hyperherd.metrics.rows.values import as_name, as_step
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.files import replace_bytes
from hyperherd.records.disk.guarded import open_regular
from hyperherd.records.places import Outside, leaves

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger("hyperherd")

# What NumPy raises for a header that is not one; the last is Python 3.13's word for a null byte in it.
_NOT_AN_ARRAY = (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError, tokenize.TokenError)

_warned: set[Path] = set()


def save_array(trial_dir: Path, name: str, array: Any, step: int | None = None) -> None:
    """Keep an array under a name and a step, in the place of an earlier one.

    Without NumPy nothing is kept, and a warning says so once: a library that calls this must not break a training.

    Raises:
        TypeError: it holds Python objects, or the step is not an integer.
    """
    try:
        import numpy as np
    except ModuleNotFoundError as error:
        if error.name != "numpy":  # NumPy is there, and broken: its own message helps
            raise
        _warn_once(trial_dir, "the array %r is not saved: NumPy is not installed (pip install numpy)", name)
        return
    path = _path(trial_dir, name, step)
    values = np.asarray(array)
    if values.dtype.hasobject:
        raise TypeError(f"{name!r} cannot be saved as an array: its elements are Python objects")
    data = BytesIO()
    np.save(data, values, allow_pickle=False)
    try:
        replace_bytes(path, data.getvalue(), durable=False)
    except OSError as error:
        _warn_once(path.parent, "the array %r cannot be saved: %s; later ones are still tried", name, error)


def _warn_once(place: Path, message: str, *values: object) -> None:
    if place not in _warned:
        _warned.add(place)
        logger.warning(message, *values)


def list_arrays(trial_dir: Path) -> dict[str, list[int | None]]:
    """Return the names of the arrays of a trial, and the steps of each in order; None is the one without a step."""
    found: dict[str, list[int | None]] = {}
    records = TrialPaths(trial_dir).records
    if leaves(records, trial_dir) or leaves(records / "arrays", trial_dir):
        return found
    for path in sorted((TrialPaths(trial_dir).records / "arrays").glob("*/*.npy")):
        if not path.name.startswith(".") and not _is_elsewhere(path, trial_dir):
            with suppress(TypeError, ValueError):  # Not a name of ours.
                step = None if path.stem == "final" else as_step(int(path.stem))
                found.setdefault(unquote(path.parent.name), []).append(step)
    return {name: sorted(steps, key=lambda step: (step is None, step or 0)) for name, steps in found.items()}


def read_array(trial_dir: Path, name: str, step: int | None = None) -> np.ndarray[Any, Any]:
    """Return the array of a trial under a name and a step.

    Raises:
        FileNotFoundError: there is none.
        FormatError: the file is not an array, or not as large as it says.
        Outside: a link leads to it, out of the sweep.
        ResultsError: NumPy is not installed.
    """
    path = _path(trial_dir, name, step)
    try:
        import numpy as np
    except ModuleNotFoundError:
        raise ResultsError(f"reading the array {path} needs NumPy: pip install numpy") from None
    if _is_elsewhere(path, trial_dir):
        raise Outside(f"{path} is a link that leaves the sweep; it is not followed")
    with open_regular(path) as stream:
        try:
            _check_header(stream, path)
            array: np.ndarray[Any, Any] = np.lib.format.read_array(stream, allow_pickle=False)
        except _NOT_AN_ARRAY as error:
            raise FormatError(f"{path} is not an array: {error}") from None
    return array


def _check_header(stream: BinaryIO, path: Path) -> None:
    """Refuse an array that claims more elements than the file has, before room is made for them."""
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format is not supported")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, kind = read_header(stream)
    held = os.fstat(stream.fileno()).st_size - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * max(kind.itemsize, 1) > held:
        raise FormatError(f"{path} declares an array of shape {shape}, which is larger than the file")
    stream.seek(0)


def _is_elsewhere(path: Path, trial_dir: Path) -> bool:
    """Return whether a link leaves the sweep: the file, its folder, the one of all arrays, or the records."""
    return any(leaves(part, trial_dir) for part in (path, *list(path.parents)[:3]))


def _path(trial_dir: Path, name: str, step: int | None) -> Path:
    # quote() leaves dots, and a name such as ".." would lead to another folder.
    folder = quote(as_name(name), safe=" ").replace(".", "%2E")
    stem = "final" if step is None else str(as_step(step))
    return TrialPaths(trial_dir).records / "arrays" / folder / f"{stem}.npy"
