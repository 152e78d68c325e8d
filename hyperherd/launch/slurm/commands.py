"""Slurm's commands, and what their errors mean."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from hyperherd.launch.commands import CommandResult, CommandTable, Outcome, call

_OWN_DEFAULTS = ("SQUEUE_", "SACCT_", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN")
"""Users set variables of these names to change what is printed; we need all of it."""


def _environment(submits: bool) -> Mapping[str, str]:
    if submits:  # sbatch hands its environment to the job
        return dict(os.environ)
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN_DEFAULTS)}


TABLE = CommandTable(
    scheduler="Slurm",
    environment=_environment,
    trouble=re.compile(
        r"contact slurm controller|controller .*not responding|Connection (?:refused|reset)|timed out|slurmdbd"
        r"|Resource temporarily unavailable|temporarily unable|Zero Bytes were transmitted|munge|Broken pipe"
        r"|Protocol authentication error|Invalid authentication credential|Message (?:receive|send) failure"
        r"|Unexpected message rec|in standby mode|No route to host|Network is unreachable|rate limit"
        r"|Temporary failure in name resolution|I/O error writing script|Job update (?:in progress|not available)",
        re.IGNORECASE,
    ),
    # The limit stands in a line of its own, before that of the policy, which is the same for jobs that never fit. An
    # old Slurm prints the policy alone: then it may be this limit.
    full=re.compile(
        r"(?:Max|Grp)Submit\w*Limit|\A(?!.*error: (?:Assoc|QOS|Part)\w+).*violates accounting/QOS policy",
        re.IGNORECASE | re.DOTALL,
    ),
    unknown=re.compile(r"Invalid job id|already (?:completed|completing|finished)", re.IGNORECASE),
    waits=re.compile(r"^.*(?:sleeping (?:and|&) retrying|still trying).*$", re.IGNORECASE | re.MULTILINE),
    trusts_code=True,
)


def run(command: Sequence[str], seconds: float | None = None, *, submits: bool = False) -> CommandResult:
    """Run one of Slurm's commands and return its output; it never raises for what the command does."""
    return call(TABLE, command, seconds=seconds, submits=submits)


def is_trouble(result: CommandResult) -> bool:
    """Return whether a daemon could not be reached, rather than that the request was refused."""
    return TABLE.outcome(result) is Outcome.LATER
