"""The fields of `bjobs -o`: their names, their widths, what they hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from .jobs import EXIT, WAITING, Element
from .lifecycle import Batch
from .report import reason_text
from .selecting import shown_state

Value = Callable[[Element, Batch, float], object]


class Field(NamedTuple):
    """A column; an empty value is told as - in text, as "" in JSON."""

    width: int
    value: Value


def job_id(e: Element, batch: Batch, now: float) -> str:
    return e.batch_id if batch.settings.says_yes("LSB_BJOBS_DISPLAY_ENH") else str(e.job.id)


def exec_host(e: Element, batch: Batch, now: float) -> str:
    if not batch.settings.says_yes("LSB_SHORT_HOSTLIST"):
        return ":".join(e.hosts)
    counts = {host: e.hosts.count(host) for host in e.hosts}
    return ":".join(f"{number}*{host}" if number > 1 else host for host, number in counts.items())


def exit_code(e: Element, batch: Batch, now: float) -> str:
    missing = batch.settings.blank_exit_codes and (e.job.id + e.index) % 3 == 0
    return "" if e.state != EXIT or e.code is None or missing else str(e.code)


def exit_reason(e: Element, batch: Batch, now: float) -> str:
    return reason_text(e.reason) if e.state == EXIT and e.reason and not batch.settings.blank_reasons else ""


def moment(at: float | None) -> str:
    return time.strftime("%b %e %H:%M", time.localtime(at)) if at is not None else ""


def time_left(e: Element, batch: Batch, now: float) -> str:
    limit = e.job.spec.run_limit
    if limit is None or e.over or e.started is None:
        return ""
    left = max(0, int(limit - e.run_seconds(now) / batch.settings.minute))
    return f"{left // 60}:{left % 60} L"


NEVER_SET = (
    *("mem", "avg_mem", "swap", "swaplimit", "idle_factor", "exception_status", "kill_reason", "suspend_reason"),
    *("resume_reason", "delay_reason", "job_group", "service_class", "rsvid", "esub", "pids", "input_file", "gpu_mode"),
    *("pre_exec_command", "post_exec_command", "j_exclusive", "ru_utime", "ru_stime", "hrusage", "licproject"),
    *("estimated_start_time", "specified_start_time", "specified_terminate_time", "estimated_run_time", "network_req"),
    *("alloc_slot", "ask_hosts", "exec_home", "forward_time", "forward_cluster"),
)
FIELDS: dict[str, Field] = {
    "jobid": Field(7, job_id),
    "jobindex": Field(8, lambda e, b, t: e.index),
    "stat": Field(5, lambda e, b, t: shown_state(e, b)),
    "user": Field(7, lambda e, b, t: e.job.spec.user),
    "user_group": Field(15, lambda e, b, t: e.job.spec.group),
    "queue": Field(10, lambda e, b, t: e.job.spec.queue),
    "job_name": Field(10, lambda e, b, t: e.name),
    "job_description": Field(17, lambda e, b, t: e.job.spec.description),
    "proj_name": Field(11, lambda e, b, t: e.job.spec.project),
    "application": Field(13, lambda e, b, t: e.job.spec.app),
    "job_priority": Field(12, lambda e, b, t: e.job.spec.priority or ""),
    "dependency": Field(15, lambda e, b, t: e.job.spec.dependency),
    "pend_reason": Field(11, lambda e, b, t: e.pend_reason + ";" if e.state in WAITING else ""),
    "command": Field(15, lambda e, b, t: e.job.spec.command),
    "from_host": Field(11, lambda e, b, t: e.job.spec.from_host),
    "first_host": Field(11, lambda e, b, t: e.hosts[0] if e.hosts else ""),
    "exec_host": Field(11, exec_host),
    "nexec_host": Field(10, lambda e, b, t: len(set(e.hosts)) or ""),
    "nalloc_slot": Field(10, lambda e, b, t: len(e.hosts) or ""),
    "slots": Field(5, lambda e, b, t: len(e.hosts) or ""),
    "min_req_proc": Field(12, lambda e, b, t: e.job.spec.slots),
    "max_req_proc": Field(12, lambda e, b, t: e.job.spec.slots),
    "combined_resreq": Field(20, lambda e, b, t: " ".join(e.job.spec.resources)),
    "effective_resreq": Field(17, lambda e, b, t: " ".join(e.job.spec.resources)),
    "submit_time": Field(15, lambda e, b, t: moment(e.submitted)),
    "start_time": Field(15, lambda e, b, t: moment(e.started)),
    "finish_time": Field(16, lambda e, b, t: moment(e.ended)),
    "time_left": Field(11, time_left),
    "run_time": Field(15, lambda e, b, t: f"{int(e.time_in('RUN', t))} second(s)"),
    "pend_time": Field(12, lambda e, b, t: int(e.time_in("PEND", t))),
    "cpu_used": Field(10, lambda e, b, t: f"{e.cpu:.1f} second(s)" if e.cpu else ""),
    "max_mem": Field(10, lambda e, b, t: f"{e.peak >> 20} Mbytes" if e.peak else ""),
    "memlimit": Field(10, lambda e, b, t: f"{e.job.spec.memory_limit >> 20} M" if e.job.spec.memory_limit else ""),
    "runtimelimit": Field(12, lambda e, b, t: e.job.spec.run_limit or ""),
    "exit_code": Field(10, exit_code),
    "exit_reason": Field(50, exit_reason),
    "gpu_num": Field(10, lambda e, b, t: e.job.spec.gpus or ""),
    "gpu_alloc": Field(17, lambda e, b, t: f"{e.hosts[0]}{{{':'.join(map(str, e.gpus))}}}" if e.gpus else ""),
    "exec_cwd": Field(10, lambda e, b, t: e.job.spec.exec_cwd or e.job.spec.cwd if e.started else ""),
    "sub_cwd": Field(10, lambda e, b, t: e.job.spec.cwd),
    "output_file": Field(11, lambda e, b, t: e.job.spec.out or ""),
    "error_file": Field(10, lambda e, b, t: e.job.spec.err or ""),
    **dict.fromkeys(NEVER_SET, Field(12, lambda e, b, t: "")),
}
ALIASES = {
    "id": "jobid", "name": "job_name", "description": "job_description", "proj": "proj_name", "project": "proj_name",
    "app": "application", "pri": "job_priority", "cmd": "command", "reason": "pend_reason", "ugroup": "user_group",
    "nreq_slot": "min_req_proc", "nslot": "slots",
}  # fmt: skip
