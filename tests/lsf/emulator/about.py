"""What tells of the cluster itself: lsid, bqueues, bparams, bhosts; and bpeek."""

from __future__ import annotations

import platform
from pathlib import Path

from .control import FINISHED_ALREADY
from .jobs import STARTED, WAITING
from .lifecycle import Batch
from .options import BPEEK, PLAIN, parse_mixed
from .runs import output
from .wire import CommandError, Reply, Request

BANNER = ("IBM Spectrum LSF Standard 10.1.0.15, Jan 01 2024", "This is an emulator for tests, not a product of IBM.")


def lsid(request: Request, batch: Batch, now: float) -> Reply:
    parse_mixed(PLAIN["lsid"], request.arguments)
    return Reply(
        [
            *BANNER,
            "",
            f"My cluster name is {batch.settings.cluster}",
            f"My master name is {platform.node()}",
        ]
    )


def bqueues(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(PLAIN["bqueues"], request.arguments)
    wanted = parsed.rest or batch.settings.queues
    lines = ["QUEUE_NAME      PRIO STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN  SUSP"]
    for name in wanted:
        if name not in batch.settings.queues:
            raise CommandError(f"{name}: No such queue")
        elements = [e for e in batch.table.elements() if e.job.spec.queue == name and not e.over]
        pending = sum(e.state in WAITING for e in elements)
        running = sum(e.state == "RUN" for e in elements)
        suspended = len(elements) - pending - running
        counts = f"{len(elements):5d} {pending:5d} {running:5d} {suspended:5d}"
        lines.append(f"{name:<15s}  30  Open:Active       -    -    -    - {counts}")
    return Reply(lines)


def bparams(request: Request, batch: Batch, now: float) -> Reply:
    parse_mixed(PLAIN["bparams"], request.arguments)
    settings = batch.settings
    values = {
        "DEFAULT_QUEUE": settings.default_queue,
        "CLEAN_PERIOD": f"{settings.clean_period:.0f} (seconds)",
        "MAX_JOB_ARRAY_SIZE": settings.max_array_size,
        "MAX_JOBID": settings.max_jobid,
        "JOB_TERMINATE_INTERVAL": f"{settings.terminate_interval:g} (seconds)",
        "MAX_PEND_JOBS": settings.max_pend_jobs or 2147483647,
    }
    return Reply([f"\t{name} = {value}" for name, value in values.items()])


def bhosts(request: Request, batch: Batch, now: float) -> Reply:
    parse_mixed(PLAIN["bhosts"], request.arguments)
    lines = ["HOST_NAME          STATUS       JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV"]
    settings = batch.settings
    for name, host in settings.hosts.items():
        elements = [e for e in batch.active.values() if name in e.hosts]
        used = sum(e.hosts.count(name) for e in elements if e.state in STARTED)
        slots = host.get("slots", 1)
        status = "ok" if used < slots else "closed"
        if name in settings.unreachable_hosts:
            status = "unreach"
        elif name in settings.failed_hosts:
            status = "unavail"
        lines.append(f"{name:<18s} {status:<14s} - {slots:6d} {used:6d} {used:6d} {0:6d} {0:6d} {0:6d}")
    return Reply(lines)


def bpeek(request: Request, batch: Batch, now: float) -> Reply:
    parsed = parse_mixed(BPEEK, request.arguments)
    if len(parsed.rest) != 1:
        raise CommandError("bpeek: Job ID must be specified")
    elements = batch.find(parsed.rest[0])
    if not elements:
        raise CommandError(f"Job <{parsed.rest[0]}> is not found")
    element = elements[0]
    if element.state not in STARTED:
        raise CommandError(FINISHED_ALREADY if element.over else f"Job <{element.batch_id}> : Not yet started.")
    err = Path(element.spool + ".err")
    errors = err.read_text(errors="surrogateescape").splitlines() if err.exists() else []
    stderr = ["<< output from stderr >>", *errors] if errors else []
    return Reply(["<< output from stdout >>", *output(element).splitlines(), *stderr])
