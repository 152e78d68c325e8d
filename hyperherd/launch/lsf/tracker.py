"""The states of jobs, over many polls: the one memory behind submitit's watcher and our own launcher.

One answer of LSF is not the truth. A requeued job shows as EXIT for some seconds, a finished one is forgotten after
CLEAN_PERIOD, and daemons that restart answer with nothing; so an end counts when LSF explains or repeats it, and a
poll without an answer changes nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hyperherd.launch.commands import CommandResult
from hyperherd.launch.lsf.commands import Patience, is_trouble, run
from hyperherd.launch.lsf.ids import base_of, sort_key
from hyperherd.launch.lsf.parsing import (
    DELIMITER,
    FIELDS,
    NAME_FIELDS,
    JobRow,
    read_history,
    read_named,
    read_not_found,
    read_past_names,
    read_rows,
    says_none,
)
from hyperherd.launch.lsf.states import has_exited, is_explained, submitit_state, wants_requeue
from hyperherd.schedulers import SchedulerUnavailable

_IDS_A_CALL = 200
_MISSES = 3


@dataclass(frozen=True)
class Seen:
    """What is known of one job.

    Attributes:
        state: in submitit's words.
        row: the last that LSF reported of it; None if LSF has forgotten it.
        note: a remark, for people.
    """

    state: str
    row: JobRow | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """All of it, for people."""
        return "; ".join(part for part in (self.row.words if self.row else "", self.note) if part)


@dataclass(frozen=True)
class Timing:
    """How long things that may still change are waited for, in seconds.

    Attributes:
        exit: after the first EXIT without a reason, before it counts.
        requeue: after the EXIT of a job that is to be requeued.
        history: between two queries of the history of the same job, which is slow.
    """

    exit: float = 10.0
    requeue: float = 120.0
    history: float = 60.0


@dataclass
class Tracker:
    """Follows jobs. What it keeps of a job can be lost without harm: it then takes a poll or two more."""

    patience: Patience = field(default_factory=Patience)
    timing: Timing = field(default_factory=Timing)
    clock: Callable[[], float] = time.monotonic
    marker_of: Callable[[str], Path | None] = lambda job_id: None
    """Returns the marker file by which a job asks to be requeued, if it is known."""
    cancelled: set[str] = field(default_factory=set)
    """Jobs that we have cancelled."""
    _seen: dict[str, Seen] = field(default_factory=dict)
    _exits: dict[str, float] = field(default_factory=dict)
    _misses: dict[str, int] = field(default_factory=dict)
    _histories: dict[str, tuple[float, dict[str, JobRow | None] | None]] = field(default_factory=dict)
    _unreachable: set[str] = field(default_factory=set)
    _fields: int = 0

    def poll(self, job_ids: Collection[str]) -> dict[str, Seen]:
        """Ask LSF about all these jobs and return what is known; those it never mentioned are absent.

        Raises:
            SchedulerUnavailable: it did not answer at all.
        """
        # One id for a whole array: bjobs lists its elements, and a command line has a limit.
        bases = sorted({base_of(job_id) for job_id in job_ids}, key=int)
        rows, unknown = self._ask_all(bases)
        answered = {base_of(job_id) for job_id in rows}
        for job_id in sorted(job_ids, key=sort_key):
            if job_id in rows:
                self._misses.pop(job_id, None)
                self._seen[job_id] = self._judge(rows[job_id])
            elif job_id in unknown or base_of(job_id) in unknown | answered:
                self._miss(job_id)
        return {job_id: self._seen[job_id] for job_id in job_ids if job_id in self._seen}

    def find(self, name: str) -> list[tuple[str, str]]:
        """Return id and description of the jobs of this name, in the order of their array, ended ones too.

        Raises:
            SchedulerUnavailable: LSF does not answer.
        """
        answer = self._bjobs(NAME_FIELDS, ["-J", f"{name}*"])  # the star is for the [4] of an array's elements
        named = [(job_id, text) for job_id, known, text in read_named(answer.stdout) if known == name]
        if not named and (is_trouble(answer) or (answer.text and not says_none(answer.text))):
            raise SchedulerUnavailable(answer.text)
        return sorted(named, key=lambda found: sort_key(found[0]))

    def remembered(self, job_ids: Collection[str], name: str) -> set[str]:
        """Return those of these jobs that LSF's history has under this name; their states are known from then on.

        bjobs forgets a job after CLEAN_PERIOD, and may lose sight of one that runs.

        Raises:
            SchedulerUnavailable: LSF does not answer.
        """
        found = set()
        for base in {base_of(job_id) for job_id in job_ids}:
            history = run(["bhist", "-l", "-n", "0", base], self.patience)
            past = read_past_names(history.stdout)
            if not past and is_trouble(history) and shutil.which("bhist"):
                raise SchedulerUnavailable(history.text)
            named = {job_id for job_id, known in past.items() if known == name}
            rows = self._history(base) or {} if named.intersection(job_ids) else {}
            for job_id in named.intersection(job_ids):
                row = rows.get(job_id) or JobRow(job_id, "RUN")
                self._seen[job_id] = Seen(submitit_state(row), row, "from LSF's history")
                found.add(job_id)
        return found

    def _ask_all(self, bases: list[str]) -> tuple[dict[str, JobRow], frozenset[str]]:
        rows: dict[str, JobRow] = {}
        unknown: frozenset[str] = frozenset()
        silence = ""
        for start in range(0, len(bases), _IDS_A_CALL):
            answer = self._ask(bases[start : start + _IDS_A_CALL])
            found = read_rows(answer.stdout, FIELDS[self._fields])
            missing = read_not_found(answer.text)
            # Exit codes are useless here: bjobs exits with 255 for one unknown id although it lists the others.
            if not found and not missing:
                silence = answer.text or "bjobs printed nothing"
            rows.update(found)
            unknown |= missing
        if silence and not rows and not unknown:
            raise SchedulerUnavailable(silence)
        return rows, unknown

    def _ask(self, bases: list[str]) -> CommandResult:
        """Ask bjobs, with fewer fields from now on if this version of LSF does not know all of them."""
        answer = self._bjobs(FIELDS[self._fields], bases)
        for fewer in range(self._fields + 1, len(FIELDS)):
            if (
                is_trouble(answer)
                or not answer.text
                or says_none(answer.text)
                or read_rows(answer.stdout, FIELDS[fewer - 1])
            ):
                break
            answer = self._bjobs(FIELDS[fewer], bases)
            if read_rows(answer.stdout, FIELDS[fewer]):
                self._fields = fewer
        return answer

    def _bjobs(self, fields: Iterable[str], which: list[str]) -> CommandResult:
        shown = f"{' '.join(fields)} delimiter='{DELIMITER}'"
        return run(["bjobs", "-a", "-noheader", "-o", shown, *which], self.patience)

    def _judge(self, row: JobRow) -> Seen:
        """Return what a row means, given what was seen before."""
        marked = self._is_marked(row.job_id)
        if row.stat == "UNKWN":
            self._unreachable.add(row.job_id)
        elif row.stat != "EXIT":
            self._unreachable.discard(row.job_id)
        if not has_exited(row):
            self._exits.pop(row.job_id, None)
            held = row.stat == "PSUSP" and marked
            return Seen(
                submitit_state(row),
                row,
                "held, not requeued (MAX_JOB_REQUEUE?); release it with bresume" if held else "",
            )
        age = self.clock() - self._exits.setdefault(row.job_id, self.clock())
        # bkill sends SIGINT first: a job that ends by it may show exit code 130 without TERM_OWNER.
        if row.job_id in self.cancelled and not is_explained(row):
            return Seen("CANCELLED", row)
        if (marked and not is_explained(row)) or wants_requeue(row):
            if age < self.timing.requeue:
                return Seen("REQUEUED", row)
            return Seen("FAILED", row, "the job asked to be requeued, but LSF did not requeue it")
        if row.job_id in self._unreachable and row.exit_code is None and not row.reason:
            return Seen("NODE_FAIL", row, "its host had stopped answering")
        if is_explained(row) or age >= self.timing.exit:
            return Seen(submitit_state(row), row)
        return Seen("COMPLETING", row, "the job may be requeued")

    def _is_marked(self, job_id: str) -> bool:
        marker = self.marker_of(job_id)
        return marker is not None and marker.exists()

    def _miss(self, job_id: str) -> None:
        """Note that LSF no longer has a job; after some times its history is asked."""
        self._misses[job_id] = self._misses.get(job_id, 0) + 1
        # bhist reads the event log of the whole cluster, which is slow: only after several polls without the job.
        if self._misses[job_id] < _MISSES:
            return
        rows = self._history(base_of(job_id))
        if rows is None:
            return
        if row := rows.get(job_id):
            self._seen[job_id] = Seen(submitit_state(row), row, "from LSF's history")
        elif job_id not in rows:  # else it has not ended: bjobs has lost sight of it for a while
            self._seen[job_id] = Seen(
                "FAILED", None, "NOT_FOUND: neither bjobs nor LSF's history knows the job any more"
            )

    def _history(self, base: str) -> dict[str, JobRow | None] | None:
        """Return the ended jobs of an id, asked for once in a while; None if they could not be asked."""
        asked, rows = self._histories.get(base, (float("-inf"), None))
        if self.clock() - asked >= self.timing.history:
            rows = self._ask_history(base)
            self._histories[base] = (self.clock(), rows)
        return rows

    def _ask_history(self, base: str) -> dict[str, JobRow | None] | None:
        # -n 0 searches all event logs, not only the current one; bacct knows jobs that they have dropped.
        history = run(["bhist", "-l", "-n", "0", base], self.patience)
        rows = read_history(history.stdout)
        if rows and not any(row is not None and row.stat == "EXIT" and not row.reason for row in rows.values()):
            return rows
        # Only accounts name a reason (TERM_MEMLIMIT): bhist prints the exit code, and nothing after it.
        accounts = run(["bacct", "-l", base], self.patience)
        for job_id, ended in read_history(accounts.stdout).items():
            known = rows.get(job_id, ended)
            if known is not None and ended is not None:
                rows[job_id] = replace(known, reason=known.reason or ended.reason)
        return None if not rows and (is_trouble(history) or is_trouble(accounts)) else rows
