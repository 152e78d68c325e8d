"""What a trial takes of its machine, as the kernel and an executable called nvidia-smi say, logged in a thread."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import until

import hyperherd
from hyperherd.metrics.reader import read_metrics
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.records.trial import TrialRecord
from hyperherd.trial import log as trial_log
from hyperherd.trial.notes import noted
from hyperherd.trial.system import monitor
from hyperherd.trial.system.gpus import Energy, given_gpus
from hyperherd.trial.system.processes import tree_use
from hyperherd_callbacks._stream import Stream

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU and memory are read from /proc")

# As the tool prints it with --format=csv,noheader,nounits: two GPUs of which one is a slice without a load of its own.
DRIVER = """#!/bin/sh
[ "$1 $2" = "--query-gpu=index,uuid,utilization.gpu,memory.used,power.draw --format=csv,noheader,nounits" ] || exit 2
echo "0, GPU-8f6a4b1e-0000-4c5d-9e11-aaaaaaaaaaaa, 37, 1024, 71.32"
echo "1, GPU-8f6a4b1e-1111-4c5d-9e11-bbbbbbbbbbbb, [N/A], 512, 250.00"
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "bin" / "nvidia-smi"
    script.parent.mkdir()
    script.write_text(DRIVER)
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return script


@pytest.fixture
def trial_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(monitor, "_FIRST", 0.01)
    yield trial_log.enter(tmp_path / "trial", 0).trial_dir
    trial_log.leave()
    until(lambda: not monitors())


def rows(trial_dir: Path) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in read_metrics(trial_dir).to_pylist()}


def monitors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if isinstance(thread, monitor.SystemMonitor)]


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("mask", "gpus"),
    [
        (None, {"gpu0/use_percent": 37.0, "gpu0/memory_gib": 1.0, "gpu1/memory_gib": 0.5, "gpu1/power_w": 250.0}),
        ("1", {"gpu0/memory_gib": 0.5, "gpu0/power_w": 250.0}),
        ("GPU-8f6a4b1e-1111", {"gpu0/memory_gib": 0.5}),
        ("", {}),
    ],
)
def test_a_trial_logs_what_it_takes(
    trial_dir: Path, monkeypatch: pytest.MonkeyPatch, mask: str | None, gpus: Mapping[str, float]
) -> None:
    if mask is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    hyperherd.log_system(every_s=1000)
    until(lambda: rows(trial_dir))
    found = rows(trial_dir)
    assert found.items() >= {f"system/{name}": value for name, value in gpus.items()}.items()
    assert {name for name in found if "gpu" in name and "use_percent" in name} <= {"system/gpu0/use_percent"}
    assert ("system/gpu0/energy_wh" in found) == bool(gpus)
    assert 0 < found["system/memory_gib"] < 1000
    assert noted().get("gpus") == ({None: 2, "": None}.get(mask, 1))


def test_without_a_driver_there_are_cpu_and_memory(trial_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    Stream(log_system=5).begin()
    until(lambda: rows(trial_dir))
    assert set(rows(trial_dir)) == {"system/cpu_percent", "system/memory_gib"}


def test_it_changes_nothing_of_a_training(trial_dir: Path) -> None:
    hyperherd.log_metrics({"loss": 1.0}, 7)
    hyperherd.log_system()
    hyperherd.log_system()
    assert len(monitors()) == 1
    until(lambda: "system/memory_gib" in rows(trial_dir))
    summary = RunningSummary(trial_dir, None)
    summary.refresh()
    assert summary.step == 7
    assert list(summary.phases) == ["", "system"]
    hyperherd.log_metrics({"loss": 2.0}, 8)
    assert [row["step"] for row in read_metrics(trial_dir, ["loss"]).to_pylist()] == [7, 8]


def test_it_ends_with_the_trial(trial_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def hang(mask: str | None) -> list[Any]:
        asked.set()
        may_answer.wait()
        return []

    monkeypatch.setattr(monitor, "read_gpus", hang)
    hyperherd.log_system(1)
    [thread] = monitors()
    asked.wait()
    trial_log.leave()
    may_answer.set()
    thread.join()
    assert rows(trial_dir) == {}


def test_whatever_fails_ends_it_alone(
    trial_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(mask: str | None) -> list[Any]:
        raise RuntimeError("the driver is gone")

    monkeypatch.setattr(monitor, "read_gpus", fail)
    with caplog.at_level(logging.WARNING, "hyperherd"):
        hyperherd.log_system()
        until(lambda: not monitors())
    assert "the driver is gone" in caplog.text
    hyperherd.log_metrics({"loss": 1.0}, 1)
    assert rows(trial_dir) == {"loss": 1.0}


def test_of_several_processes_the_main_one_logs(trial_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "current_rank", lambda: 1)
    hyperherd.log_system()
    assert monitors() == []


@pytest.mark.usefixtures("trial_dir")
@pytest.mark.parametrize("every_s", [0, 0.5, -1, float("nan"), float("inf"), "30"])
def test_seconds_are_checked(every_s: Any) -> None:
    with pytest.raises(ValueError, match="at least 1 second"):
        hyperherd.log_system(every_s)
    with pytest.raises(ValueError, match="at least 1 second"):
        Stream(log_system=every_s)


def test_a_process_counts_with_its_children() -> None:
    before = tree_use(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input(sum(range(3_000_000)))"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.read(1)  # it has done its sum
        during = tree_use(os.getpid())
        child.communicate(b"\n")
    after = tree_use(os.getpid())
    assert before is not None
    assert during is not None
    assert after is not None
    assert during.memory_bytes > before.memory_bytes
    assert after.cpu_seconds >= during.cpu_seconds > before.cpu_seconds


def test_energy_is_the_mean_power_times_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1000.0, 2800.0, 4600.0])
    monkeypatch.setattr("hyperherd.trial.system.gpus.time.monotonic", lambda: next(times))
    energy = Energy()
    assert energy.add([100.0, None]) == [0.0, None]
    assert energy.add([300.0, 50.0]) == [100.0, 0.0]
    assert energy.add([300.0, 50.0]) == [250.0, 25.0]


@pytest.mark.parametrize(
    ("environment", "given"),
    [
        ({}, None),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, None),
        ({"HYPERHERD_GPUS": "0.5", "SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "4"}, 0.5),
        ({"HYPERHERD_GPUS": "", "SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "4"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_NUM_NODES": "2"}, 8.0),
        ({"SLURM_JOB_ID": "7"}, None),
        ({"LSB_JOBID": "7", "CUDA_VISIBLE_DEVICES": "2,3"}, 2.0),
    ],
)
def test_how_many_gpus_a_trial_was_given(environment: Mapping[str, str], given: float | None) -> None:
    assert given_gpus(environment) == given


@pytest.mark.usefixtures("driver")
def test_what_a_trial_saw_is_in_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "_FIRST", 0.01)
    with hyperherd.start_trial(tmp_path / "trial") as trial:
        hyperherd.log_system()
        until(lambda: rows(trial.dir))
    assert TrialRecord.read(trial.dir).gpus == 2
