"""TensorBoard's event files: the scalars in them, read by `tensorboard` where that is installed.

It is imported when there is such a file and nothing else to read; it takes half a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hyperherd.errors import FormatError

PREFIX = "events.out.tfevents."
_MOST_BYTES = 1 << 32
"""Of one file; those with images and graphs are read as a whole for a few numbers."""

ScalarSeries = dict[str, list[tuple[int, float]]]
"""Tag -> steps and values, in the order in which they were logged."""


class NoReader(FormatError):
    """There are event files, and `tensorboard`, which reads them, is not installed."""


def read_events(paths: Sequence[Path]) -> ScalarSeries:
    """Return the scalars in event files.

    Of a tag that several folders have, as one for training and one for validation do, each folder's is a series of its
    own, ``folder/tag``. Of Lightning's ``version_N`` the newest counts.

    Raises:
        NoReader: `tensorboard` is not installed.
        FormatError: a file is broken.
        OSError: it may not be read.
    """
    folders: dict[Path, ScalarSeries] = {}
    for path in sorted(_newest_version(paths), key=lambda path: (path.stat().st_mtime, path.name)):
        series = folders.setdefault(path.parent, {})
        for tag, step, value in _scalars(path):
            series.setdefault(tag, []).append((step, value))
    tags = [tag for series in folders.values() for tag in series]
    return {
        tag if tags.count(tag) == 1 else f"{folder.name}/{tag}": points
        for folder, series in folders.items()
        for tag, points in series.items()
    }


def _newest_version(paths: Sequence[Path]) -> list[Path]:
    versions = {int(name[8:]) for path in paths for name in path.parts if _is_version(name)}
    newest = f"version_{max(versions)}" if versions else ""
    return [path for path in paths if newest in path.parts or not any(map(_is_version, path.parts))]


def _is_version(name: str) -> bool:
    return name.startswith("version_") and name[8:].isdecimal() and len(name) < 27


def _scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    try:
        from google.protobuf.message import DecodeError
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.compat import tf
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError:
        raise NoReader(
            "TensorBoard event files are read by tensorboard: pip install 'hydra-hyperherd[tensorboard]'"
        ) from None
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise FormatError(f"{path} is not a file of at most {_MOST_BYTES:,} bytes")
    try:
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                # The loader gives every scalar this form, whichever way it was written.
                if value.metadata.plugin_data.plugin_name == "scalars":
                    yield value.tag, event.step, float(make_ndarray(value.tensor).item())
    except (DecodeError, ValueError, TypeError, tf.errors.OpError) as error:
        raise FormatError(f"{path} is not an event file: {error}") from None
