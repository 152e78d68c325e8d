"""Arrays beside a trial's metrics, one `.npy` file each (docs/format.md, Arrays).

Invariant: a file with a name is complete. NumPy is imported only by who has an array, or wants one. Nothing wrong with
the disk stops the training.
"""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from hyperherd.metrics.rows.values import as_name, as_step
from hyperherd.paths import TrialPaths
from hyperherd.records.files import replace_bytes
from hyperherd.records.places import Outside, leaves

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger("hyperherd")

_warned: set[Path] = set()


def save_array(trial_dir: Path, name: str, array: Any, step: int | None = None) -> None:
    """Keep an array under a name and a step, in the place of an earlier one.

    Raises:
        TypeError: it holds Python objects, or the step is no integer.
    """
    import numpy as np

    path = _path(trial_dir, name, step)
    values = np.asarray(array)
    if values.dtype.hasobject:
        raise TypeError(f"{name!r} is no array that a file can hold: its elements are Python objects")
    data = BytesIO()
    np.save(data, values, allow_pickle=False)
    try:
        replace_bytes(path, data.getvalue(), durable=False)
    except OSError as error:
        if path.parent not in _warned:
            _warned.add(path.parent)
            logger.warning("the array %r cannot be kept: %s; still trying", name, error)


def list_arrays(trial_dir: Path) -> dict[str, list[int | None]]:
    """Return the names of the arrays of a trial, and the steps of each in order; None is the one without a step."""
    found: dict[str, list[int | None]] = {}
    records = TrialPaths(trial_dir).records
    if leaves(records, trial_dir) or leaves(records / "arrays", trial_dir):
        return found
    for path in sorted((TrialPaths(trial_dir).records / "arrays").glob("*/*.npy")):
        if not path.name.startswith(".") and not _is_elsewhere(path, trial_dir):
            step = None if path.stem == "final" else int(path.stem)
            found.setdefault(unquote(path.parent.name), []).append(step)
    return {name: sorted(steps, key=lambda step: (step is None, step or 0)) for name, steps in found.items()}


def read_array(trial_dir: Path, name: str, step: int | None = None) -> np.ndarray[Any, Any]:
    """Return the array of a trial under a name and a step.

    Raises:
        FileNotFoundError: there is none.
        Outside: a link leads to it, out of the sweep.
    """
    import numpy as np

    path = _path(trial_dir, name, step)
    if _is_elsewhere(path, trial_dir):
        raise Outside(f"{path} leads out of the sweep; it is not followed")
    array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    return array


def _is_elsewhere(path: Path, trial_dir: Path) -> bool:
    """Return whether a link leads out of the sweep: the file, its folder, the one of all arrays, or the records."""
    return any(leaves(part, trial_dir) for part in (path, *list(path.parents)[:3]))


def _path(trial_dir: Path, name: str, step: int | None) -> Path:
    folder = quote(as_name(name), safe=" ").replace(".", "%2E")
    stem = "final" if step is None else str(as_step(step))
    return TrialPaths(trial_dir).records / "arrays" / folder / f"{stem}.npy"
