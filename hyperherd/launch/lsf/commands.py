"""Running LSF's commands, so that none of them blocks forever or prints in a format of the user's.

Without ``LSB_NTRIES`` they retry until mbatchd comes back, and variables such as ``BSUB_QUIET`` change what they print.
The output of a command is read whatever its exit code, which in LSF means little.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperherd.launch.commands import CommandResult, CommandTable, Outcome, call
from hyperherd.schedulers import job_id

_CHANGES_OUTPUT = {"BSUB_QUIET", "BSUB_QUIET2", "BSUB_STDERR", "LSB_BJOBS_FORMAT", "LSB_BJOBS_DISPLAY_ENH"}

_OF_ANOTHER_JOB = re.compile(
    r"SLURM_\w+|SBATCH_\w+|SRUN_\w+|LS_JOBPID|LS_SUBCWD|LSB_(?:JOBID|JOBINDEX\w*|JOBNAME|JOBFILENAME|JOBGROUP|JOBRES_\w+"
    r"|BATCH_JID|QUEUE|HOSTS|MCPU_HOSTS|DJOB_\w+|MAX_NUM_PROCESSORS|SUB_HOST|SUB_USER|SUB_RES_REQ|RESTART\w*|OUTPUTFILE"
    r"|ERRORFILE|EXIT_\w+|TRAPSIGS|EFFECTIVE_RSRCREQ|AFFINITY_\w+|BIND_\w+|INTERACTIVE\w*|PJL_\w+)"
    r"|SUBMITIT_(?:EXECUTOR|FOLDER|LSF_\w+|LOCAL_\w+)"
)
_KEPT = {"SLURM_CONF"}


_UNKNOWN_OPTION = re.compile(r"(?:illegal|invalid|unknown|unrecognized|bad) option", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """How long the commands may take.

    Attributes:
        seconds: until a command is stopped.
        tries: to reach the daemons (LSB_NTRIES).
    """

    seconds: float = 60.0
    tries: int = 2


def run(command: Sequence[str], patience: Patience, script: Path | None = None) -> CommandResult:
    """Run one of LSF's commands and return its output; it never raises for what the command does.

    Args:
        command: and its arguments.
        patience: with it.
        script: what it reads from its standard input; it reads nothing otherwise.
    """
    # With MAX_PEND_JOBS reached bsub retries forever unless LSB_NTRIES is set.
    tries = {"LSB_NTRIES": str(patience.tries)}
    return call(TABLE, command, seconds=patience.seconds, script=script, submits=script is not None, variables=tries)


def lacking_options(patience: Patience) -> str:
    """Return an error that names the options of bjobs which this LSF lacks; empty if it has them, or does not answer.

    LSF has had them since 9.1; what descends from older versions has not, and its bjobs shortens what it prints.
    """
    needed = {"-noheader": ["-noheader"], "-o": ["-o", "jobid"]}
    refused = _refused(["bjobs", *(word for words in needed.values() for word in words)], patience)
    if not refused:
        return ""
    missing = [option for option, words in needed.items() if _refused(["bjobs", *words], patience)]
    return (
        f"bjobs of this cluster does not know {' and '.join(missing or needed)}, which HyperHerd reads the states of "
        f"jobs by (LSF has both since 9.1), so nothing is submitted; bjobs printed: {refused}"
    )


def _refused(command: Sequence[str], patience: Patience) -> str:
    """Return the line by which a command refuses one of its options."""
    result = run(command, patience)
    lines = [line for line in result.text.splitlines() if _UNKNOWN_OPTION.search(line)]
    return lines[0].strip() if lines and not is_trouble(result) else ""


def is_trouble(result: CommandResult) -> bool:
    """Return whether the daemons could not be reached, rather than that the request was refused."""
    return TABLE.outcome(result) is Outcome.LATER


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without what belongs to the job we may be in ourselves, or changes what commands print."""
    dropped = set(_CHANGES_OUTPUT)
    if job_id(environment):
        dropped |= {"CUDA_VISIBLE_DEVICES"}  # that job's GPUs; the new one gets its own
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or not (name in dropped or _OF_ANOTHER_JOB.fullmatch(name))
    }


def _environment(submits: bool) -> Mapping[str, str]:
    environment = clean_environment(os.environ)
    # bsub hands its environment to the job, which keeps the user's locale.
    return environment if submits else {**environment, "LC_ALL": "C"}


TABLE = CommandTable(
    scheduler="LSF",
    environment=_environment,
    trouble=re.compile(
        r"Please wait|not responding|still trying|Connection (?:refused|reset)|Cannot connect|LSF is down"
        r"|Failed in an LSF library|Request from non-LSF host|timed? out|Communication time"
        # MAX_CONCURRENT_QUERY and the limits of queries by host and user.
        r"|query limit exceeded|(?:request|query)\b[^\n]*\bdenied|too many (?:concurrent )?(?:queries|requests)",
        re.IGNORECASE,
    ),
    full=re.compile(r"pending job (?:slot )?(?:threshold|limit)[^\n]*reached", re.IGNORECASE),
    unknown=re.compile(r"already finished|No matching job|is not found", re.IGNORECASE),
    waits=re.compile(r"^.*(?:Please wait|still trying).*$", re.IGNORECASE | re.MULTILINE),
    trusts_code=False,
)
