"""The report LSF writes when a job has ended, and where output and report go."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from .jobs import DONE, REASONS, Element
from .runs import direct, output, output_paths
from .settings import Settings

RULE = "-" * 60


def stamp(moment: float | None, year: bool = True) -> str:
    text = time.ctime(moment)
    return text if year else text[:-5]


def reason_text(reason: str) -> str:
    return f"{reason}: {REASONS[reason]}"


def exited(element: Element) -> str:
    """The words of bhist for an end that is not a success."""
    if element.code is None:
        return "Exited."
    by_itself = element.exited_by_itself
    return f"Exited with exit code {element.code}." if by_itself else f"Exited by signal {element.code - 128}."


def outcome(element: Element) -> str:
    if element.state == DONE:
        return "Successfully completed."
    lines = [f"{reason_text(element.reason)}."] if element.reason else []
    return "\n".join([*lines, f"Exited with exit code {element.code or 0}."])


def deliver(element: Element, settings: Settings, folder: Path) -> None:
    """Put output and report where -o and -e say; what cannot be written there is lost, as it is on LSF."""
    spec = element.job.spec
    out, err = output_paths(element)
    straight = direct(element, settings)
    ended = "PS:\n\n"
    if err is not None:
        ended += f"Read file <{err}> for stderr output of this job.\n"
    if straight:
        text = f"\n{RULE}\n" + report(element, settings) + "\nThe output (if any) is above this job summary.\n"
    else:
        follows = "\nThe output (if any) follows:\n\n"
        text = report(element, settings) + follows + output(element) + "\n" + (ended if err else "")
    try:
        if out is None or spec.report_by_mail:
            _mail(spec.environ, text, folder)
            text = "" if straight else output(element)
        if out is not None:
            with open(out, "w" if spec.out_overwrites and not straight else "a", errors="surrogateescape") as file:
                file.write(text)
        if err is not None and not straight:
            mode = "wb" if spec.err_overwrites else "ab"
            with open(element.spool + ".err", "rb") as source, open(err, mode) as target:
                shutil.copyfileobj(source, target)
    except OSError as lost:
        element.events.append((element.ended or 0.0, f"Output is lost: {lost.strerror}"))


def _mail(environ: dict[str, str], text: str, folder: Path) -> None:
    if environ.get("LSB_JOB_REPORT_MAIL", "").upper() != "N":
        with open(folder / "mail", "a", errors="surrogateescape") as file:
            file.write(text)


def discard(element: Element) -> None:
    """Drop what a run has left in the spool folder."""
    for suffix in (".shell", ".out", ".err", ".hostfile"):
        Path(element.spool + suffix).unlink(missing_ok=True)


def report(element: Element, settings: Settings) -> str:
    """The text up to the job's own output."""
    spec, host, cluster = element.job.spec, " ".join(dict.fromkeys(element.hosts)), settings.cluster
    name = spec.name + spec.array_spec or spec.command
    title = "Done" if element.state == DONE else "Exited"
    placed = f"in cluster <{cluster}> at"
    cpu, peak = f"{element.cpu:.2f} sec.", f"{element.peak / (1 << 20):.0f} MB"
    return f"""\
Sender: LSF System <lsfadmin@{host}>
Subject: Job {element.batch_id}: <{name}> in cluster <{cluster}> {title}

Job <{name}> was submitted from host <{spec.from_host}> by user <{spec.user}> {placed} {stamp(element.submitted)}
Job was executed on host(s) <{host}>, in queue <{spec.queue}>, as user <{spec.user}> {placed} {stamp(element.started)}
<{Path.home()}> was used as the home directory.
<{spec.exec_cwd or spec.cwd}> was used as the working directory.
Started at {stamp(element.started)}
Terminated at {stamp(element.ended)}
Results reported at {stamp(element.ended)}

Your job looked like:

{RULE}
# LSBATCH: User input
{spec.script}
{RULE}

{outcome(element)}

Resource usage summary:

    CPU time :                                   {cpu}
    Max Memory :                                 {peak}
    Average Memory :                             -
    Total Requested Memory :                     -
    Delta Memory :                               -
    Max Swap :                                   -
    Max Processes :                              -
    Max Threads :                                -
    Run time :                                   {int((element.ended or 0) - (element.started or 0))} sec.
    Turnaround time :                            {int((element.ended or 0) - element.submitted)} sec.
"""
