"""Kill (-9) exports to each tracker at random moments, start them again, and read back what the tracker has.

    python tests/chaos/killed_exports.py                           all trackers that are installed, 20 kills each
    python tests/chaos/killed_exports.py --times 5 jsonl wandb

Every value has to be there once. The checks are those of tests/forward/killing.py, of which the suite takes a few. It
ends with a line for each tracker, or with the assertion that failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from forward import killing, reading
from forward.serving import mlflow_server
from forward.sweeps import write_sweep

from hyperherd.forward import TRACKERS, tracker

_READERS = {"jsonl": reading.of_jsonl, "tensorboard": reading.of_tensorboard, "wandb": reading.of_wandb}


def check(name: str, folder: Path, times: int) -> int:
    """Kill exports to one tracker; return how many were not done by then."""
    root = write_sweep(folder / "s", trials=4, steps=150).dir
    if name != "mlflow":
        out, read = folder / "out", _READERS[name]
        return killing.check(root, lambda place: tracker(name, out / place), lambda place: read(out / place), times, 1)
    (folder / "server").mkdir()
    with mlflow_server(folder / "server") as address:
        return killing.check(
            root,
            lambda place: tracker(name, address, place),
            lambda place: reading.of_mlflow(address, place),
            times,
            1,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trackers", nargs="*", help="default: all that are installed")
    parser.add_argument("--times", type=int, default=20, help="kills of each")
    arguments = parser.parse_args()
    installed = [name for name in TRACKERS if name == "jsonl" or find_spec(name)]
    with ExitStack() as stack:
        for name in arguments.trackers or installed:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"hyperherd-chaos-{name}-"))
            began = time.monotonic()
            count = check(name, Path(folder), arguments.times)
            seconds = time.monotonic() - began
            print(
                f"{name}: {arguments.times} kills, {count} before the end; each value once, {seconds:.0f} s", flush=True
            )


if __name__ == "__main__":
    main()
