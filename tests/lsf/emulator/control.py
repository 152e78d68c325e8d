"""bkill, bstop, bresume, brequeue, bmod."""

from __future__ import annotations

from collections.abc import Callable

from . import processes, values
from .jobs import DONE, EXIT, FINISHED, PEND, PSUSP, RUN, STARTED, USUSP, WAITING, Element, Ending
from .lifecycle import Batch, finish, requeue
from .options import BKILL, BMOD, BREQUEUE, BRESUME, BSTOP, Parsed, parse_mixed
from .selecting import filtered
from .wire import CommandError, Reply, Request

FINISHED_ALREADY = "Job has already finished"
NOT_FOUND = "No matching job found"

Act = Callable[[Element], str | None]  # what is wrong, or None


def each(parsed: Parsed, batch: Batch, act: Act, done: str, reply: Reply | None = None) -> Reply:
    """Act on all that the command line names, one line each; one that fails makes the exit code 255."""
    reply = reply or Reply()
    ids = parsed.rest
    if not ids and not parsed.values.keys() & {"J", "q", "u", "m"}:
        raise CommandError("Job ID, or one of the options -J, -m, -u, -q, must be specified")
    if not ids or ids == ["0"]:
        alive = [e for e in filtered(parsed, batch) if not e.over]
        if not ids:
            last = alive[-1].job.id if alive else 0
            alive = [e for e in alive if e.job.id == last]
        if not alive:
            raise CommandError(NOT_FOUND)
        ids = list(dict.fromkeys(str(e.job.id) for e in alive))
    for text in ids:
        elements = batch.table.find(text)
        if not elements:
            reply.fail(f"Job <{text}>: {NOT_FOUND}")
        elif "[" in text:
            for element in elements:
                _tell(reply, element.batch_id, [act(element)], done)
        else:
            _tell(reply, text, [act(element) for element in elements], done)
    return reply


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
    who = element.job.spec.user
    element.events.append((now, f"Signal <{name or 'TERM'}> requested by user or administrator <{who}>"))
    batch.end(element, "TERM_OWNER", now, state, at_once=name == "KILL")
    return None


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


def bmod(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BMOD, request.arguments)
    if len(parsed.rest) != 1:
        raise CommandError("bmod: Job ID must be specified")
    (text,) = parsed.rest
    elements = batch.table.find(text)
    if not elements:
        raise CommandError(f"Job <{text}>: {NOT_FOUND}")
    if "[" in text:
        raise CommandError(f"Job <{text}>: Elements of an array cannot be modified one by one here")
    if all(element.over for element in elements):
        raise CommandError(f"Job <{text}>: {FINISHED_ALREADY}")
    started = any(element.state not in (*WAITING, *FINISHED) for element in elements)
    free = {"J", "Jd", "w", "wn", "sp", "spn", "Jdn"}
    asked = parsed.values.keys() | parsed.flags | parsed.repeated.keys()
    if started and not batch.settings.says_yes("LSB_MOD_ALL_JOBS") and asked - free:
        raise CommandError(f"Job <{text}>: Job has already started")
    try:
        _change(elements, parsed, batch)
    except CommandError as refusal:
        raise CommandError(str(refusal).replace("Job not submitted", "Job not modified")) from None
    return Reply([f"Parameters of job <{text}> are being changed"])


def _change(elements: list[Element], parsed: Parsed, batch: Batch) -> None:
    spec, asked, settings = elements[0].job.spec, parsed.values, batch.settings
    if "J" in asked:
        if not (asked["J"].startswith("%") and asked["J"][1:].isdigit() and spec.indices):
            raise CommandError(f"{asked['J']}: Bad job name")
        spec.array_limit = int(asked["J"][1:])
        spec.array_spec = spec.array_spec.partition("%")[0] + (asked["J"] if spec.array_limit else "")
    if "q" in asked:
        if asked["q"] not in settings.queues:
            raise CommandError(f"{asked['q']}: No such queue")
        spec.queue = asked["q"]
    if "W" in asked or "Wn" in parsed.flags:
        spec.run_limit = values.run_limit(asked["W"]) if "W" in asked else None
    if "M" in asked or "Mn" in parsed.flags:
        unit = settings.lsf_conf.get("LSF_UNIT_FOR_LIMITS", "KB")
        spec.memory_limit = values.memory(asked["M"], unit) if "M" in asked else 0
    if "Q" in asked or "Qn" in parsed.flags:
        spec.requeue_codes, spec.exclude_codes = values.requeue_codes(asked.get("Q", ""))
    if "n" in asked:
        spec.slots = values.slots(asked["n"], settings.task_limit)
    if "R" in parsed.repeated:
        spec.one_host, spec.ptile = values.spans(parsed.repeated["R"])
        spec.resources = parsed.repeated["R"]
    if "w" in asked or "wn" in parsed.flags:
        spec.dependency = asked.get("w", "")
    if "sp" in asked or "spn" in parsed.flags:
        spec.priority = int(asked.get("sp", "0"))
        for element in elements:
            element.order = (-spec.priority, *element.order[1:])
    if "Jd" in asked or "Jdn" in parsed.flags:
        spec.description = asked.get("Jd", "")
