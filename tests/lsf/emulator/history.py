"""bhist and bacct: what LSF still knows of jobs that bjobs has forgotten."""

from __future__ import annotations

from .jobs import DONE, Element
from .lifecycle import Batch
from .options import BACCT, BHIST, parse_mixed
from .report import stamp
from .selecting import filtered
from .wire import CommandError, Reply, Request

STATES = ("PEND", "PSUSP", "RUN", "USUSP", "SSUSP", "UNKWN")
LONG_RULE = "-" * 78


def wrapped(text: str, width: int = 80, indent: int = 21) -> list[str]:
    """Cut at column 80 wherever that is, go on below an indent: so LSF does with words and names."""
    lines, room = [text[:width]], width - indent
    lines += [" " * indent + text[at : at + room] for at in range(width, len(text), room)]
    return lines


def described(element: Element, status: str = "") -> str:
    """The words that begin the long forms of bjobs, bhist and bacct."""
    spec = element.job.spec
    name = f", Job Name <{element.name}>" if spec.name else ""
    placed = f", Status <{status}>, Queue <{spec.queue}>" if status else ""
    owner = f"User <{spec.user}>, Project <{spec.project}>"
    return f"Job <{element.batch_id}>{name}, {owner}{placed}, Command <{spec.command}>"


def _choose(ids: list[str], batch: Batch) -> list[Element]:
    found = []
    for text in ids:
        elements = batch.table.find(text, past=True)
        if not elements:
            raise CommandError("No matching job found")
        found += elements
    return found


def bhist(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BHIST, request.arguments)
    found = _choose(parsed.rest, batch) if parsed.rest else filtered(parsed, batch, past=True)
    if not parsed.rest and not parsed.flags & {"a", "d"}:
        found = [e for e in found if not e.over]
    if not found:
        raise CommandError("No matching job found")
    if "l" in parsed.flags:
        lines = [line for element in found for line in _long_history(element, now)]
        return Reply(lines)
    head = "JOBID   USER    JOB_NAME  " + "".join(f"{state:<8s}" for state in STATES) + "TOTAL"
    return Reply(["Summary of time in seconds spent in various states:", head, *[_row(e, now) for e in found]])


def _row(element: Element, now: float) -> str:
    times = [int(element.time_in(state, now)) for state in STATES]
    numbers = "".join(f"{seconds:<8d}" for seconds in [*times, sum(times)])
    return f"{element.batch_id:<7s} {element.job.spec.user:<7.7s} {element.name:<9.9s} {numbers}".rstrip()


def _long_history(element: Element, now: float) -> list[str]:
    spec = element.job.spec
    lines = ["", *wrapped(described(element))]
    where = f"Submitted from host <{spec.from_host}>, to Queue <{spec.queue}>, CWD <{spec.cwd}>;"
    # An exit is in the words of its own event alone; only accounts, and successes, have a "Completed <...>".
    events = [(at, text) for at, text in element.events if not text.startswith("Completed <exit>")]
    for at, text in [(element.submitted, where), *events]:
        lines += wrapped(f"{stamp(at)}: {text}", indent=26)
    times = [int(element.time_in(state, now)) for state in STATES]
    lines += ["", f"Summary of time in seconds spent in various states by  {stamp(now)}"]
    lines += ["  " + "".join(f"{state:<9s}" for state in STATES) + "TOTAL"]
    return [*lines, "  " + "".join(f"{seconds:<9d}" for seconds in times) + str(sum(times)), LONG_RULE]


def bacct(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BACCT, request.arguments)
    found = _choose(parsed.rest, batch) if parsed.rest else filtered(parsed, batch, past=True)
    over = [e for e in found if e.over]
    if parsed.rest and not over:
        raise CommandError("No matching job found")
    lines = [
        "",
        "Accounting information about jobs that are:",
        "  - submitted by all users.",
        "  - accounted on all projects.",
        "  - completed normally or exited",
        "  - executed on all hosts.",
        "  - submitted to all queues.",
        "  - accounted on all service classes.",
        LONG_RULE,
    ]
    if "l" in parsed.flags:
        lines += [line for element in over for line in _account(element)]
    done = sum(element.state == DONE for element in over)
    return Reply(
        [
            *lines,
            "",
            "SUMMARY:      ( time unit: second )",
            f" Total number of done jobs:   {done:5d}      Total number of exited jobs: {len(over) - done:5d}",
        ]
    )


def _account(element: Element) -> list[str]:
    spec = element.job.spec
    lines = ["", *wrapped(f"{described(element, element.state)}, Share group charged </{spec.user}>")]
    out = f", Output File <{spec.out}>" if spec.out else ""
    submitted = f"Submitted from host <{spec.from_host}>, CWD <{spec.cwd}>{out};"
    events = [(at, text) for at, text in element.events if text.startswith(("Dispatched", "Completed"))]
    for at, text in [(element.submitted, submitted), *events]:
        lines += wrapped(f"{stamp(at, year=False)}: {text}")
    wait = int(element.time_in("PEND", 0))
    turnaround = int((element.ended or 0) - element.submitted)
    numbers = f"{element.cpu:5.2f} {wait:8d} {turnaround:14d} {element.state.lower():>8s} {0:14.4f}"
    return [
        *lines,
        "",
        "Accounting information about this job:",
        f"     Share group charged </{spec.user}>",
        "     CPU_T     WAIT     TURNAROUND   STATUS     HOG_FACTOR    MEM    SWAP",
        f"     {numbers} {element.peak >> 20:5d}M {0:6d}M",
        LONG_RULE,
    ]
