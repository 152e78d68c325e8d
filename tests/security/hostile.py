"""A sweep with every kind of record file there is, and what a stranger or a broken disk may make of one."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from results.builder import SweepBuilder

from hyperherd.metrics.arrays import save_array
from hyperherd.metrics.consolidate.compact import compact
from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths
from hyperherd.records.disk.files import create, replace_json
from hyperherd.records.provenance.record import provenance
from hyperherd.records.requests import ask_to_cancel
from hyperherd.results.api import load
from hyperherd.results.files.index import index
from hyperherd.trial.alerts import AlertBook

SPEC = {"metric": "val/acc", "direction": "maximize"}
_CONFIG = "lr: 0.1\nmodel: {width: 8, depth: '${model.width}'}\nlayers: [1, 2]\nbase: &b {k: 1}\nother: *b\n"
_HYDRA = "hydra:\n  job: {name: train, num: 1}\n  runtime: {cwd: /nowhere, config_sources: []}\n"


def write_sweep(root: Path) -> Path:
    """Write a sweep with a trial for each way in which one keeps its metrics."""
    sweep = SweepBuilder(root)
    for number in range(4):
        sweep.trial({"val/acc": 0.5 + number / 10}, {"note": "x"}, params={"lr": 0.1 * number, "seed": number})
        _fill(sweep.dir / str(number), merged=number % 2 == 0)
    sweep.failed({"val/acc": 0.1}, params={"lr": 0.9, "seed": 4}, alerts={"error": 1})
    AlertBook(sweep.dir / "4", 0).add("loss is NaN", "error")
    sweep.plan(lr=1.0, seed=5)
    sweep.event(5, "submitted", job_id="12_5", job_name="n", launcher="nobody")
    _plain(sweep.dir / "6")
    compact(sweep.dir)
    replace_json(sweep.dir / ".hyperherd" / "sweep.lock", {"host": "elsewhere.invalid", "pid": 1, "pid_started": 1.0})
    ask_to_cancel(sweep.dir, [1])
    (sweep.dir / "multirun.yaml").write_text(_HYDRA)
    return sweep.dir


def _fill(trial: Path, *, merged: bool) -> None:
    writer = MetricWriter(trial, 0)
    for step in range(5):
        writer.log({"val/acc": step / 10, "exact": 2**60 + step}, step)
    writer.log_final({"note": "x", "nested": {"a": [1]}})
    writer.close()
    if merged:
        merge(trial, SPEC)
    paths = TrialPaths(trial)
    create(paths.attempts / "0", {"key": "k", "time": 1.0, "host": "h", "pid": 1})
    replace_json(paths.provenance, provenance(__file__))
    paths.logs.mkdir()
    for stream in ("out", "err"):
        paths.log(0, stream).write_text("epoch 1\nepoch 2\n")
    save_array(trial, "weights", np.arange(6.0).reshape(2, 3), 1)
    _hydra(trial)


def _plain(trial: Path) -> None:
    """Write a job that only Hydra and trainers know."""
    _hydra(trial)
    (trial / "metrics.csv").write_text("step,loss\n0,1.5\n1,0.5\n")
    (trial / "checkpoint-1").mkdir()
    (trial / "checkpoint-1" / "trainer_state.json").write_text('{"log_history": [{"step": 1, "loss": 0.5}]}')
    logger = "hydra.experimental.callbacks.LogJobReturnCallback"
    (trial / "train.log").write_text(f"[2026-01-01][{logger}][INFO] - Succeeded with return value: {{'acc': 1}}\n")


def _hydra(trial: Path) -> None:
    (trial / ".hydra").mkdir(parents=True)
    (trial / ".hydra" / "config.yaml").write_text(_CONFIG)
    (trial / ".hydra" / "overrides.yaml").write_text("- lr=0.1\n- +extra=${model.width}\n")
    (trial / ".hydra" / "hydra.yaml").write_text(_HYDRA)


def copy_sweep(source: Path, target: Path) -> Path:
    """Copy a sweep, with an index that stands for the copies."""
    shutil.copytree(source, target)
    for path in target.rglob("trial.json"):
        os.utime(path, (1e9, 1e9))
    smallest, index.SMALLEST = index.SMALLEST, 1
    try:
        load(target)
    finally:
        index.SMALLEST = smallest
    return target


def record_files(sweep: Path) -> list[Path]:
    """Return all files of a sweep, in one order."""
    return sorted(path for path in sweep.rglob("*") if path.is_file())


def mutate(path: Path, rng: random.Random) -> str:
    """Make something else of a file; return what."""
    data = path.read_bytes()
    kinds: list[Callable[[Path, bytes, random.Random], None]] = [_cut, _flip, _insert, _special, _fill_with]
    if _is_structured(data):
        kinds += [_wrong_value] * 5
    kind = rng.choice(kinds)
    kind(path, data, rng)
    return kind.__name__


def _is_structured(data: bytes) -> bool:
    return data[:1] in (b"{", b"[")


def _cut(path: Path, data: bytes, rng: random.Random) -> None:
    path.write_bytes(data[: rng.randrange(len(data) + 1)])


def _flip(path: Path, data: bytes, rng: random.Random) -> None:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice([1, 1, 4, 16])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    path.write_bytes(bytes(changed))


_INSERTED = [
    b"${oc.env:HOME}", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"1e999", b"-1", b"9" * 400, b"9" * 5000, b"null", b"NaN",
    b"[" * 5000, b"{" * 5000, b'"', b"\n", b": ", b"*b", b"&b", b"<<: *b", b"!!python/object:os.system x", b"!!int ''",
    b"\x1b[2J", b"../../..", b"/etc/passwd", b"- - - - - -", b"true", b"0x" + b"f" * 5000,
]  # fmt: skip


def _insert(path: Path, data: bytes, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    path.write_bytes(data[:place] + rng.choice(_INSERTED) + data[place + rng.choice([0, 0, 1, 8]) :])


def _special(path: Path, data: bytes, rng: random.Random) -> None:
    path.unlink()
    kind = rng.choice(["pipe", "folder", "huge", "device", "loop", "nothing"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":  # Holes: a terabyte that takes no room.
        with path.open("wb") as stream:
            stream.write(data)
            stream.truncate(1 << 40)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)


_FILLINGS = [
    b"",
    b"[]",
    b"{}",
    b"null",
    b"0",
    b'"x"',
    b"[" * 100_000,
    b'{"a":' * 190 + b"1" + b"}" * 190,
    b"a: &a [x]\n" + b"".join(b"k%d: &k%d [%s]\n" % (i, i, b",".join([b"*k%d" % (i - 1)] * 9)) for i in range(1, 30)),
    b"- " * 5000 + b"x",
    b"".join(b"k%d: ${k%d}${k%d}\n" % (i, i + 1, i + 1) for i in range(200)) + b"k200: x\n",
    b"x: &x {y: *x}\n",
    b"\x80\x05.",
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(127) + b"\n",
]


def _fill_with(path: Path, data: bytes, rng: random.Random) -> None:
    path.write_bytes(rng.choice(_FILLINGS))


_NUMBERS: list[Any] = [None, True, -1, 2**31, 2**63, 2**64, 10**400, 1.5, 1e308, -1e308]
_TEXTS: list[Any] = ["", "x", "NaN", "Infinity", "\x00", "\ud800", "../..", "/etc/passwd", "\x1b[31m", "9" * 5000, "²"]
_VALUES: list[Any] = [*_NUMBERS, *_TEXTS, [], {}, [[]], {"": ""}, [1, "x", None], {"a": {"b": 1}}]


def _wrong_value(path: Path, data: bytes, rng: random.Random) -> None:
    """Put a value of the wrong kind somewhere into a JSON document, or into one line of them."""
    lines = data.splitlines() if path.suffix == ".jsonl" else [data]
    place = rng.randrange(len(lines))
    try:
        document = json.loads(lines[place])
    except ValueError:
        return
    spots = [*_spots(document)]
    container, key = rng.choice(spots) if spots else ({}, "")
    if rng.random() < 0.2 and isinstance(container, dict):
        del container[key]
    else:
        container[key] = rng.choice(_VALUES)
    lines[place] = json.dumps(document).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


def _spots(node: Any) -> Iterator[tuple[Any, Any]]:
    items = list(node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ())
    for key, value in items:
        yield node, key
        yield from _spots(value)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what tells whether anything in a folder was touched."""
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


def elapsed(since: float) -> float:
    """Return the seconds of this process's CPU since then: the machine may be busy."""
    return time.process_time() - since
