"""Starting an element: its script and files in the spool folder, its environment, its processes."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

from . import supervisor
from .jobs import RUN, Element, Submission
from .settings import Settings


def start(element: Element, hosts: list[str], gpus: list[int], settings: Settings, folder: Path, now: float) -> None:
    """Run the element on these slots."""
    spec = element.job.spec
    element.hosts, element.gpus = hosts, gpus
    element.runs += 1
    element.started, element.code, element.reason, element.ending = now, None, "", None
    element.warned = element.limited = False
    if not settings.run_time_accumulates:
        element.ran = 0.0
    element.spool = str(folder / "spool" / f"{int(now)}.{element.job.id}.{element.index}.{element.runs}")
    script = Path(element.spool + ".shell")
    script.write_text(_program(spec.script), encoding="utf-8", errors="surrogateescape")
    script.chmod(0o700)
    out, err = _streams(element, settings)
    run = supervisor.Run(str(script), _cwds(element), _environment(element, settings, folder), spec.umask, out, err)
    element.turn(RUN, now, f"Dispatched {len(hosts)} Task(s) on Host(s) {' '.join(f'<{h}>' for h in hosts)}")
    element.pid = supervisor.start(run)
    element.events.append((now, f"Starting (Pid {element.pid})"))


def direct(element: Element, settings: Settings) -> bool:
    """Does the job write to the file of -o itself, without the spool folder?"""
    spec = element.job.spec
    asked = spec.environ.get("LSB_STDOUT_DIRECT", "").upper() == "Y" or settings.says_yes("LSB_STDOUT_DIRECT")
    return asked and spec.out is not None


def _streams(element: Element, settings: Settings) -> tuple[str, str]:
    """Where the job's two streams go; no second one where they go together."""
    spec = element.job.spec
    out, err = output_paths(element)
    if not direct(element, settings):
        return element.spool + ".out", element.spool + ".err" if err else ""
    for path, fresh in ((out, spec.out_overwrites), (err, spec.err_overwrites)):
        if path and fresh:
            path.unlink(missing_ok=True)
    return str(out), str(err) if err else ""


def _program(script: str) -> str:
    return script if script.startswith("#!") else f"#!/bin/sh\n{script}\n"


def expand(element: Element, text: str) -> str:
    return text.replace("%J", str(element.job.id)).replace("%I", str(element.index))


def output_paths(element: Element) -> tuple[Path | None, Path | None]:
    """Where -o and -e point, seen from the directory that the job runs in."""
    spec = element.job.spec
    return _output_path(element, spec.out, ".out"), _output_path(element, spec.err, ".err")


def _output_path(element: Element, text: str | None, suffix: str) -> Path | None:
    if not text:
        return None
    base = working_directory(element)
    path = os.path.join(base, expand(element, text))  # noqa: PTH118 -- keeps the slash at the end
    if path.endswith("/"):
        path += f"{element.job.id}{f'.{element.index}' if element.index else ''}{suffix}"
    return Path(path)


def working_directory(element: Element) -> str:
    """-cwd, or where the job was submitted."""
    return str(Path(element.job.spec.cwd, expand(element, element.job.spec.exec_cwd)))


def _cwds(element: Element) -> list[str]:
    path = working_directory(element)
    if element.job.spec.exec_cwd:
        with contextlib.suppress(OSError):
            Path(path).mkdir(parents=True, exist_ok=True)
    return [path, "/tmp"]


def _environment(element: Element, settings: Settings, folder: Path) -> dict[str, str]:
    spec, person = element.job.spec, pwd.getpwuid(os.getuid())
    indices = spec.indices or [0]
    environ = {
        "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        **spec.environ,
        **cluster_environment(folder),
        "HOME": person.pw_dir,
        "USER": person.pw_name,
        "LOGNAME": person.pw_name,
        "LSB_JOBID": str(element.job.id),
        "LSB_JOBINDEX": str(element.index),
        "LSB_BATCH_JID": element.batch_id,
        "LSB_JOBNAME": element.name,
        "LSB_JOBFILENAME": element.spool,
        "LSB_QUEUE": spec.queue,
        "LSB_SUB_HOST": spec.from_host,
        "LS_SUBCWD": spec.cwd,
        "LSB_TRAPSIGS": "trap # 15 10 12 2 1",
        "LSB_EXIT_PRE_ABORT": "99",
        "LSB_EXIT_REQUEUE": " ".join(map(str, sorted(spec.requeue_codes))),
        **_slots(element, spec),
    }
    if spec.indices:
        environ |= {"LSB_JOBINDEX_STEP": str(spec.step), "LSB_JOBINDEX_END": str(indices[-1])}
    if spec.out:
        environ["LSB_OUTPUTFILE"] = expand(element, spec.out)
    if spec.err:
        environ["LSB_ERRORFILE"] = expand(element, spec.err)
    if element.restarted:
        environ["LSB_RESTART"] = "Y"
    if spec.gpus:
        environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, element.gpus))
    return environ


def _slots(element: Element, spec: Submission) -> dict[str, str]:
    counts = {host: element.hosts.count(host) for host in element.hosts}
    listed = Path(element.spool + ".hostfile")
    listed.write_text("".join(f"{host}\n" for host in element.hosts))
    return {
        "LSB_HOSTS": " ".join(element.hosts),
        "LSB_MCPU_HOSTS": "".join(f"{host} {number} " for host, number in counts.items()),
        "LSB_DJOB_NUMPROC": str(spec.slots),
        "LSB_MAX_NUM_PROCESSORS": str(spec.slots),
        "LSB_DJOB_HOSTFILE": str(listed),
        "LSB_DJOB_RANKFILE": str(listed),
    }


def cluster_environment(folder: Path) -> dict[str, str]:
    """What sourcing the cluster's profile.lsf sets, but for PATH."""
    return {
        "LSF_BINDIR": str(folder / "bin"),
        "LSF_SERVERDIR": str(folder / "etc"),
        "LSF_LIBDIR": str(folder / "lib"),
        "LSF_ENVDIR": str(folder / "conf"),
    }


def output(element: Element) -> str:
    """What the present run has printed so far."""
    path = Path(element.spool + ".out")
    return path.read_text(encoding="utf-8", errors="surrogateescape") if element.spool and path.exists() else ""
