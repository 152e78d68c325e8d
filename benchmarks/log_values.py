"""Log calls that are not plain: values of torch and NumPy, and calls while a part is rolled.

    python benchmarks/log_values.py           # both; a minute

Kinds take turns in one process; a figure is the median of the rounds, in microseconds of processor time for a record of
ten values. "with float()" is the same record, each value made a float before the call. For rolls it is the longest call
while each part is made, the median of 10 parts, beside the longest ones of equally long times without a roll; on a
machine that does other work both are what the kernel takes away. The first roll, which imports pyarrow, is by itself.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperherd.metrics.consolidate import roll
from hyperherd.metrics.writer import MetricWriter, Roll

CALLS, ROUNDS, ROLLS = 500, 31, 10


def kinds() -> dict[str, Callable[[int], Any]]:
    """Return what makes a value of each kind."""
    import numpy as np

    made: dict[str, Callable[[int], Any]] = {"float": lambda index: index * 0.37, "np.float32": np.float32}
    made["np.float64"] = np.float64
    try:
        import torch
    except ModuleNotFoundError:
        return made
    return {**made, "torch": lambda index: torch.tensor(index * 0.37)}


def cost(log: Callable[[dict[str, Any], int], None], record: dict[str, Any]) -> float:
    """Return microseconds a call."""
    start = time.process_time()
    for step in range(CALLS):
        log(record, step)
    return (time.process_time() - start) / CALLS * 1e6


def compare_kinds() -> None:
    """Print a line for each kind of value."""
    records = {kind: {f"train/metric{i}": make(i) for i in range(10)} for kind, make in kinds().items()}
    costs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in records}
    with tempfile.TemporaryDirectory() as folder:
        writer = MetricWriter(Path(folder), 0)
        log = writer.log

        def as_floats(metrics: dict[str, Any], step: int) -> None:
            log({name: float(value) for name, value in metrics.items()}, step)

        for _ in range(ROUNDS):
            for kind, record in records.items():
                costs[kind].append((cost(log, record), cost(as_floats, record)))
        writer.close()
    print("| ten values | us a call | with float() |\n|---|--:|--:|")
    for kind, pairs in costs.items():
        print("| {} | {:.1f} | {:.1f} |".format(kind, *map(statistics.median, zip(*pairs, strict=True))))


def longest_calls() -> tuple[list[float], list[float]]:
    """Return the longest call while each part is made, and in equally long times without one, in seconds."""
    spans: list[tuple[float, float]] = []
    make_part = roll.make_part

    def timed(*arguments: Any) -> str:
        start = time.perf_counter()
        try:
            return make_part(*arguments)
        finally:
            spans.append((start, time.perf_counter()))

    roll.make_part = timed  # type: ignore[assignment]
    during, between = [], []
    for _ in range(ROLLS + 1):
        with tempfile.TemporaryDirectory() as folder:
            rolled, kept = MetricWriter(Path(folder, "a"), 0, Roll(bytes=1 << 20)), MetricWriter(Path(folder, "b"), 0)
            before = len(spans)
            calls = timed_calls(rolled, lambda before=before: len(spans) == before)  # type: ignore[misc]
            start, end = spans[before]
            during.append(max(cost for at, cost in calls if start <= at + cost and at <= end))
            rolled.close()
            until = time.perf_counter() + end - start
            quiet = timed_calls(kept, lambda until=until: time.perf_counter() < until)  # type: ignore[misc]
            between.append(max(cost for _, cost in quiet))
            kept.close()
    roll.make_part = make_part
    return during, between


def timed_calls(writer: MetricWriter, goes_on: Callable[[], bool]) -> list[tuple[float, float]]:
    """Log for as long as asked, and return when each call began and how long it took, in seconds."""
    calls: list[tuple[float, float]] = []
    record = {f"train/metric{index}": index * 0.37 for index in range(10)}
    while goes_on():
        start = time.perf_counter()
        writer.log(record, len(calls))
        calls.append((start, time.perf_counter() - start))
    return calls


def main() -> None:
    """Print both tables."""
    compare_kinds()
    (first, *during), between = longest_calls()
    print("\n| | longest call, ms | median of |\n|---|--:|--:|")
    print(f"| without a roll | {statistics.median(between) * 1e3:.2f} | {len(between)} |")
    print(f"| while a part is rolled | {statistics.median(during) * 1e3:.2f} | {len(during)} |")
    print(f"| while pyarrow is imported, too | {first * 1e3:.1f} | 1 |")


if __name__ == "__main__":
    main()
