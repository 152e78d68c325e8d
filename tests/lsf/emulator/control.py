"""bkill, bstop, bresume, brequeue, bmod."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import processes, values
from .dependency import check
from .jobs import DONE, EXIT, FINISHED, PEND, PSUSP, RUN, STARTED, USUSP, WAITING, Element, Ending, Submission
from .lifecycle import Batch, finish, requeue
from .options import BKILL, BMOD, BREQUEUE, BRESUME, BSTOP, Parsed, parse_mixed
from .selecting import filtered
from .submit import READERS, read_requirements
from .wire import CommandError, Reply, Request

FINISHED_ALREADY = "Job has already finished"
NOT_FOUND = "No matching job found"

Act = Callable[[Element], str | None]  # what is wrong, or None


def each(parsed: Parsed, batch: Batch, act: Act, done: str) -> Reply:
    """Act on all that the command line names, one line each; one that fails makes the exit code 255."""
    reply = Reply()
    for text, elements in _targets(parsed, batch):
        if not elements:
            reply.fail(f"Job <{text}>: {NOT_FOUND}")
        elif "[" in text:
            for element in elements:
                _tell(reply, element.batch_id, [act(element)], done)
        else:
            _tell(reply, text, [act(element) for element in elements], done)
    return reply


def _targets(parsed: Parsed, batch: Batch) -> list[tuple[str, list[Element]]]:
    """The ids of the command line; for 0 all jobs that the filters let through, without an id the last of them."""
    if parsed.rest and parsed.rest != ["0"]:
        return [(text, batch.find(text)) for text in parsed.rest]
    if not parsed.rest and not parsed.values.keys() & {"J", "q", "u", "m"}:
        raise CommandError("Job ID, or one of the options -J, -m, -u, -q, must be specified")
    alive = [element for element in filtered(parsed, batch) if not element.over]
    if not alive:
        raise CommandError(NOT_FOUND)
    by_element = "[" in parsed.values.get("J", "")
    found: dict[str, list[Element]] = {}
    for element in alive:
        found.setdefault(element.batch_id if by_element else str(element.job.id), []).append(element)
    targets = list(found.items())
    return targets if parsed.rest else targets[-1:]


def _tell(reply: Reply, name: str, problems: list[str | None], done: str) -> None:
    if None in problems:
        reply.out.append(f"Job <{name}> {done}")
    else:
        other = [problem for problem in problems if problem and problem != FINISHED_ALREADY]
        reply.fail(f"Job <{name}>: {(other or [FINISHED_ALREADY])[0]}")


def bkill(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BKILL, request.arguments)
    name = values.signal_name(parsed.values["s"]) if "s" in parsed.values else ""
    if {"r", "d"} <= parsed.flags or (name and parsed.flags & {"r", "d"}):
        raise CommandError("bkill: Options -r, -d and -s cannot be used together")

    def kill(element: Element) -> str | None:
        return _kill(element, batch, now, name, parsed.flags)

    done = "is being signaled" if name not in ("", "KILL") else "is being terminated"
    return each(parsed, batch, kill, done)


def _kill(element: Element, batch: Batch, now: float, name: str, flags: set[str]) -> str | None:
    if element.over:
        return FINISHED_ALREADY
    state = DONE if "d" in flags else EXIT
    if element.state in (*WAITING, EXIT):
        if name not in ("", "KILL", "INT", "TERM"):
            return "Job has not started yet"
        element.events.append(
            (now, f"Signal <{name or 'KILL'}> requested by user or administrator <{_owner(element)}>")
        )
        element.reason = "TERM_FORCE_OWNER" if "r" in flags else "TERM_OWNER"
        finish(element, state, now)
        return None
    if name not in ("", "KILL"):
        _signal(element, batch, name)
        return None
    if "r" in flags:
        element.ending, element.reason = Ending("TERM_FORCE_OWNER", [(now, "KILL")]), "TERM_FORCE_OWNER"
        element.code = 137
        finish(element, EXIT, now)
        return None
    if element.ending and not name:
        return "Operation is in progress"
    element.events.append((now, f"Signal <{name or 'TERM'}> requested by user or administrator <{_owner(element)}>"))
    batch.end(element, "TERM_OWNER", now, state, at_once=name == "KILL")
    return None


def _owner(element: Element) -> str:
    return element.job.spec.user


def _signal(element: Element, batch: Batch, name: str) -> None:
    if batch.reachable(element):
        processes.send(element.pid, name)


def bstop(request: Request, batch: Batch, now: float) -> Reply:
    def stop(element: Element) -> str | None:
        if element.over:
            return FINISHED_ALREADY
        if element.state == PEND:
            element.turn(PSUSP, now, "Suspended by user while it was pending")
        elif element.state == RUN:
            _signal(element, batch, "STOP" if element.job.spec.slots == 1 else "TSTP")
            element.turn(USUSP, now, "Suspended by user")
        return None

    return each(parse_mixed(BSTOP, request.arguments), batch, stop, "is being stopped")


def bresume(request: Request, batch: Batch, now: float) -> Reply:
    def resume(element: Element) -> str | None:
        if element.over:
            return FINISHED_ALREADY
        if element.state == PSUSP:
            element.turn(PEND, now, "Pending: Waiting for scheduling after resumed by user")
        elif element.state == USUSP:
            _signal(element, batch, "CONT")
            element.turn(RUN, now, "Running")
        else:
            return "Job is not suspended"
        return None

    return each(parse_mixed(BRESUME, request.arguments), batch, resume, "is being resumed")


def brequeue(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BREQUEUE, request.arguments)
    flags, then = parsed.flags, PSUSP if "H" in parsed.flags else PEND

    def again(element: Element) -> str | None:
        if element.state in WAITING:
            return "Job has not started yet"
        if element.over:
            if not flags & {"a", "e" if element.state == EXIT else "d"}:
                return FINISHED_ALREADY
            requeue(element, then, now, "Job has been requeued")
        elif element.state in STARTED and (not flags & {"e", "d"} or flags & {"a", "r"}):
            event = f"Signal <REQUEUE_PEND> requested by user or administrator <{element.job.spec.user}>"
            element.events.append((now, event))
            batch.end(element, "TERM_REQUEUE_OWNER", now, then)
        else:
            return "Operation is in progress"
        return None

    return each(parsed, batch, again, "is being requeued")


CLEARS: dict[str, dict[str, Any]] = {
    "Wn": {"run_limit": None},
    "Mn": {"memory_limit": 0},
    "Qn": {"requeue_codes": frozenset(), "exclude_codes": frozenset()},
    "wn": {"dependency": ""},
    "spn": {"priority": 0},
    "Jdn": {"description": ""},
}
ALWAYS = {"J", "Jd", "Jdn", "w", "wn", "sp", "spn", "P"}  # may be changed when the job runs


def bmod(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BMOD, request.arguments)
    if len(parsed.rest) != 1:
        raise CommandError("bmod: Job ID must be specified")
    (text,) = parsed.rest
    elements = batch.find(text)
    if not elements:
        raise CommandError(f"Job <{text}>: {NOT_FOUND}")
    if "[" in text:
        raise CommandError(f"Job <{text}>: Elements of an array cannot be modified one by one here")
    if all(element.over for element in elements):
        raise CommandError(f"Job <{text}>: {FINISHED_ALREADY}")
    started = any(element.state not in (*WAITING, *FINISHED) for element in elements)
    asked = parsed.values.keys() | parsed.flags | parsed.repeated.keys()
    if started and not batch.settings.says_yes("LSB_MOD_ALL_JOBS") and asked - ALWAYS:
        raise CommandError(f"Job <{text}>: Job has already started")
    job = elements[0].job
    try:
        job.spec = _changed(job.spec, parsed, batch)
    except CommandError as refusal:
        raise CommandError(str(refusal).replace("Job not submitted", "Job not modified")) from None
    for element in elements:
        element.order = (-job.spec.priority, *element.order[1:])
    return Reply([f"Parameters of job <{text}> are being changed"])


def _changed(spec: Submission, parsed: Parsed, batch: Batch) -> Submission:
    """The submission with what bmod asks for; of -J it is the limit of an array alone."""
    asked = dict(parsed.values)
    spec = replace(spec)
    limit = asked.pop("J", None)
    if limit is not None:
        if not (re.fullmatch(r"%\d+", limit) and spec.indices):
            raise CommandError(f"{limit}: Bad job name")
        spec.array_limit = int(limit[1:])
        spec.array_spec = spec.array_spec.partition("%")[0] + (limit if spec.array_limit else "")
    if "w" in asked:
        spec.dependency = asked.pop("w")
        check(spec.dependency, batch.table)
    for option, value in asked.items():
        READERS[option](spec, value, batch.settings)
    if "R" in parsed.repeated:
        read_requirements(spec, parsed.repeated["R"])
    for flag in parsed.flags:
        spec = replace(spec, **CLEARS[flag])
    return spec
