"""Jobs and the elements of arrays, with every state they were in. A plain job is an element with index 0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .wire import CommandError

PEND, PSUSP, RUN, USUSP, SSUSP, UNKWN, ZOMBI, DONE, EXIT = (
    "PEND", "PSUSP", "RUN", "USUSP", "SSUSP", "UNKWN", "ZOMBI", "DONE", "EXIT",
)  # fmt: skip
WAITING = (PEND, PSUSP)
STARTED = (RUN, USUSP, SSUSP, UNKWN)
FINISHED = (DONE, EXIT)

REASONS = {
    "TERM_OWNER": "job killed by owner",
    "TERM_FORCE_OWNER": "job killed by owner without time for cleanup",
    "TERM_RUNLIMIT": "job killed after reaching LSF run time limit",
    "TERM_MEMLIMIT": "job killed after reaching LSF memory usage limit",
    "TERM_REQUEUE_OWNER": "job killed and requeued by owner",
    "TERM_ORPHAN_SYSTEM": "orphaned job was terminated automatically by LSF",
    "TERM_UNKNOWN": "LSF cannot determine a termination reason",
    "TERM_ZOMBI": "job was a zombie",
    "TERM_ZOMBIE": "job was a zombie",
}


@dataclass
class Submission:
    """What bsub was asked for, its values understood."""

    script: str
    command: str
    cwd: str
    environ: dict[str, str]
    umask: int
    user: str
    from_host: str
    queue: str
    queue_asked: bool = False
    name: str = ""
    indices: list[int] = field(default_factory=list)
    array_spec: str = ""
    array_limit: int = 0
    step: int = 1
    out: str | None = None
    err: str | None = None
    out_overwrites: bool = False
    err_overwrites: bool = False
    report_by_mail: bool = False
    run_limit: float | None = None  # minutes
    warning: tuple[str, float] | None = None  # signal, minutes before the run limit
    requeue_codes: frozenset[int] = frozenset()
    exclude_codes: frozenset[int] = frozenset()
    slots: int = 1
    resources: list[str] = field(default_factory=list)
    ptile: int = 0
    one_host: bool = False
    gpus: int = 0
    gpu_request: str = ""
    gpus_exclusive: bool = False
    memory_limit: int = 0  # bytes
    hosts: list[str] = field(default_factory=list)
    exclusive: bool = False
    rerunnable: bool = False
    held: bool = False
    dependency: str = ""
    dies_with_dependency: bool = False
    priority: int = 0
    project: str = "default"
    group: str = ""
    app: str = ""
    description: str = ""
    exec_cwd: str = ""


@dataclass
class Ending:
    """A job on its way out: why, and which signal is due when."""

    reason: str
    steps: list[tuple[float, str]]
    then: str = EXIT  # DONE for bkill -d, PEND for brequeue, PSUSP for brequeue -H


@dataclass
class Element:
    """One job that can run: state now, what its runs left behind, what happened when."""

    job: Job
    index: int
    order: tuple[int, int, int]
    state: str = PEND
    since: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    events: list[tuple[float, str]] = field(default_factory=list)
    pend_reason: str = "New job is waiting for scheduling"
    runs: int = 0
    restarted: bool = False
    requeues: int = 0
    submitted: float = 0.0
    started: float | None = None
    ended: float | None = None
    ran: float = 0.0  # seconds in RUN that the run limit counts, up to `since`
    warned: bool = False
    limited: bool = False
    pid: int = 0
    hosts: list[str] = field(default_factory=list)  # one for each slot
    gpus: list[int] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)
    spool: str = ""
    ending: Ending | None = None
    requeue_at: tuple[float, str] | None = None  # EXIT that will be PEND or PSUSP again
    code: int | None = None
    exited_by_itself: bool = False  # with a code, not by a signal
    reason: str = ""
    cpu: float = 0.0
    peak: int = 0  # bytes

    @property
    def batch_id(self) -> str:
        return f"{self.job.id}[{self.index}]" if self.index else str(self.job.id)

    @property
    def name(self) -> str:
        spec = self.job.spec
        return f"{spec.name}[{self.index}]" if self.index else spec.name or spec.command

    def turn(self, state: str, now: float, event: str = "") -> None:
        """Enter a state; the time in the last one is added up."""
        passed = now - self.since
        self.spent[self.state] = self.spent.get(self.state, 0.0) + passed
        if self.state == RUN:
            self.ran += passed
        self.state, self.since = state, now
        if event:
            self.events.append((now, event))

    def time_in(self, state: str, now: float) -> float:
        running = now - self.since if self.state == state and not self.over else 0.0
        return self.spent.get(state, 0.0) + running

    def run_seconds(self, now: float) -> float:
        """Seconds that count for the run limit."""
        return self.ran + (now - self.since if self.state == RUN else 0.0)

    @property
    def over(self) -> bool:
        return self.state in FINISHED and self.requeue_at is None


@dataclass
class Job:
    id: int
    spec: Submission
    elements: list[Element] = field(default_factory=list)


ID = re.compile(r"(\d+)(?:\[([\d,:\-]+)\])?$")


class Table:
    """All jobs of the cluster: those a query finds, and those that only history knows."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.history: dict[int, Job] = {}
        self.last_id = 0
        self.last_order = 0

    def add(self, spec: Submission, now: float, max_jobid: int) -> Job:
        while True:
            self.last_id = self.last_id + 1 if self.last_id < max_jobid else 1
            if self.last_id not in self.jobs:
                break
        job = Job(self.last_id, spec)
        state = PSUSP if spec.held else PEND
        for index in spec.indices or [0]:
            self.last_order += 1
            order = (-spec.priority, 1, self.last_order)
            job.elements.append(Element(job, index, order, state, since=now, submitted=now))
        self.jobs[job.id] = self.history[job.id] = job
        return job

    def elements(self) -> Iterator[Element]:
        for job in self.jobs.values():
            yield from job.elements

    def clean(self, before: float) -> None:
        """Forget what ended earlier than that; history keeps it."""
        for job in list(self.jobs.values()):
            kept = [e for e in job.elements if not (e.over and e.ended is not None and e.ended < before)]
            if not kept:
                del self.jobs[job.id]
            elif len(kept) < len(job.elements):
                if self.history[job.id] is job:
                    self.history[job.id] = Job(job.id, job.spec, list(job.elements))
                job.elements = kept

    def find(self, text: str, past: bool = False) -> list[Element]:
        """The elements that an id such as 12, 12[3] or 12[1-3,7] names; those that are not there are left out."""
        found = ID.match(text)
        if not found:
            raise CommandError(f"{text}: Illegal job ID.")
        job = (self.history if past else self.jobs).get(int(found[1]))
        if job is None:
            return []
        if found[2] is None:
            return list(job.elements)
        try:
            wanted = set(parse_indices(found[2]))
        except ValueError:
            raise CommandError(f"{text}: Illegal job ID.") from None
        return [e for e in job.elements if e.index in wanted]


def parse_indices(text: str) -> list[int]:
    """1-4:2,9 as a list of positive numbers; a ValueError says what is wrong."""
    indices: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if not found:
            raise ValueError(f"Bad job array index list <{text}>")
        first, step = int(found[1]), int(found[3] or 1)
        last = int(found[2] or first)
        if first < 1 or step < 1 or last < first:
            raise ValueError(f"Bad job array index list <{text}>")
        indices.extend(range(first, last + 1, step))
    return sorted(set(indices))
