"""Reading what LSF's commands print. Pure; sites add lines of their own anywhere, and exit codes are not relied on."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
_EVENT = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?: (.*)$", re.MULTILINE)
_CODE = re.compile(r"[Ee]xit(?:ed with exit)? code (\d+)")
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
        host: where it runs or ran.
        pending: why it waits; or nothing.
    """

    job_id: str
    stat: str
    exit_code: int | None = None
    reason: str = ""
    host: str = ""
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
                _shown(record.get("exec_host")),
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


def read_history(text: str) -> dict[str, JobRow]:
    """Return the jobs that ``bhist -l`` or ``bacct -l`` show as ended; of a requeued job the last run counts."""
    joined = _CONTINUED.sub("", text)  # both wrap their lines at column 80, within words
    starts = [*_HEADER.finditer(joined)]
    ends = [header.start() for header in starts[1:]] + [len(joined)] * bool(starts)
    rows = {}
    for header, end in zip(starts, ends, strict=True):
        job_id = from_lsf(header[1])
        row = _read_events(job_id or "", joined[header.start() : end])
        if job_id is not None and row is not None:
            rows[job_id] = row
    return rows


def _read_events(job_id: str, section: str) -> JobRow | None:
    """Return the end of one job, or None if its last event is not an end."""
    ended, code, reason = "", None, ""
    for event in _EVENT.findall(section):
        if event.startswith(("Dispatched", "Starting", "Pending", "Submitted")):
            ended, code, reason = "", None, ""  # a requeued job has several runs: the events of the last one count
        found_code, found_reason = _CODE.search(event), _REASON.search(event)
        code = int(found_code[1]) if found_code and not event.startswith("Pending") else code
        reason = found_reason[0].strip() if found_reason else reason
        if event.startswith(("Completed <", "Done successfully")):
            ended = "DONE" if event.startswith(("Completed <done", "Completed <DONE", "Done")) else "EXIT"
    if not ended:
        return None
    return JobRow(job_id, ended, code if ended == "EXIT" else None, reason)
