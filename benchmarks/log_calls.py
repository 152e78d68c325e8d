"""Logging: ours beside what people use, in one run: cost of a call, bytes, what `kill -9` loses, memory, import.

    python benchmarks/log_calls.py                    # all peers that are installed; 3 to 5 minutes
    python benchmarks/log_calls.py ours first         # some of them

A peer is a class with `log(metrics, step)`, run in processes of its own. Microseconds are per scalar, the median of
rounds that take turns among the peers, so that a busy machine is busy for all. "Lost" counts scalars whose call had
returned and which the peer's own files do not hold after `kill -9`, 1,000 calls into a loop of one a millisecond.
Peers that are not installed are left out; mlflow, wandb and trackio are told to stay offline.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CALLS = 1000
SLOW_CALLS = 100
"""Calls a round of a peer that takes more than 20 us."""
ROUNDS = 31
KILL_AFTER = 1000
MILLION = 1_000_000


class Bare:
    """The floor: a line by orjson, one write."""

    def __init__(self, folder: Path) -> None:
        import orjson

        self.dumps, self.options = orjson.dumps, orjson.OPT_APPEND_NEWLINE
        self.descriptor = os.open(folder / "bare.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def log(self, metrics: dict[str, float], step: int) -> None:
        record = {"ts": time.time(), "step": step, "metrics": metrics}
        os.write(self.descriptor, self.dumps(record, None, self.options))


class Ours:
    """`MetricWriter`, with rolling."""

    def __init__(self, folder: Path) -> None:
        from hyperherd.metrics.writer import MetricWriter

        self.writer = MetricWriter(folder, 0)
        self.log = self.writer.log

    def close(self) -> None:
        self.writer.close()


class Public:
    """`hyperherd.log_metrics`, as training code calls it."""

    def __init__(self, folder: Path) -> None:
        os.environ["HYPERHERD_TRIAL_DIR"] = str(folder)
        import hyperherd

        self.log = hyperherd.log_metrics


class Single:
    """The same in a single run under `@hydra.main`, without a sweep."""

    def __init__(self, folder: Path) -> None:
        from hydra.core.hydra_config import HydraConfig
        from planning import write_app

        import hyperherd
        from hyperherd.sweep.app import composed_app

        write_app(folder)
        config = composed_app(folder, "config", []).compose([f"hydra.sweep.dir={folder}"], 0, "0")
        config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        self.log = hyperherd.log_metrics


class First:
    """The first HyperHerd: one file a metric, opened, appended to and closed by every call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ".hyperherd" / "results" / "0" / "stream"

    def log(self, metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            path = self.folder / f"{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"step": step, "value": value, "ts": time.time()}) + "\n")


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder))

    def log(self, metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)


class TensorBoardX(TensorBoard):
    def __init__(self, folder: Path) -> None:
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter(str(folder))


class Csv:
    """Lightning's CSVLogger, which keeps rows until a trainer flushes them, by default every 100 steps."""

    def __init__(self, folder: Path) -> None:
        from pytorch_lightning.loggers import CSVLogger

        self.logger = CSVLogger(str(folder))

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.logger.log_metrics(metrics, step)


class Wandb:
    def __init__(self, folder: Path) -> None:
        os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
        import wandb

        self.run = wandb.init(dir=str(folder), project="p")

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.run.log(metrics, step=step)


class Mlflow:
    """MLflow with its file store."""

    def __init__(self, folder: Path) -> None:
        os.environ |= {"MLFLOW_TRACKING_URI": f"file:{folder}", "MLFLOW_ALLOW_FILE_STORE": "true"}
        import mlflow

        mlflow.start_run()
        self.mlflow = mlflow

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.mlflow.log_metrics(metrics, step)


class Trackio:
    def __init__(self, folder: Path) -> None:
        os.environ |= {"TRACKIO_DIR": str(folder)}
        import trackio

        self.run = trackio.init(project="p")

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.run.log(metrics, step)


PEERS: dict[str, tuple[str, type, str]] = {
    "bare": ("bare orjson line + write", Bare, "orjson"),
    "ours": ("**ours: MetricWriter.log**", Ours, "hyperherd.metrics.writer"),
    "public": ("**ours: hyperherd.log_metrics**", Public, "hyperherd.trial.log"),
    "single": ("**ours: the same without a sweep**", Single, "hyperherd.trial.log"),
    "first": ("first HyperHerd's open-append-close", First, "json"),
    "csv": ("Lightning CSVLogger", Csv, "pytorch_lightning.loggers"),
    "tensorboard": ("TensorBoard SummaryWriter (torch)", TensorBoard, "torch.utils.tensorboard"),
    "tensorboardX": ("tensorboardX", TensorBoardX, "tensorboardX"),
    "wandb": ("W&B offline", Wandb, "wandb"),
    "trackio": ("trackio", Trackio, "trackio"),
    "mlflow": ("MLflow, files", Mlflow, "mlflow"),
}


def metrics_of(width: int, step: int) -> dict[str, float]:
    return {f"train/metric{index}": 0.123456789 * step + index for index in range(width)}


def round_of(log: Callable[[dict[str, float], int], None], width: int, first: int, calls: int) -> float:
    """Return microseconds per scalar."""
    ready = [metrics_of(width, step) for step in range(first, first + calls)]
    start = time.perf_counter()
    for step, metrics in enumerate(ready, first):
        log(metrics, step)
    return (time.perf_counter() - start) / calls / width * 1e6


def serve(peer: str, folder: Path) -> None:
    """Do on stdin's word one round after the other, and tell each time; the parent lets the peers take turns."""
    log = PEERS[peer][1](folder).log
    step = 0
    for line in sys.stdin:
        width, calls = map(int, line.split())
        print("figure", round_of(log, width, step, calls), flush=True)
        step += calls


def slow_loop(peer: str, folder: Path) -> None:
    """Log once a millisecond for ever; each acknowledged step is told."""
    log, step = PEERS[peer][1](folder).log, 0
    while True:
        log(metrics_of(1, step), step)
        print("figure", step, flush=True)
        step += 1
        time.sleep(0.001)


def million(peer: str, folder: Path) -> None:
    """Log a million scalars and tell by how many MiB the peak of memory grew, the end included."""
    made = PEERS[peer][1](folder)
    for step in range(1000):
        made.log(metrics_of(1, step), step)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for step in range(1000, MILLION):
        made.log(metrics_of(1, step), step)
    if peer == "ours":
        from hyperherd.metrics.consolidate.merge import merge

        made.close()
        merge(folder)
    print("figure", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, flush=True)


def start(mode: str, peer: str, folder: Path) -> subprocess.Popen[str]:
    code = [sys.executable, __file__, "--", mode, peer, str(folder)]
    return subprocess.Popen(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def figure(process: subprocess.Popen[str]) -> float | None:
    """Return the next figure a process tells; None if it ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("figure "):
            return float(line.split()[1])
    return None


def is_there(peer: str) -> bool:
    with tempfile.TemporaryDirectory() as folder, start("serve", peer, Path(folder)) as process:
        assert process.stdin is not None
        process.stdin.write("1 1\n")
        process.stdin.close()
        return figure(process) is not None


def microseconds(peers: list[str], width: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        processes = {peer: start("serve", peer, made(Path(folder) / peer)) for peer in peers}
        found: dict[str, list[float]] = {peer: [] for peer in peers}
        calls = dict.fromkeys(peers, SLOW_CALLS)
        for _ in range(ROUNDS + 1):
            for peer, process in processes.items():
                assert process.stdin is not None
                process.stdin.write(f"{width} {calls[peer]}\n")
                process.stdin.flush()
                cost = figure(process)
                found[peer].append(float("nan") if cost is None else cost)
                calls[peer] = CALLS if found[peer][-1] < 20 else SLOW_CALLS
        for process in processes.values():
            process.kill()
            process.communicate()
        return {peer: statistics.median(costs[1:]) for peer, costs in found.items()}


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def after_kill(peer: str) -> tuple[float, str]:
    """Return bytes per scalar, and how many acknowledged scalars are lost, where we can read the peer's files."""
    with tempfile.TemporaryDirectory() as name:
        folder = made(Path(name))
        with start("slow", peer, folder) as process:
            told = None
            while told is None or told < KILL_AFTER:
                told = figure(process)
                if told is None:
                    return float("nan"), "-"
            process.kill()
            rest = process.stdout.read().split("\n") if process.stdout else []
            told = max([told, *(float(line.split()[1]) for line in rest if len(line.split()) == 2)])
        kept = survivors(peer, folder)
        lost = "-" if kept is None else f"{max(0, int(told) + 1 - kept)} of {int(told) + 1}"
        return size(folder) / (told + 1), lost


def survivors(peer: str, folder: Path) -> int | None:
    """Return how many scalars the files hold; None where only the peer itself could tell."""
    if peer in ("ours", "public"):
        from hyperherd.metrics.reader import read_metrics

        return int(read_metrics(folder).num_rows)
    if peer in ("bare", "first"):
        return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.jsonl"))
    if peer == "csv":
        return sum(max(0, path.read_bytes().count(b"\n") - 1) for path in folder.rglob("metrics.csv"))
    if peer.startswith("tensorboard"):
        return sum(count_events(path) for path in folder.rglob("events.out.*"))
    if peer == "mlflow":
        return sum(path.read_bytes().count(b"\n") for path in folder.rglob("train/metric0"))
    if peer == "trackio":
        import sqlite3

        databases = list(folder.rglob("*.db"))
        return sum(sqlite3.connect(path).execute("select count(*) from metrics").fetchone()[0] for path in databases)
    return None


def count_events(path: Path) -> int:
    """Return the whole records of an event file that hold a value: length, its checksum, data, its checksum."""
    data, place, count = path.read_bytes(), 0, 0
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 8], "little")
        if place + 16 + length > len(data):
            break
        count += b"train/metric0" in data[place + 12 : place + 12 + length]
        place += 16 + length
    return count


def parquet_bytes() -> float:
    """Return bytes per scalar of ours once merged: ten metrics, 10,000 steps."""
    from hyperherd.metrics.consolidate.merge import merge

    with tempfile.TemporaryDirectory() as name:
        ours = Ours(Path(name))
        for step in range(10_000):
            ours.log(metrics_of(10, step), step)
        ours.close()
        merge(Path(name))
        return size(Path(name)) / 100_000


def growth(peer: str) -> float:
    with tempfile.TemporaryDirectory() as folder, start("million", peer, Path(folder)) as process:
        cost = figure(process)
        return float("nan") if cost is None else cost


def import_cost(module: str) -> float:
    """Return the CPU milliseconds that importing a module adds to Python's start."""

    def spent(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3

    rounds = [(spent(f"import {module}"), spent("pass")) for _ in range(3)]
    return statistics.median(full - bare for full, bare in rounds)


def main(wanted: list[str]) -> None:
    peers = [peer for peer in wanted or PEERS if is_there(peer)]
    one, ten = microseconds(peers, 1), microseconds(peers, 10)
    ratio = one.get("ours", float("nan"))
    heads = ["us, 1 a call", "times ours", "us, 10 a call", "bytes", "lost at `kill -9`", "MiB a million", "import ms"]
    print(f"| logger | {' | '.join(heads)} |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for peer in peers:
        title, _, module = PEERS[peer]
        bytes_, lost = after_kill(peer)
        grown = f"{growth(peer):.0f}" if one[peer] < 100 and peer != "bare" else "-"
        cells = [f"{one[peer]:.2f}", f"{one[peer] / ratio:.1f}", f"{ten[peer]:.2f}", f"{bytes_:.0f}", lost, grown]
        print(f"| {title} | {' | '.join(cells)} | {import_cost(module):.0f} |", flush=True)
    print(f"\nOurs after the merge: {parquet_bytes():.1f} bytes a scalar (ten metrics, 10,000 steps).")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        {"serve": serve, "slow": slow_loop, "million": million}[sys.argv[2]](sys.argv[3], Path(sys.argv[4]))
    else:
        main(sys.argv[1:])
