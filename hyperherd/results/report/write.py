"""The report: everything about some trials in one HTML file that needs no network.

`gather` takes plain data from the trials, `sampling` thins their curves, `page` puts data, charts and style into one
file. What a browser runs is ours (`assets/*.js`) and Apache ECharts, unchanged; nothing that comes from a trial is ever
read as HTML or as code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperherd.errors import ResultsError
from hyperherd.records.disk.files import create_bytes, replace_bytes
from hyperherd.results.report.gather import gather
from hyperherd.results.report.page import page
from hyperherd.results.trials.collection import TrialCollection

__all__ = ["WrittenReport", "write_report"]


@dataclass(frozen=True)
class WrittenReport:
    """A report on disk."""

    path: Path
    notes: list[str]
    """What is missing in it, and why."""


def write_report(
    trials: TrialCollection, path: Path | str, *, command: str = "", replace: bool = False
) -> WrittenReport:
    """Write the report of `trials` to `path`.

    Args:
        trials: of any sweeps.
        path: the HTML file; its folder must exist.
        command: what was typed to make it.
        replace: whether a file that exists may be replaced.

    Raises:
        ResultsError: `path` exists, or cannot be written.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise ResultsError(f"{path} already exists; choose another file with -o, or use --force to overwrite it")
    document, notes = gather(trials, command)
    data = page(document)
    try:
        if replace:
            replace_bytes(path, data, durable=False)
        else:
            create_bytes(path, data)
    except FileExistsError:
        raise ResultsError(
            f"{path} already exists; choose another file with -o, or use --force to overwrite it"
        ) from None
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from None
    return WrittenReport(path, notes)
