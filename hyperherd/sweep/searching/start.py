"""Which sweep a search goes on with, if any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyperherd.errors import SweepError
from hyperherd.records.sweep import SweepRecord
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.resuming.resume import check_folder, resumed_dir
from hyperherd.sweep.searching.search import Search
from hyperherd.sweep.settings import SweepSettings


def find_search(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> tuple[Path | None, Search]:
    """Return the directory of the sweep to resume, if one was named, and the search.

    Raises:
        SweepError: there is no such sweep, somebody else could have written it, or the sampler cannot be used.
        SpaceError: the space cannot be read.
    """
    if settings.resume is None:
        return None, Search(app, arguments, settings)
    sweep_dir = resumed_dir(app, settings.resume, shared=settings.shared)
    check_folder(sweep_dir, shared=settings.shared)
    typed = [str(text) for text in SweepRecord.read(sweep_dir).space.get("overrides") or ()]
    if not arguments and typed:
        if settings.shared:
            raise SweepError(
                f"hydra.sweeper.resume: {sweep_dir} was searched with {' '.join(typed)}, which is not taken from a "
                "folder that others can write to; repeat it on the command line"
            )
        arguments = typed
    return sweep_dir, Search(app, arguments, settings)
