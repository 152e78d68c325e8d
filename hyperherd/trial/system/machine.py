"""The machine that a trial runs on: its processor, and the GPUs that the trial sees, whether it uses them or not."""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperherd.trial.system.nvidia_smi import MASK, ask, is_named, masked

_DRIVER = Path("/proc/driver/nvidia")
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def machine() -> dict[str, Any]:
    """Return ``cpu``, ``cpus``, ``gpus`` and ``driver`` of `provenance.json` (docs/format.md)."""
    driver, gpus = _gpus()
    return {"cpu": _cpu(), "cpus": _cpus(), "gpus": _seen(gpus, os.environ), "driver": driver}


def gpus_of_torch() -> list[str] | None:
    """Return the names of the GPUs that torch uses in this process; None if it uses none."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    try:
        if cuda is None or not cuda.is_initialized():
            return None
        return [str(cuda.get_device_name(index)) for index in range(cuda.device_count())]
    except Exception:  # noqa: BLE001 - a driver that fails at the end of a trial; what is recorded of it stays
        return None


@functools.lru_cache(maxsize=1)
def _cpu() -> str | None:
    with suppress(OSError), open("/proc/cpuinfo", errors="replace") as file:
        if found := _MODEL.search(file.read(1 << 13)):  # of hundreds of cores, the first
            return found[1].strip()
    return platform.processor() or None


def _cpus() -> int | None:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@functools.lru_cache(maxsize=1)
def _gpus() -> tuple[str | None, list[tuple[str, str, str]]]:
    """Return the version of NVIDIA's driver, and number, UUID and name of each GPU; asked once in a tree of processes.

    The driver's own files are read if they tell all: nvidia-smi may take a second.
    """
    if not _DRIVER.exists() and sys.platform == "linux" and not Path("/dev/dxg").exists():  # the latter: WSL
        return None, []
    found = []
    for number, path in enumerate(sorted(_DRIVER.glob("gpus/*/information"))):
        with suppress(OSError):
            about = dict(line.split(":", 1) for line in path.read_text(errors="replace").splitlines() if ":" in line)
            found.append((str(number), about.get("GPU UUID", "").strip(), about.get("Model", "").strip()))
    version = None
    with suppress(OSError):
        told = re.search(r"\s(\d+\.\d+[.\d]*)\s", (_DRIVER / "version").read_text(errors="replace").partition("\n")[0])
        version = told[1] if told else None
    # The files list GPUs that a scheduler has hidden from this job; of one kind they have one name anyway.
    if found and version and len({name for _, _, name in found}) == 1:
        return version, found
    rows = ask("index", "uuid", "name", "driver_version")
    return (rows[0][3] if rows else version), [(number, uuid, name) for number, uuid, name, _ in rows]


def _seen(gpus: list[tuple[str, str, str]], environment: Mapping[str, str]) -> list[str]:
    """Return the names of those GPUs that a process with this environment sees."""
    mask = environment.get(MASK)
    if mask is None:
        return [name for _, _, name in gpus]
    kinds = {name for _, _, name in gpus}
    if len(kinds) == 1:  # whatever the numbers in the mask count from
        return [*kinds] * min(len(masked(mask)), len(gpus))
    return [name for entry in masked(mask) for number, uuid, name in gpus if is_named(entry, number, uuid)]
