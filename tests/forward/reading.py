"""What trackers have, read back by their own readers: run id -> metric, step, time and value, sorted."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Found = dict[str, list[tuple[str, int, float, float]]]
_BLOCK = 32768


def of_jsonl(folder: Path) -> Found:
    found = {}
    for path in folder.glob("*/run.json"):
        rows = [json.loads(line) for line in (path.parent / "metrics.jsonl").read_text().splitlines()]
        found[json.loads(path.read_text())["id"]] = sorted(
            (name, row["step"], row["ts"], float(value)) for row in rows for name, value in row["metrics"].items()
        )
    return found


def of_tensorboard(folder: Path) -> Found:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in folder.glob("*/events.out.tfevents.*"):
        read = EventAccumulator(str(path.parent), size_guidance={"scalars": 0})
        read.Reload()
        found[path.name.rpartition(".")[2]] = sorted(
            (name, event.step, event.wall_time, event.value)
            for name in read.Tags()["scalars"]
            for event in read.Scalars(name)
        )
    return found


def of_wandb(folder: Path) -> Found:
    """Only the names, steps and values that were logged; a time stands for all of a step."""
    found = {}
    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        run_id, rows = "", []
        for record in wandb_records(path):
            run_id = run_id or record.run.run_id
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            if items:
                step, at = record.history.step.num, items.pop("_timestamp")
                rows += [(k, step, at, float(v)) for k, v in items.items() if k not in ("_step", "_runtime")]
        assert run_id not in found, "two folders of one run"
        found[run_id] = sorted(rows)
    return found


def wandb_records(path: Path) -> list[Any]:
    """Return the records of an offline run, read by W&B itself; newer ones have no reader in Python: by its format."""
    from wandb.proto import wandb_internal_pb2

    try:
        from wandb.sdk.internal.datastore import DataStore
    except ImportError:
        return [wandb_internal_pb2.Record.FromString(data) for data in _log_records(path.read_bytes())]
    store = DataStore()
    store.open_for_scan(str(path))
    return [wandb_internal_pb2.Record.FromString(data) for data in iter(store.scan_data, None)]


def _log_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of LevelDB's log behind a header of seven bytes."""
    assert data[:4] == b":W&B"
    at, parts = 7, []
    while at + 7 <= len(data):
        if _BLOCK - at % _BLOCK < 7:
            at += _BLOCK - at % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            yield b"".join(parts)
            parts = []


def of_mlflow(uri: str, experiment: str) -> Found:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    known = client.get_experiment_by_name(experiment)
    found = {}
    for run in client.search_runs([known.experiment_id]) if known else ():
        run_id = run.data.tags["hyperherd.id"]
        assert run_id not in found, "two runs of one trial"
        history = [item for name in run.data.metrics for item in client.get_metric_history(run.info.run_id, name)]
        found[run_id] = sorted((item.key, item.step, item.timestamp / 1000, item.value) for item in history)
    return found
