"""bsub: from a command line and a script to a submission, or to LSF's refusal."""

from __future__ import annotations

import pwd
from collections.abc import Callable
from os import getuid

from . import values
from .dependency import check
from .jobs import Submission, Table
from .options import BSUB, Parsed, embedded, parse
from .settings import Settings
from .wire import CommandError, Request


def user_name() -> str:
    return pwd.getpwuid(getuid()).pw_name


def read_submission(request: Request, settings: Settings, table: Table, host: str) -> Submission | None:
    """What bsub is asked for; None when the script is on a standard input that was not sent yet."""
    options = BSUB.without_newer() if settings.old else BSUB
    line = parse(options, request.arguments)
    if line.rest:
        command = script = " ".join(line.rest)  # LSF joins the words and quotes none of them
        parsed = line
    elif request.stdin is None:
        return None
    else:
        script = request.stdin
        command = next((text for text in script.splitlines() if text.strip() and text.lstrip()[0] != "#"), "")
        inside = parse(options, embedded(script))
        if inside.rest:
            raise values.not_submitted(f"{inside.rest[0]}: Illegal argument in a #BSUB line")
        parsed = line.over(inside)
    if not command.strip():
        raise values.not_submitted("No command is specified")
    spec = Submission(
        script,
        command,
        cwd=request.cwd,
        environ=values.environment(parsed.values.get("env", "all"), request.environ),
        umask=request.umask,
        user=user_name(),
        from_host=host,
        queue=settings.default_queue,
    )
    _read_flags(spec, parsed)
    _read_places(spec, parsed, settings)
    for option, value in parsed.values.items():
        if option in READERS:
            READERS[option](spec, value, settings)
    _read_resources(spec, parsed, settings)
    _read_warning(spec, parsed)
    spec.dependency = parsed.values.get("w", "")
    if spec.dependency:
        check(spec.dependency, table)
    return spec


def _read_flags(spec: Submission, parsed: Parsed) -> None:
    flags = parsed.flags
    if {"r", "rn"} <= flags:
        raise values.not_submitted("-r and -rn cannot be used together")
    if {"o", "oo"} <= set(parsed.values) or {"e", "eo"} <= set(parsed.values):
        raise values.not_submitted("Output is either appended (-o, -e) or overwritten (-oo, -eo)")
    spec.rerunnable = "r" in flags
    spec.exclusive = "x" in flags
    spec.held = "H" in flags
    spec.report_by_mail = "N" in flags
    spec.dies_with_dependency = "ti" in flags
    spec.out = parsed.values.get("oo", parsed.values.get("o"))
    spec.err = parsed.values.get("eo", parsed.values.get("e"))
    spec.out_overwrites = "oo" in parsed.values
    spec.err_overwrites = "eo" in parsed.values


def _read_places(spec: Submission, parsed: Parsed, settings: Settings) -> None:
    spec.app = parsed.values.get("app", "")
    if spec.app and spec.app not in settings.apps:
        raise values.not_submitted(f"{spec.app}: No such application profile")
    spec.hosts = [name.partition("!")[0].partition("+")[0] for name in parsed.values.get("m", "").split()]
    for name in spec.hosts:
        if name not in settings.hosts:
            raise values.not_submitted(f"{name}: Bad host name, host group name or cluster name")
    spec.group = parsed.values.get("G", "")
    spec.exec_cwd = parsed.values.get("cwd", "")


def _read_queue(spec: Submission, value: str, settings: Settings) -> None:
    if value not in settings.queues:
        raise values.not_submitted(f"{value}: No such queue")
    spec.queue, spec.queue_asked = value, True


def _read_project(spec: Submission, value: str, settings: Settings) -> None:
    spec.project = value


def _read_description(spec: Submission, value: str, settings: Settings) -> None:
    spec.description = value


def _read_name(spec: Submission, value: str, settings: Settings) -> None:
    found = values.job_name(value, settings.max_array_size)
    spec.name, spec.indices, spec.array_spec, spec.array_limit, spec.step = found


def _read_slots(spec: Submission, value: str, settings: Settings) -> None:
    spec.slots = values.slots(value, settings.task_limit)


def _read_run_limit(spec: Submission, value: str, settings: Settings) -> None:
    spec.run_limit = values.run_limit(value)


def _read_requeue(spec: Submission, value: str, settings: Settings) -> None:
    spec.requeue_codes, spec.exclude_codes = values.requeue_codes(value)


def _read_memory_limit(spec: Submission, value: str, settings: Settings) -> None:
    spec.memory_limit = values.memory(value, settings.lsf_conf.get("LSF_UNIT_FOR_LIMITS", "KB"))


def _read_priority(spec: Submission, value: str, settings: Settings) -> None:
    if not value.isdigit() or int(value) < 1:
        raise values.not_submitted(f"{value}: Bad job priority")
    spec.priority = int(value)


def _read_estimate(spec: Submission, value: str, settings: Settings) -> None:
    values.minutes(value, "Bad estimated run time specification")


def _read_gpu(spec: Submission, value: str, settings: Settings) -> None:
    if settings.lsf_conf.get("LSB_GPU_NEW_SYNTAX", "").lower() not in ("y", "extend"):
        raise values.not_submitted("-gpu needs LSB_GPU_NEW_SYNTAX in lsf.conf")
    spec.gpu_request = value
    spec.gpus, spec.gpus_exclusive = values.gpus(value)


Reader = Callable[[Submission, str, Settings], None]
READERS: dict[str, Reader] = {
    "J": _read_name,
    "q": _read_queue,
    "P": _read_project,
    "Jd": _read_description,
    "n": _read_slots,
    "W": _read_run_limit,
    "We": _read_estimate,
    "Q": _read_requeue,
    "M": _read_memory_limit,
    "sp": _read_priority,
    "gpu": _read_gpu,
}


def _read_resources(spec: Submission, parsed: Parsed, settings: Settings) -> None:
    read_requirements(spec, parsed.repeated.get("R", []))
    old = values.old_gpus(spec.resources)
    if old:
        spec.gpus, spec.gpus_exclusive = spec.gpus + old, True


def read_requirements(spec: Submission, requirements: list[str]) -> None:
    spec.resources = requirements
    spec.one_host, spec.ptile = values.spans(requirements)


def _read_warning(spec: Submission, parsed: Parsed) -> None:
    action, time = parsed.values.get("wa"), parsed.values.get("wt")
    if (action is None) != (time is None):
        raise values.not_submitted("-wa and -wt must be used together")
    if action is not None and time is not None:
        try:
            name = values.signal_name(action)
        except CommandError as refusal:
            raise values.not_submitted(str(refusal)) from None
        spec.warning = name, values.minutes(time, "Bad time specification")
