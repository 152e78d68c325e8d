"""The parameters of an LSF job, and the options of bsub that they become. What LSF cannot do is an error."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

_ALLOWED = {
    "mem_per": ("auto", "host", "task"),
    "mem_unit": ("suffix", "KB", "MB", "GB"),
    "gpu_syntax": ("gpu", "rusage"),
    "requeue": ("exit_code", "brequeue", "none"),
}
_POSITIVE = ("cpus_per_task", "tasks_per_node", "nodes", "max_array_size")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_SHELL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_RESERVES_MEMORY = re.compile(r"rusage\s*\[[^\]]*\bmem\s*=")
_QUOTED = re.compile(r"""\"[^"]+\"|'[^']+'""")
_FIXED = {
    "J": "job_name",
    "I": None, "Ip": None, "Is": None, "IS": None, "K": None,
}  # fmt: skip
"""Options of bsub that additional_parameters cannot set, and the parameter to use instead."""


@dataclass(frozen=True)
class LsfParameters:
    """What :class:`~hyperherd.launch.lsf.executor.LsfExecutor` takes; ``lsf_`` goes before each name in AutoExecutor.

    Attributes:
        job_name: ``-J``; what is neither letter, digit, dot, dash nor underscore becomes an underscore.
        time: ``-W``, in minutes; None or 0 for the queue's own limit.
        mem_gb: reserved for the job on its host.
        mem_per: what LSF takes the number for: the host or each task; auto reads it from lsf.conf.
        mem_unit: suffix (``8192MB``), or the unit that numbers have on a cluster that knows no suffixes.
        mem_limit: ``-M``, passed unchanged: sites differ in its unit and in what it limits.
        cpus_per_task: slots for each task.
        tasks_per_node: processes, each with a rank and a result of its own.
        nodes: 1; several would need blaunch.
        gpus_per_node: ``-gpu num=``.
        gpu_mode: ``shared`` or ``exclusive_process``.
        gpu_j_exclusive: whether no other job may use these GPUs.
        gpu_model: ``gmodel``.
        gpu_mem: ``gmem``, as ``16G``.
        gpu: ``-gpu``, passed unchanged, in place of all of those.
        gpu_syntax: gpu, or rusage for clusters that know only ``rusage[ngpus_excl_p=N]``.
        queue: ``-q``.
        project: ``-P``.
        user_group: ``-G``.
        app: ``-app``, an application profile.
        hosts: ``-m``.
        exclusive: ``-x``.
        resreq: further ``-R``; one with a span replaces ours.
        dependency: ``-w``.
        cwd: ``-cwd``.
        job_description: ``-Jd``; an id of ours is added to it.
        priority: ``-sp``.
        array_parallelism: how many of an array run at once; 0 or None for all.
        max_array_size: longer lists become several arrays.
        signal_delay_min: how long before the run limit a job is warned, so that it can write a checkpoint.
        requeue: how a warned job comes back: exit_code (``-Q``), brequeue (for queues that refuse ``-Q``), or none.
        requeue_exit_code: for that; a job that exits with this code by itself is reported as exit code 1.
        rerunnable: ``-r`` or ``-rn``: whether LSF runs the job again when its host dies.
        setup: lines of shell before the job.
        teardown: lines of shell after it, however it ended.
        env: variables of the job's environment.
        stderr_to_stdout: whether both go into one file.
        additional_parameters: any option of bsub: a value, True for one that takes none, a list for several; False
            removes the one that we would give. ``R`` adds to ours.
        lsf_report: whether LSF writes its report on the job beside our logs; if not, nowhere.
        bsub_timeout_s: after which a submission is given up.
        query_timeout_s: after which bjobs and the others are taken not to answer.
        query_retries: LSB_NTRIES, how often they try to reach LSF.
    """

    job_name: str = "submitit"
    time: float | None = 5
    mem_gb: float | None = None
    mem_per: str = "auto"
    mem_unit: str = "suffix"
    mem_limit: str | int | None = None
    cpus_per_task: int | None = 1
    tasks_per_node: int | None = 1
    nodes: int | None = 1
    gpus_per_node: int | None = None
    gpu_mode: str | None = None
    gpu_j_exclusive: bool | None = None
    gpu_model: str | None = None
    gpu_mem: str | None = None
    gpu: str | None = None
    gpu_syntax: str = "gpu"
    queue: str | None = None
    project: str | None = None
    user_group: str | None = None
    app: str | None = None
    hosts: str | None = None
    exclusive: bool = False
    resreq: Sequence[str] | str | None = None
    dependency: str | None = None
    cwd: str | None = None
    job_description: str | None = None
    priority: int | None = None
    array_parallelism: int | None = 256
    max_array_size: int = 1000
    signal_delay_min: int = 2
    requeue: str = "exit_code"
    requeue_exit_code: int = 99
    rerunnable: bool | None = None
    setup: Sequence[str] | None = None
    teardown: Sequence[str] | None = None
    env: Mapping[str, Any] | None = None
    stderr_to_stdout: bool = False
    additional_parameters: Mapping[str, Any] = field(default_factory=dict)
    lsf_report: bool = True
    bsub_timeout_s: float = 120
    query_timeout_s: float = 60
    query_retries: int = 2

    @classmethod
    def names(cls) -> set[str]:
        """Return the names of all parameters."""
        return {one.name for one in fields(cls)}

    @property
    def tasks(self) -> int:
        """How many processes a job has."""
        return self.tasks_per_node or 1

    @property
    def slots(self) -> int:
        """How many slots a job has."""
        return self.tasks * (self.cpus_per_task or 1)

    @property
    def limit_min(self) -> int | None:
        """The run limit in whole minutes, which is all that LSF knows."""
        return max(1, math.ceil(self.time)) if self.time else None

    @property
    def is_warned(self) -> bool:
        """Whether a job is warned before its run limit; it is not if that is too short, or there is none."""
        limit = self.limit_min
        return limit is not None and 0 < self.signal_delay_min < limit

    @property
    def safe_name(self) -> str:
        """The name that LSF gets."""
        return re.sub(r"[^A-Za-z0-9._-]", "_", self.job_name)[-200:] or "submitit"  # what makes it unique comes last

    def check(self) -> None:
        """Raise ValueError for what LSF, or we, cannot do."""
        if (self.nodes or 1) > 1:
            raise ValueError(
                f"nodes: {self.nodes} is more than 1, but jobs on several hosts are not supported; use tasks_per_node "
                "for several processes on one host"
            )
        for name, allowed in _ALLOWED.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}")
        for name in _POSITIVE:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not a number from 1 up")
        if not 1 <= self.requeue_exit_code <= 125:
            raise ValueError(f"requeue_exit_code: {self.requeue_exit_code} is not a number from 1 to 125")
        for name in _FIXED.keys() & self.additional_parameters.keys():
            instead = (
                f"use {_FIXED[name]}"
                if _FIXED[name]
                else "jobs run in the background, which excludes interactive and waiting submissions"
            )
            raise ValueError(f"additional_parameters: -{name} cannot be set there; {instead}")
        for name in ("setup", "teardown"):
            if any(_NOT_SHELL.search(str(line)) for line in getattr(self, name) or []):
                raise ValueError(
                    f"{name}: a line contains a control character, which a script cannot contain; remove it"
                )
        for name in self.additional_parameters:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(name)):
                raise ValueError(f"additional_parameters: {name!r} is not a valid name of an option")
        for name, value in (self.env or {}).items():
            if _CONTROL.search(str(value)):
                raise ValueError(f"env: the value of {name} contains a control character; remove it: {str(value)!r}")
        for name in self.env or {}:
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ValueError(f"env: {name!r} is not a valid name of an environment variable")
        _check_memory(self)
        # Raises for a text that cannot be quoted.
        bsub_options(self, "check", "/dev/null", "check", "USR2")


def _check_memory(p: LsfParameters) -> None:
    """Check that the memory of a job is reserved once: how LSF merges several rusage sections differs by site."""
    given = [*_listed(p.resreq), *_listed(p.additional_parameters.get("R"))]
    sources = [text for text in given if _RESERVES_MEMORY.search(text)]
    sources += [f"mem_gb={p.mem_gb:g}"] if p.mem_gb else []
    if len(sources) > 1:
        raise ValueError(f"mem_gb: memory is reserved more than once: {' and '.join(sources)}; keep one of them")


def bsub_options(
    parameters: LsfParameters, name: str, report: str, tag: str, warning: str, *, requeues: bool = True
) -> list[str]:
    """Return the options of bsub, as written after ``#BSUB``.

    Args:
        parameters: of the job.
        name: with the array's brackets, if it is one.
        report: path for LSF's report.
        tag: by which the job can be found if bsub does not print its id.
        warning: name of the signal before the run limit.
        requeues: whether a warned job may come back: some sites refuse -Q, so it is sent only where it is needed.
    """
    p, extra = parameters, dict(parameters.additional_parameters)
    requirements = [*_requirements(p), *_listed(p.resreq), *_listed(extra.pop("R", None))]
    generated: dict[str, Any] = {
        "J": name,
        "Jd": f"{p.job_description} {tag}" if p.job_description else tag,
        "o": report,
        "W": p.limit_min,
        "n": p.slots,
        "R": requirements,
        "M": p.mem_limit,
        "gpu": _gpu(p) if p.gpu_syntax == "gpu" else None,
        **_warning(p, warning),
        "Q": p.requeue_exit_code if p.requeue == "exit_code" and requeues else None,
        "q": p.queue,
        "P": p.project,
        "G": p.user_group,
        "app": p.app,
        "m": p.hosts,
        "x": p.exclusive,
        "w": p.dependency,
        "cwd": p.cwd,
        "sp": p.priority,
        "r": p.rerunnable is True,
        "rn": p.rerunnable is False,
    }
    return [line for option, value in {**generated, **extra}.items() for line in _lines(option, value)]


def _warning(p: LsfParameters, name: str) -> dict[str, Any]:
    return {"wa": name, "wt": p.signal_delay_min} if p.is_warned else {}


def _requirements(p: LsfParameters) -> Iterator[str]:
    # LSF may spread the slots of a job over hosts, and we start all its processes on one.
    if p.slots > 1 and not any(
        "span[" in text for text in [*_listed(p.resreq), *_listed(p.additional_parameters.get("R"))]
    ):
        yield "span[hosts=1]"
    usage = [f"mem={_memory(p)}"] if p.mem_gb else []
    if p.gpu_syntax == "rusage" and p.gpus_per_node:
        usage.append(f"ngpus_excl_p={p.gpus_per_node}")
    if usage:
        yield f"rusage[{','.join(usage)}]"


def _memory(p: LsfParameters) -> str:
    assert p.mem_gb is not None
    per = p.mem_per if p.mem_per != "auto" else _memory_is_per(os.environ)
    # Where LSF counts per task, each slot gets its share.
    gb = p.mem_gb / (p.slots if per == "task" else 1)
    if p.mem_unit == "suffix":
        return f"{math.ceil(gb * 1024)}MB"
    return str(math.ceil(gb * {"KB": 1024 * 1024, "MB": 1024, "GB": 1}[p.mem_unit]))


def _memory_is_per(environment: Mapping[str, str]) -> str:
    """Return what rusage is counted per on this cluster, from its lsf.conf; LSF's own default is the host."""
    try:
        text = (Path(environment["LSF_ENVDIR"]) / "lsf.conf").read_text(errors="replace")
    except (KeyError, OSError):
        return "host"
    return "task" if re.search(r"^\s*RESOURCE_RESERVE_PER_TASK\s*=\s*[\"']?[Yy]", text, re.MULTILINE) else "host"


def _gpu(p: LsfParameters) -> str | None:
    if p.gpu or not p.gpus_per_node:
        return p.gpu
    exclusive = None if p.gpu_j_exclusive is None else ("yes" if p.gpu_j_exclusive else "no")
    parts = {
        "num": p.gpus_per_node,
        "mode": p.gpu_mode,
        "j_exclusive": exclusive,
        "gmodel": p.gpu_model,
        "gmem": p.gpu_mem,
    }
    return ":".join(f"{key}={value}" for key, value in parts.items() if value is not None)


def _listed(value: Any) -> list[str]:
    if value in (None, True, False):
        return []
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _lines(option: str, value: Any) -> Iterator[str]:
    if value is None or value is False:
        return
    if value is True:
        yield f"-{option}"
        return
    for one in value if isinstance(value, (list, tuple)) else [value]:
        yield f"-{option} {one if isinstance(one, int) else _quoted(option, str(one))}"


def _quoted(option: str, text: str) -> str:
    """Return `text` in quotes that LSF takes off again; it knows no way to write a quote within the same quotes."""
    if _QUOTED.fullmatch(text):
        text = text[1:-1]  # as hypnettorch and others have it for a shell: '"rusage[mem=8000]"'
    for quote in ('"', "'"):
        if quote not in text and not _CONTROL.search(text):
            return f"{quote}{text}{quote}"
    raise ValueError(
        f"-{option}: {text!r} contains both kinds of quotes, a line break or a control character, which bsub cannot "
        "read"
    )
