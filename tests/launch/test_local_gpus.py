"""GPUs that others use too: an executable called nvidia-smi on PATH says what they do."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
from conftest import App, Sweep, wait_for

from hyperherd.errors import SweepError
from hyperherd.launch.local.gpus import GpuThresholds, GpuUse, find_use, gpu_use, installed
from hyperherd.launch.local.slots import Limits, Slot, Slots, plan_capacity

LOCAL = "hydra/launcher=herd_local"
UUIDS = ("GPU-aaaa-1", "GPU-bbbb-2")


class Driver:
    """The fake: answers as nvidia-smi does, from a table that a test may change."""

    def __init__(self, folder: Path) -> None:
        self.table = folder / "gpus.csv"
        script = folder / "nvidia-smi"
        # Its arguments are the columns; the file has all of them.
        script.write_text(f"""#!/bin/sh
[ "$2" = --format=csv,noheader,nounits ] || exit 2
case "$1" in
  --query-gpu=index) cut -d, -f1 '{self.table}' ;;
  --query-gpu=index,uuid,utilization.gpu,memory.used,memory.total) cat '{self.table}' ;;
  *) echo "unknown query $1" >&2; exit 2 ;;
esac
""")
        script.chmod(0o755)

    def say(self, *gpus: tuple[object, object]) -> None:
        """Give each GPU its percentage of load and of memory."""
        lines = [f"{n}, {UUIDS[n]}, {load}, {memory}, 100\n" for n, (load, memory) in enumerate(gpus)]
        fresh = self.table.with_suffix(".new")
        fresh.write_text("".join(lines))
        fresh.replace(self.table)


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    folder = tmp_path / "driver"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Driver(folder)


def test_what_nvidia_smi_says(driver: Driver) -> None:
    driver.say((30, 50), ("[N/A]", 0))
    assert installed() == ["0", "1"]
    use = gpu_use()
    assert use["0"] == use["GPU-aaaa-1"] == GpuUse(0.3, 0.5)
    assert use["1"] == GpuUse(None, 0.0)
    assert find_use("GPU-bbbb", use) == GpuUse(None, 0.0)
    assert find_use("MIG-bbbb", use) is None
    assert find_use("7", use) is None


@pytest.mark.parametrize(
    ("gate", "gpus", "allowed"),
    [
        (GpuThresholds(load=0.5), ["0"], True),
        (GpuThresholds(load=0.5), ["1"], False),
        (GpuThresholds(load=0.5), ["0", "1"], False),
        (GpuThresholds(load=0.3), ["0"], True),
        (GpuThresholds(memory=0.1), ["0"], False),
        (GpuThresholds(memory=0.1), ["1"], True),
        (GpuThresholds(load=0.5, memory=0.1), ["0"], False),
        (GpuThresholds(load=1.0, memory=1.0), ["0", "1"], True),
        (GpuThresholds(load=1.0), ["5"], False),
        (GpuThresholds(), [], True),
    ],
)
def test_which_gpus_may_get_a_trial(gate: GpuThresholds, gpus: list[str], allowed: bool) -> None:
    use = {"0": GpuUse(0.3, 0.5), "1": GpuUse(0.9, 0.0)}
    assert gate.allows(gpus, use) == allowed


def test_a_slot_that_may_be_used_is_taken() -> None:
    slots = Slots([Slot(0, ("0",)), Slot(1, ("1",))])
    taken = slots.take(lambda slot: slot.gpus != ("0",))
    assert taken is not None
    assert taken.gpus == ("1",)
    assert slots.take(lambda slot: slot.gpus != ("0",)) is None
    assert slots.any_free


@pytest.mark.parametrize(
    ("limits", "gpus", "message"),
    [
        (Limits(allowed_load=1.5), ["0"], "allowed_load: 1.5 is not a number from 0 to 1"),
        (Limits(allowed_memory=-0.1), ["0"], "allowed_memory: -0.1 is not a number from"),
        (Limits(allowed_load=0.5), [], "allowed_load: trials get no GPUs here"),
        (Limits(allowed_load=0.5, gpus_per_trial=0), ["0"], "trials get no GPUs here"),
        (Limits(allowed_load=0.5), ["1"], "nvidia-smi does not report the utilisation and memory use of GPU 1"),
        (Limits(allowed_load=0.5), ["3"], "nvidia-smi does not report GPU 3"),
    ],
)
def test_limits_that_cannot_be_kept(driver: Driver, limits: Limits, gpus: list[str], message: str) -> None:
    driver.say((30, 50), ("[N/A]", 0))
    with pytest.raises(SweepError, match=re.escape(message)):
        plan_capacity(limits, gpus, 8, {})


def test_without_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SweepError, match="nvidia-smi does not report GPU 0"):
        plan_capacity(Limits(allowed_load=0.5), ["0"], 8, {})


SHOWS_GPU = """
    from pathlib import Path
    print("gpu", os.environ["CUDA_VISIBLE_DEVICES"])
    Path(f"began-{cfg.width}").write_text(repr(time.time()))
"""


def gpus_of(sweep: Sweep) -> list[str]:
    logs = [sweep.dir / str(n) / ".hyperherd" / "logs" / "attempt-0.out" for n in sorted(sweep.records)]
    return [log.read_text().split()[1] for log in logs]


def test_only_gpus_that_others_leave_free(app: App, driver: Driver) -> None:
    driver.say((90, 10), (0, 10))
    app.write(SHOWS_GPU)
    sweep = app.sweep(LOCAL, "width=range(3)", "hydra.launcher.allowed_load=0.5", "hydra.launcher.allowed_memory=0.5")
    assert gpus_of(sweep) == ["1", "1", "1"]


def test_trials_wait_until_a_gpu_is_free(app: App, driver: Driver) -> None:
    driver.say((0, 90), (0, 90))
    app.write(SHOWS_GPU)
    process = app.start(
        "-m", "hydra/sweeper=herd", LOCAL, "hydra.sweep.dir=s", "width=range(2)", "hydra.launcher.allowed_memory=0.5"
    )
    wait_for(process, "waiting for a GPU that other programs use less (allowed_memory is 0.5)")
    assert not list(app.folder.glob("began-*"))
    driver.say((0, 10), (0, 90))
    told, _ = process.communicate()
    assert process.returncode == 0, told
    assert gpus_of(Sweep(None, app.folder / "s")) == ["0", "0"]  # type: ignore[arg-type]
    assert "waiting for" not in told  # said once


def test_an_interrupt_of_trials_that_wait(app: App, driver: Driver) -> None:
    driver.say((99, 99))
    process = app.start(
        "-m", "hydra/sweeper=herd", LOCAL, "hydra.sweep.dir=s", "width=range(2)", "hydra.launcher.allowed_load=0"
    )
    wait_for(process, "waiting for a GPU")
    process.send_signal(2)
    told, _ = process.communicate()
    assert process.returncode == 130, told


@pytest.mark.slow
def test_the_next_trial_waits_for_the_memory_of_the_last(app: App) -> None:
    app.write("""
        from pathlib import Path
        Path(f"began-{cfg.width}").write_text(repr(time.time()))
        while len(list(Path(".").glob("began-*"))) < 3: time.sleep(0.02)
    """)
    app.sweep(LOCAL, "width=range(3)", "hydra.launcher.max_parallel=3", "hydra.launcher.startup_time_s=1")
    began = sorted(float(path.read_text()) for path in app.folder.glob("began-*"))
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(began))


@pytest.mark.slow
def test_what_makes_no_sense_is_said_before_anything_runs(app: App, driver: Driver) -> None:
    for option, message in [
        ("startup_time_s=-1", "hydra.launcher.startup_time_s: -1.0 is not a number of seconds from 0 up"),
        ("allowed_load=2", "hydra.launcher.allowed_load: 2.0 is not a number from 0 to 1"),
        ("allowed_load=0.5", "hydra.launcher.allowed_load: trials get no GPUs here"),
    ]:
        done = app.run("-m", "hydra/sweeper=herd", LOCAL, "hydra.sweep.dir=s", "width=1,2", f"hydra.launcher.{option}")
        assert done.returncode == 1
        assert message in done.stdout + done.stderr
        assert not list(app.folder.glob("s/0"))
