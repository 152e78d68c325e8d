"""Questions to nvidia-smi, NVIDIA's own tool: a process that has initialised CUDA itself cannot be forked."""

from __future__ import annotations

import subprocess

MASK = "CUDA_VISIBLE_DEVICES"
_SECONDS = 10.0


def ask(*query: str) -> list[list[str]]:
    """Return the asked properties of each GPU as text; nothing if the tool does not answer."""
    command = ["nvidia-smi", f"--query-gpu={','.join(query)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines() if line.strip()]
    return [row for row in rows if len(row) == len(query)]


def number(text: str) -> float | None:
    """Return a property that is a number; None where the driver does not report it."""
    try:
        return float(text)
    except ValueError:  # [N/A], [Not Supported]
        return None


def masked(mask: str) -> list[str]:
    """Return what CUDA makes of a mask: entries up to the first that is not a device."""
    gpus: list[str] = []
    for entry in (part.strip() for part in mask.split(",")):
        if not (entry.isdigit() or entry.startswith(("GPU-", "MIG-"))):
            break
        gpus.append(entry)
    return gpus


def is_named(gpu: str, number_: str, uuid: str) -> bool:
    """Return whether an entry of a mask, a number, a UUID or the beginning of that, names a GPU."""
    return gpu in (number_, uuid) or (gpu.startswith("GPU-") and uuid.startswith(gpu))
