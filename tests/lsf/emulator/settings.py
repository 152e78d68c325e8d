"""The cluster's configuration and its faults: one JSON file that a test may rewrite at any moment."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FILE = "settings.json"


@dataclass
class Settings:
    """Times are seconds unless they say minutes; `minute` is how long a minute of -W and -wt lasts here."""

    cluster: str = "lsfemu"
    minute: float = 2.0
    hosts: dict[str, dict[str, int]] = field(default_factory=lambda: {"hostA": {"slots": 8, "gpus": 4}})
    queues: list[str] = field(default_factory=lambda: ["normal", "short", "gpu"])
    default_queue: str = "normal"
    apps: list[str] = field(default_factory=lambda: ["default"])
    task_limit: int = 0  # slots one job may ask for; 0: no limit
    max_array_size: int = 1000
    max_jobid: int = 999999
    max_pend_jobs: int = 0  # 0: no limit
    max_job_requeue: int = 0  # 0: no limit
    clean_period: float = 3600.0
    dispatch_delay: float = 0.0
    terminate_interval: float = 0.5  # between the INT, TERM and KILL of bkill
    grace_minutes: float = 10.0  # between the USR2 of the run limit and the kill
    requeue_exit_visible: float = 1.0  # brequeue: how long the job is seen as EXIT
    run_time_accumulates: bool = False  # does the run limit count the runs before a requeue?
    cpu_factor: float = 1.0  # of the hosts: run limits are divided by it, unless ABS_RUNLIMIT=Y
    old: bool = False  # the options of LSF 7 and of what descends from it: options.py lists what is missing
    lsf_conf: dict[str, str] = field(
        default_factory=lambda: {"LSB_GPU_NEW_SYNTAX": "extend", "LSF_UNIT_FOR_LIMITS": "MB"}
    )

    # Faults
    bsub_before: list[str] = field(default_factory=list)  # lines on standard output around bsub's own
    bsub_after: list[str] = field(default_factory=list)
    fail_next: dict[str, list[str]] = field(default_factory=dict)  # command: texts its next calls fail with, each once
    bsub_lies: str = ""  # the job is submitted, but bsub fails with this text
    down: bool = False  # mbatchd does not answer
    retry_interval: float = 0.2  # between two tries while it is down
    slow: float = 0.0  # seconds an answer takes
    slow_commands: list[str] = field(default_factory=list)  # whose answers; none for all
    waiting_on_stdout: bool = False  # where "Please wait" goes
    blank_exit_codes: bool = False  # every third EXIT has no exit code
    unknown_fields: list[str] = field(default_factory=list)  # fields of bjobs -o that this LSF is too old for
    shown: dict[str, str] = field(default_factory=dict)  # "12" or "12[3]": the state that queries tell instead
    unreachable_hosts: list[str] = field(default_factory=list)  # jobs run on, as UNKWN
    failed_hosts: list[str] = field(default_factory=list)  # jobs die
    failed_host_reason: str = "TERM_UNKNOWN"  # what is told of them: TERM_ZOMBI, TERM_ZOMBIE, or nothing
    blank_reasons: bool = False  # no EXIT has an exit_reason
    lost: list[str] = field(default_factory=list)  # "12", "12[3]" or "all": not found, but by bhist and bacct

    def write(self, folder: Path) -> None:
        """Replace the file in one step; lsf.conf goes where LSF_ENVDIR points."""
        conf = folder / "conf"
        conf.mkdir(exist_ok=True)
        (conf / "lsf.conf").write_text("".join(f"{key}={value}\n" for key, value in self.lsf_conf.items()))
        fresh = folder / f"{FILE}.{os.getpid()}"
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Settings:
        return cls(**json.loads((folder / FILE).read_text()))

    def says_yes(self, name: str) -> bool:
        """Is this parameter of lsf.conf set to Y (or 1)?"""
        return self.lsf_conf.get(name, "").upper() in ("Y", "YES", "1")
