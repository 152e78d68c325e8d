"""Rolling: closed journals become Parquet parts, and many parts one, while the trial goes on (docs/format.md, Parts).

Invariant: in any instant each row is found once, by a reader that drops the sources a part names. A training thread
never waits for this: it happens in a thread that lives as long as there is something to roll. A fork waits for a moment
in which that thread is outside of pyarrow, so that no child inherits a lock of it, or a half-imported pyarrow.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hyperherd.errors import FormatError
from hyperherd.metrics.rows.sources import JOURNAL, LEVELS, SourceName, open_here, rolling_here, this_host
from hyperherd.records.disk.atomic import FileOps, replace

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("hyperherd")

FANOUT = 16
"""Parts of one level that become one of the next."""
_PATIENCE = 10.0
"""Seconds that we wait for the last thread that writes to a journal."""

_rolling = threading.Lock()
"""Held while something is rolled, but for short pauses; a fork waits for one."""
_PAUSE = 0.0005


def make_part(
    folder: Path,
    names: Sequence[str],
    level: int,
    files: FileOps | None = None,
    pause: Callable[[], None] = lambda: None,
) -> str:
    """Replace closed journals, or parts, of one attempt by one part; return its name.

    Args:
        folder: the trial's metrics folder.
        names: names of the sources.
        level: of the part.
        files: does the file operations.
        pause: called every few thousand rows.

    Raises:
        OSError: a file cannot be read or written; no row is lost then.
    """
    from hyperherd.metrics.store import parquet
    from hyperherd.metrics.store.sorted_rows import SortedRows
    from hyperherd.metrics.summary.of_rows import summarize

    files = files or FileOps()
    about = {name: parsed for name in names if (parsed := SourceName.parse(name)) is not None}
    attempt = max(source.attempt for source in about.values())
    part = str(SourceName(attempt, this_host(), os.getpid(), secrets.token_hex(4), level))
    sources = list(about)

    def paused(rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for batch in rows:
            yield batch
            pause()

    with SortedRows(folder) as stored:
        for name in [name for name, source in about.items() if not source.is_journal]:
            file = parquet.MetricsFile(folder / name)
            # Sources of sources too: a reader may have listed a journal before its first roll, and meet its rows here.
            sources += file.footer.sources
            stored.add_file(file)
        stored.add_journals(folder, {name: source for name, source in about.items() if source.is_journal})
        stats, _ = summarize(lambda metrics: paused(stored.default_rows(metrics)), None, stored.attempts)
        # No objective: which value is best follows from all rows of a trial, and a part has some of them.
        footer = parquet.Footer(
            tuple(sources), stats, None, stored.count, stored.skipped, stored.final, stored.attempts
        )
        group = parquet.ROWS_PER_PART_GROUP
        replace(folder / part, lambda stream: parquet.write(paused(stored.batches()), footer, stream, group), files)
    # The part has its name and names them: a reader that finds both drops these.
    for name in about:
        files.remove(folder / name)
    return part


class Roller:
    """Rolls the journals of one writer, one after the other, in a thread that ends when there are none."""

    def __init__(self, folder: Path, files: FileOps | None = None) -> None:
        self._folder = folder
        self._files = files
        self._due: deque[str] = deque()
        self._parts: dict[int, list[str]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopping = False
        self._failed = False

    def add(self, journal: str) -> None:
        """Roll a journal to which nobody begins to write any more. Any thread may call this, and a signal handler."""
        rolling_here.add(journal)
        self._due.append(journal)
        # Not blocking: a signal handler may run on top of the thread that holds it, which would wait for itself.
        if not self._starting.acquire(blocking=False):
            return  # Somebody starts it right now.
        try:
            if self._thread is None or not self._thread.is_alive():
                self._stopping = False
                thread = threading.Thread(target=self._run, name="hyperherd-roll")
                thread.start()
                self._thread = thread
        except RuntimeError:
            pass  # Too late: the interpreter is going. The journal stays, and is read as it is.
        finally:
            self._starting.release()

    def finish(self) -> None:
        """Wait until what is being rolled is a part; what is due beyond that stays as it is."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
        # What is left is no longer ours to replace, so a merge in this process may take it.
        rolling_here.difference_update(self._due)
        rolling_here.difference_update(name for parts in self._parts.values() for name in parts)
        self._due.clear()
        self._parts.clear()

    def _run(self) -> None:
        while self._due and not self._stopping:
            name = self._due.popleft()
            # One to which a thread still writes stays a journal: its last line might come after we have read it.
            if _is_let_go(name):
                self._roll([name], JOURNAL + 1)
            rolling_here.discard(name)
            self._roll_parts()

    def _roll_parts(self) -> None:
        """Make one of many parts, so that there are few however long the run; the last level may grow."""
        for level in range(LEVELS - 1):
            if len(self._parts[level]) >= FANOUT and not self._stopping:
                names, self._parts[level] = self._parts[level], []
                self._roll(names, level + 1)
                rolling_here.difference_update(names)

    def _roll(self, names: list[str], level: int) -> None:
        try:
            with _rolling:
                part = make_part(self._folder, names, level, self._files, _let_others_fork)
        except (OSError, ImportError, FormatError, ValueError, MemoryError) as error:  # pyarrow raises the last two
            if not self._failed:
                self._failed = True
                logger.warning("metrics in %s stay in journal files: %s", self._folder, error)
            return
        rolling_here.add(part)
        self._parts[level].append(part)


def _let_others_fork() -> None:
    _rolling.release()
    # A lock goes to whoever asks first: without the pause this thread would mostly take it again itself.
    time.sleep(_PAUSE)
    _rolling.acquire()


def _is_let_go(journal: str) -> bool:
    """Wait until no thread writes to a journal any more; return whether that came to pass."""
    end = time.monotonic() + _PATIENCE
    while journal in open_here:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _after_fork_in_child() -> None:
    # The thread that rolls exists in the parent alone, and what it replaces is the parent's to replace.
    global _rolling
    _rolling = threading.Lock()
    rolling_here.clear()


os.register_at_fork(
    before=lambda: _rolling.acquire(),
    after_in_parent=lambda: _rolling.release(),
    after_in_child=_after_fork_in_child,
)
