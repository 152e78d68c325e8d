"""Reading what LSF's commands print. Pure; sites add lines of their own anywhere, and exit codes are not relied on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hyperherd.launch.lsf.ids import from_lsf

DELIMITER = "^"
FIELDS = (
    ("jobid", "jobindex", "stat", "exit_code", "exec_host", "pend_reason", "exit_reason"),
    ("jobid", "jobindex", "stat", "exit_code", "exec_host", "exit_reason"),
    ("jobid", "jobindex", "stat", "exit_code", "exec_host"),
    ("jobid", "jobindex", "stat"),
)
"""What is asked of bjobs; older versions of LSF know fewer fields."""

NAME_FIELDS = ("jobid", "jobindex", "job_name", "job_description")

_SUBMITTED = re.compile(r"Job <(\d+)> is submitted")
_NOT_FOUND = re.compile(r"Job <(\d+(?:\[\d+\])?)> is not found")
_NONE = re.compile(r"Job <[^>]*> is not found|No (?:unfinished |matching )?job found", re.IGNORECASE)
_STATE = re.compile("PEND|PROV|PSUSP|RUN|USUSP|SSUSP|DONE|EXIT|UNKWN|WAIT|ZOMBI|POST_DONE|POST_ERR")
_HEADER = re.compile(r"^Job <(\d+(?:\[\d+\])?)>", re.MULTILINE)
_NAME = re.compile(r"^Job <[^>]*>, Job Name <([^>\[]*)")
_EVENT = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?: (.*)$", re.MULTILINE)
_CODE = re.compile(r"[Ee]xit(?:ed with exit)? code (\d+)")
_BY_SIGNAL = re.compile(r"Exited by signal (\d+)")
_REQUESTED = re.compile(r"Signal <(KILL|TERM|INT|REQUEUE_PEND|REQUEUE_PSUSP)> requested by")
_DISPATCHED = re.compile(r"Dispatched .*?<([^>]*)>|Dispatched")
_REASON = re.compile(r"TERM_[A-Z_]+(?:: [^.;]*)?")
_CONTINUED = re.compile(r"\n {10,}")


@dataclass(frozen=True)
class JobRow:
    """One job as LSF shows it.

    Attributes:
        job_id: submitit's.
        stat: LSF's state; one of them, whatever else may be missing.
        exit_code: None where LSF shows none, which it does for many that have exited.
        reason: why LSF ended it, ``TERM_OWNER: job killed by owner``; or nothing.
        host: where it runs or ran; empty if it has not started, None if LSF was not asked.
        pending: why it waits; or nothing.
    """

    job_id: str
    stat: str
    exit_code: int | None = None
    reason: str = ""
    host: str | None = None
    pending: str = ""

    @property
    def words(self) -> str:
        """All of it, for people."""
        parts = [self.stat]
        if self.exit_code is not None and self.stat != "DONE":
            parts.append(f"exit code {self.exit_code}")
        parts += [self.reason] if self.reason else []
        return ", ".join(parts) + (f", on {self.host}" if self.host else "")


def read_submitted(text: str) -> str | None:
    """Return the job id that bsub printed among whatever else, or None if it did not submit."""
    found = _SUBMITTED.search(text)
    return found[1] if found else None


def read_rows(text: str, fields: tuple[str, ...]) -> dict[str, JobRow]:
    """Return the jobs that bjobs listed, by id; `fields` are those it was asked for, and every other line is noise."""
    rows = {}
    for record in _records(text, fields):
        job_id = from_lsf(record["jobid"], record["jobindex"])
        if job_id is not None and _STATE.fullmatch(record["stat"]):
            code = record.get("exit_code", "")
            rows[job_id] = JobRow(
                job_id,
                record["stat"],
                int(code) if code.isdigit() else None,
                _shown(record.get("exit_reason")),
                _shown(record["exec_host"]) if "exec_host" in record else None,
                _shown(record.get("pend_reason")).strip("; "),
            )
    return rows


def read_named(text: str) -> list[tuple[str, str, str]]:
    """Return the id, the name without an array's brackets, and the description of jobs asked for with NAME_FIELDS."""
    named = []
    for record in _records(text, NAME_FIELDS):
        job_id = from_lsf(record["jobid"], record["jobindex"])
        if job_id is not None:
            name = re.sub(r"\[[^\]]*\](?:%\d+)?$", "", record["job_name"])
            named.append((job_id, name, _shown(record["job_description"])))
    return named


def _records(text: str, fields: tuple[str, ...]) -> Iterable[dict[str, str]]:
    for line in text.splitlines():
        # The last cell keeps further delimiters: a description is free text.
        cells = [cell.strip() for cell in line.split(DELIMITER, len(fields) - 1)]
        if len(cells) == len(fields):
            yield dict(zip(fields, cells, strict=True))


def _shown(cell: str | None) -> str:
    return "" if cell in (None, "-") else str(cell)


def read_not_found(text: str) -> frozenset[str]:
    """Return the ids (submitit's) of the jobs that LSF reports as not found."""
    return frozenset(job_id for text_id in _NOT_FOUND.findall(text) if (job_id := from_lsf(text_id)))


def says_none(text: str) -> bool:
    """Return whether LSF reports that it found no job, or not all of those asked for."""
    return bool(_NONE.search(text))


def unwrapped(text: str) -> str:
    """Return what ``-l`` of bjobs, bhist or bacct prints in whole lines: they cut at column 80, within words."""
    return _CONTINUED.sub("", text)


def read_history(text: str) -> dict[str, JobRow | None]:
    """Return the jobs that ``bhist -l`` or ``bacct -l`` show: how their last run ended, or None if it has not."""
    return {job_id: _read_events(job_id, section) for job_id, section in _sections(text)}


def read_past_names(text: str) -> dict[str, str]:
    """Return the names of the jobs that ``bhist -l`` shows, without an array's brackets."""
    found = ((job_id, _NAME.match(section)) for job_id, section in _sections(text))
    return {job_id: name[1] for job_id, name in found if name}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    joined = unwrapped(text)
    starts = [*_HEADER.finditer(joined)]
    ends = [header.start() for header in starts[1:]] + [len(joined)] * bool(starts)
    for header, end in zip(starts, ends, strict=True):
        if job_id := from_lsf(header[1]):
            yield job_id, joined[header.start() : end]


def asks_for_requeue(text: str) -> bool:
    """Return whether ``bjobs -l`` shows that somebody asked for the present run of the job to end and be repeated."""
    for event in reversed(_EVENT.findall(unwrapped(text))):
        if found := _REQUESTED.match(event):
            return found[1].startswith("REQUEUE")
        if event.startswith(("Dispatched", "Started", "Starting")):
            return False
    return False


def _read_events(job_id: str, section: str) -> JobRow | None:
    """Return the end of one job, or None if its last event is not an end."""
    ended, code, reason, host = "", None, "", ""
    for event in _EVENT.findall(section):
        if event.startswith(("Dispatched", "Starting", "Pending", "Submitted")):
            ended, code, reason = "", None, ""  # a requeued job has several runs: the events of the last one count
        if found := _DISPATCHED.match(event):
            host = found[1] or "?"
        if not event.startswith("Pending"):
            code = _exit_code(event, code)
        reason = _end_reason(event) or reason
        if event.startswith(("Completed <", "Done successfully", "Exited")):
            # An exit is "Exited with exit code 3." alone in bhist, and "Completed <exit>" in bacct.
            ended = "DONE" if event.startswith(("Completed <done", "Completed <DONE", "Done")) else "EXIT"
    if not ended:
        return None
    return JobRow(job_id, ended, code if ended == "EXIT" else None, reason if ended == "EXIT" else "", host)


def _exit_code(event: str, known: int | None) -> int | None:
    if found := _BY_SIGNAL.match(event):
        return 128 + int(found[1])
    found = _CODE.search(event)
    return int(found[1]) if found else known


def _end_reason(event: str) -> str:
    """Return why LSF ends a job, as an event shows it; without a TERM_ word, who asked for it is all that is known."""
    if found := _REASON.search(event):
        return found[0].strip()
    found = _REQUESTED.match(event)
    if found is None:
        return ""
    return f"{'TERM_REQUEUE_OWNER' if found[1].startswith('REQUEUE') else 'TERM_OWNER'}: {event.rstrip(';. ')}"
