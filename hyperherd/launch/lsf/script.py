"""The script of a job. It outlives every signal but KILL, so that its exit code is its own and not a signal's.

LSF signals all processes of a job: a shell without traps dies from the warning that its Python handles, and the job
counts as killed. Our logs are written live and appended to, because LSF keeps no output of a run that is requeued.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from submitit.core import utils

from hyperherd.compat.submitit import with_id
from hyperherd.launch.lsf.environment import MARKER, METHOD, RESTARTS
from hyperherd.launch.lsf.options import LsfParameters, bsub_options

_VARIABLES = {"%j": '"$SUBMITIT_LSF_ID"', "%A": '"$LSB_JOBID"', "%a": '"$LSB_JOBINDEX"', "%t": "0"}


def make_script(
    parameters: LsfParameters,
    folder: Path,
    command: str,
    *,
    size: int | None,
    tag: str,
    warning: str,
    requeues: bool = True,
) -> str:
    """Return the text that bsub reads.

    Args:
        parameters: of the job.
        folder: of the executor; may hold submitit's ``%j``.
        command: what runs the job, for a shell.
        size: of the array, or None for a single job.
        tag: by which the job can be found if bsub does not print its id.
        warning: name of the signal before the run limit.
        requeues: whether a warned job may come back.
    """
    report = _report(parameters, folder)
    options = bsub_options(parameters, _name(parameters, size), report, tag, warning, requeues=requeues)
    parts = [["#!/bin/bash", *(f"#BSUB {option}" for option in options)], _head(parameters, folder)]
    parts += [[f"export {name}={shlex.quote(str(value))}" for name, value in (parameters.env or {}).items()]]
    parts += [list(parameters.setup or []), _body(parameters, command, list(parameters.teardown or []))]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def marker_path(paths: utils.JobPaths) -> Path:
    """Return the marker file by which a job asks to be requeued."""
    return with_id(paths, paths.folder / "%j_requeue")


def starts_path(paths: utils.JobPaths) -> Path:
    """Return the file to which a job adds a line at each of its starts."""
    return with_id(paths, paths.folder / "%j_starts")


def report_path(folder: Path, job_id: str) -> Path:
    """Return where LSF leaves its report on a job."""
    base, _, index = job_id.partition("_")
    return Path(str(utils.JobPaths.get_first_id_independent_folder(folder))) / f"lsf_{base}_{index or 0}.out"


def _name(parameters: LsfParameters, size: int | None) -> str:
    if size is None:
        return parameters.safe_name
    limit = parameters.array_parallelism or 0
    return f"{parameters.safe_name}[1-{size}]" + (f"%{min(limit, size)}" if limit > 0 else "")


def _report(parameters: LsfParameters, folder: Path) -> str:
    """Return the path of LSF's report, or nowhere if LSF would read something else into the path."""
    place = str(utils.JobPaths.get_first_id_independent_folder(folder))
    if not parameters.lsf_report or any(letter in place for letter in '%"$`\\\n'):
        return "/dev/null"
    return f"{place}/lsf_%J_%I.out"


def _head(parameters: LsfParameters, folder: Path) -> list[str]:
    paths = utils.JobPaths(folder)
    stderr = "2>&1" if parameters.stderr_to_stdout else f"2>> {_in_shell(paths.stderr)}"
    return [
        'SUBMITIT_LSF_ID="$LSB_JOBID"',
        'if [ "${LSB_JOBINDEX:-0}" != 0 ]; then SUBMITIT_LSF_ID="${LSB_JOBID}_${LSB_JOBINDEX}"; fi',
        f"mkdir -p {_in_shell(paths.folder)} || exit 1",
        f"exec >> {_in_shell(paths.stdout)} {stderr} || exit 1",
        f"export {MARKER}={_in_shell(paths.folder / '%j_requeue')}",
        f'rm -f "${MARKER}"',
        # A line for each start: a requeued job keeps its id, and LSF hands it no count of its runs.
        f"echo started >> {_in_shell(paths.folder / '%j_starts')}",
        f"export {RESTARTS}=$(($(wc -l < {_in_shell(paths.folder / '%j_starts')}) - 1))",
        f"export SUBMITIT_EXECUTOR=lsf {METHOD}={parameters.requeue}",
        "trap : USR2; trap 'exit 130' INT; trap 'exit 143' TERM HUP",  # while setup runs, which may take its time
    ]


def _body(parameters: LsfParameters, command: str, teardown: list[str]) -> list[str]:
    code = parameters.requeue_exit_code
    return [
        "set +e",  # setup may have set -e
        "trap : USR2 TERM INT HUP",  # a trap that does nothing is not inherited, an empty one would be
        command,
        "submitit_lsf_code=$?",
        *teardown,
        f'if [ -f "${MARKER}" ]; then exit {code}; fi',
        f'if [ "$submitit_lsf_code" -eq {code} ]; then submitit_lsf_code=1; fi',  # or LSF would requeue it
        'exit "$submitit_lsf_code"',
    ]


def _in_shell(path: Path) -> str:
    """Return a path as a word of shell, submitit's placeholders replaced by what they mean in the job."""
    words, rest = "", str(path)
    while rest:
        found = [(rest.find(token), token) for token in _VARIABLES if token in rest]
        at, token = min(found, default=(len(rest), ""))
        words += (shlex.quote(rest[:at]) if at else "") + _VARIABLES.get(token, "")
        rest = rest[at + len(token) :]
    return words
