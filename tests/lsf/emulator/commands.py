"""Every command by name, and bsub's answer with whatever noise the site puts around it."""

from __future__ import annotations

import platform
from collections.abc import Callable

from . import about, bjobs, client, control, history
from .jobs import WAITING
from .lifecycle import Batch
from .settings import Settings
from .submit import read_submission
from .wire import Reply, Request


def no_answer(request: Request, settings: Settings) -> Reply:
    """What a command does while mbatchd is down: wait, as often as LSB_NTRIES says."""
    reply = Reply(**client.down(request.command, request.arguments))
    reply.wait, reply.waiting_on_stdout = settings.retry_interval, settings.waiting_on_stdout
    return reply


def bsub(request: Request, batch: Batch, now: float) -> Reply:
    settings = batch.settings
    spec = read_submission(request, settings, batch.table, platform.node())
    if spec is None:
        return Reply(needs_stdin=True)
    pending = sum(element.state in WAITING for element in batch.table.elements())
    if settings.max_pend_jobs and pending + len(spec.indices or [0]) > settings.max_pend_jobs:
        waiting = f"Pending job threshold reached. Retrying in {settings.retry_interval:.0f} seconds..."
        final = "Pending job threshold reached. Job not submitted."
        return Reply(err=[final], rc=255, wait=settings.retry_interval, waiting=waiting, retry=True)
    job = batch.table.add(spec, now, settings.max_jobid)
    line = f"Job <{job.id}> is submitted to {'queue' if spec.queue_asked else 'default queue'} <{spec.queue}>."
    if settings.bsub_lies:
        return Reply(err=[settings.bsub_lies], rc=255)
    told = [] if "BSUB_QUIET" in request.environ else [line]
    if "BSUB_STDERR" in request.environ:
        return Reply([*settings.bsub_before, *settings.bsub_after], told)
    return Reply([*settings.bsub_before, *told, *settings.bsub_after])


COMMANDS: dict[str, Callable[[Request, Batch, float], Reply]] = {
    "bsub": bsub,
    "bjobs": bjobs.bjobs,
    "bkill": control.bkill,
    "bstop": control.bstop,
    "bresume": control.bresume,
    "brequeue": control.brequeue,
    "bmod": control.bmod,
    "bhist": history.bhist,
    "bacct": history.bacct,
    "bpeek": about.bpeek,
    "lsid": about.lsid,
    "bqueues": about.bqueues,
    "bparams": about.bparams,
    "bhosts": about.bhosts,
}


def run(request: Request, batch: Batch, now: float) -> Reply:
    """The answer to a command; a CommandError says why it is refused."""
    if request.arguments == ["-V"]:
        return Reply(err=[*about.BANNER])
    return COMMANDS[request.command](request, batch, now)
