"""bjobs: which jobs, in which form, with which of LSF's surprising exit codes."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from .fields import ALIASES, FIELDS
from .history import described, wrapped
from .jobs import DONE, EXIT, FINISHED, PEND, PSUSP, RUN, SSUSP, USUSP, WAITING, Element
from .lifecycle import Batch
from .options import BJOBS, Parsed, parse_mixed
from .report import reason_text, stamp
from .selecting import filtered, passes, shown_state
from .wire import CommandError, Reply, Request

# The order says which of several flags names the emptiness.
EMPTY = {"a": "No job found", "d": "No DONE/EXIT job found", "p": "No pending job found", "r": "No running job found",
         "s": "No suspended job found"}  # fmt: skip
DEFAULT = "jobid:7 user:7 stat:5 queue:10 from_host:11 exec_host:11 job_name:10 submit_time:12"
SCHEDULING = (
    " SCHEDULING PARAMETERS:",
    "           r15s   r1m  r15m   ut      pg    io   ls    it    tmp    swp    mem",
    " loadSched   -     -     -     -       -     -    -     -     -      -      -",
    " loadStop    -     -     -     -       -     -    -     -     -      -      -",
)


class Column(NamedTuple):
    """One column of a format."""

    name: str
    width: int
    right: bool = False


def bjobs(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BJOBS.without_newer() if batch.settings.old else BJOBS, request.arguments)
    flags = parsed.flags
    if "json" in flags and ("o" not in parsed.values or flags & {"noheader", "l", "w"}):
        raise CommandError("bjobs: -json needs -o and cannot be used with -noheader, -l or -w")
    if "o" in parsed.values and flags & {"l", "A", "w"}:
        raise CommandError("bjobs: -o cannot be used with -l, -A or -w")
    columns, delimiter = _columns(parsed, batch)
    found, missing = _select(parsed, batch)
    reply = Reply()
    if "json" in flags:
        reply.out = _json(found, missing, columns, batch, now)
    else:
        if found:
            reply.out = _text(found, columns, delimiter, parsed, batch, now)
        elif not missing:
            reply.err.append(next((text for flag, text in EMPTY.items() if flag in flags), "No unfinished job found"))
        reply.err += [f"Job <{text}> is not found" for text in missing]
    strict = batch.settings.says_yes("LSB_BJOBS_CONSISTENT_EXIT_CODE")
    failed = bool(missing) or not found
    reply.rc = 255 if (strict and failed) or (missing and found) else 0
    return reply


def _select(parsed: Parsed, batch: Batch) -> tuple[list[Element], list[str]]:
    """What is listed, and the ids and names that nothing was found for."""
    if parsed.rest and parsed.rest != ["0"]:
        found: list[Element] = []
        missing = []
        for text in parsed.rest:
            elements = [e for e in batch.find(text) if passes(parsed, e)]
            found += elements
            if not elements:
                missing.append(text)
        return list({id(element): element for element in found}.values()), missing
    everything = filtered(parsed, batch)
    chosen = [e for e in everything if _listed(shown_state(e, batch), parsed.flags)]
    missing = [parsed.values["J"]] if "J" in parsed.values and not chosen else []
    return chosen, missing


def _listed(state: str, flags: set[str]) -> bool:
    kinds = {"d": FINISHED, "p": WAITING, "r": (RUN,), "s": (USUSP, SSUSP, PSUSP)}
    asked = [states for flag, states in kinds.items() if flag in flags]
    if "a" in flags or "A" in flags:
        return True
    return any(state in states for states in asked) if asked else state not in FINISHED


def _columns(parsed: Parsed, batch: Batch) -> tuple[list[Column], str]:
    """What -o, LSB_BJOBS_FORMAT or nothing asks for."""
    site = "" if "w" in parsed.flags else batch.settings.lsf_conf.get("LSB_BJOBS_FORMAT", "")
    text = parsed.values.get("o") or site or DEFAULT
    found = re.search(r"""delimiter=(?:'([^']*)'|"([^"]*)"|(\S+))""", text)
    delimiter = next((part for part in found.groups() if part is not None), "") if found else ""
    if found and len(delimiter) != 1:
        raise CommandError(f"bjobs: delimiter <{delimiter}> must be a single character")
    rest = text.replace(found[0], "") if found else text
    columns = [_column(word, batch) for word in rest.split()]
    if not columns:
        raise CommandError("bjobs: -o needs the names of fields")
    return columns, delimiter


def _column(word: str, batch: Batch) -> Column:
    name, _, width = word.partition(":")
    name = ALIASES.get(name.lower(), name.lower())
    if name not in FIELDS or name in batch.settings.unknown_fields:
        raise CommandError(f"{word.partition(':')[0]}: Illegal job field name")
    if not re.fullmatch(r"-?\d*", width):
        raise CommandError(f"{word}: Illegal width of a job field")
    return Column(name, int(width.lstrip("-") or FIELDS[name].width), width.startswith("-"))


def _value(column: Column, element: Element, batch: Batch, now: float) -> str:
    return str(FIELDS[column.name].value(element, batch, now))


def _json(found: list[Element], missing: list[str], columns: list[Column], batch: Batch, now: float) -> list[str]:
    records = [{c.name.upper(): _value(c, e, batch, now) for c in columns} for e in found]
    records += [{"JOBID": text, "ERROR": f"Job <{text}> is not found"} for text in missing]
    whole = {"COMMAND": "bjobs", "JOBS": len(records), "RECORDS": records}
    return json.dumps(whole, indent=2, separators=(",", ":")).splitlines()


def _text(
    found: list[Element], columns: list[Column], delimiter: str, parsed: Parsed, batch: Batch, now: float
) -> list[str]:
    if "A" in parsed.flags:
        return _arrays(found)
    if "l" in parsed.flags:
        return [line for element in found for line in _long(element, batch, now)]
    rows = [[_value(c, e, batch, now) or "-" for c in columns] for e in found]
    if "noheader" not in parsed.flags:
        rows.insert(0, [c.name.upper() for c in columns])
    if delimiter:
        lines = [delimiter.join(row) for row in rows]
    else:
        wide = "w" in parsed.flags
        lines = [" ".join(_cell(cell, c, wide) for cell, c in zip(row, columns, strict=True)).rstrip() for row in rows]
    if "p" in parsed.flags and "o" not in parsed.values:
        lines += [f" {element.pend_reason};" for element in found]
    return lines


def _cell(text: str, column: Column, wide: bool) -> str:
    if len(text) > column.width and not wide:
        text = "*" + text[-(column.width - 1) :] if column.name == "job_name" else text[: column.width]
    return text.rjust(column.width) if column.right else text.ljust(column.width)


def _arrays(found: list[Element]) -> list[str]:
    states = (PEND, DONE, RUN, EXIT, SSUSP, USUSP, PSUSP)
    lines = ["JOBID    ARRAY_SPEC  OWNER   NJOBS PEND DONE  RUN EXIT SSUSP USUSP PSUSP"]
    for job in {id(e.job): e.job for e in found if e.index}.values():
        counts = [sum(e.state == state for e in job.elements) for state in states]
        spec = job.spec
        numbers = "".join(f"{n:5d}" if i < 4 else f"{n:6d}" for i, n in enumerate(counts))
        name = (spec.name + spec.array_spec)[:11]
        lines.append(f"{job.id:<8d} {name:<11s} {spec.user:<7s} {len(job.elements):5d}{numbers}")
    return lines


def _long(element: Element, batch: Batch, now: float) -> list[str]:
    spec = element.job.spec
    first = f"{described(element, shown_state(element, batch))}, Share group charged </{spec.user}>"
    files = "".join(f", {kind} File <{path}>" for kind, path in (("Output", spec.out), ("Error", spec.err)) if path)
    codes = f", Requeue exit values <{' '.join(map(str, sorted(spec.requeue_codes)))}>" if spec.requeue_codes else ""
    resources = f", Requested Resources <{' '.join(spec.resources)}>" if spec.resources else ""
    submitted = f"Submitted from host <{spec.from_host}>, CWD <{spec.cwd}>{files}{codes}{resources};"
    lines = ["", *wrapped(first), *wrapped(f"{stamp(element.submitted, year=False)}: {submitted}")]
    if spec.run_limit is not None:
        lines += ["", " RUNLIMIT", f" {spec.run_limit:.1f} min of {spec.from_host}"]
    for at, text in element.events:
        lines += wrapped(f"{stamp(at, year=False)}: {text}")
    if element.state in WAITING:
        lines += ["", " PENDING REASONS:", f" {element.pend_reason};"]
    if element.state == EXIT and element.reason:
        lines += wrapped(f"{stamp(element.ended, year=False)}: {reason_text(element.reason)}.")
    return [*lines, "", *SCHEDULING]
