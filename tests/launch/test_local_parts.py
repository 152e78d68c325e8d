"""The parts of the local pool that need no process: slots, GPUs, reports, verdicts."""

from __future__ import annotations

import io
import pickle
import signal

import pytest

from hyperherd.errors import SweepError
from hyperherd.launch.base import JobHandle, TrialJob
from hyperherd.launch.local.ending import job_end
from hyperherd.launch.local.messages import Ended, LogLine, Returned, StopReason, append, read_report
from hyperherd.launch.local.slots import Limits, Slots, plan_capacity, usable_gpus

HANDLE = JobHandle(TrialJob(3, 0, ()))


@pytest.mark.parametrize(
    ("mask", "gpus"),
    [
        ("2,0", ["2", "0"]),
        (" 1 , 3 ", ["1", "3"]),
        ("0,-1,1", ["0"]),
        ("", []),
        ("-1", []),
        ("GPU-1a,MIG-2b", ["GPU-1a", "MIG-2b"]),
    ],
)
def test_the_users_mask_is_read_as_cuda_reads_it(mask: str, gpus: list[str]) -> None:
    assert usable_gpus(Limits(), {"CUDA_VISIBLE_DEVICES": mask}) == gpus


def test_gpus_that_are_listed_are_those_handed_out() -> None:
    assert usable_gpus(Limits(gpus=[0, 2]), {"CUDA_VISIBLE_DEVICES": "1"}) == ["0", "2"]


@pytest.mark.parametrize(
    ("limits", "gpus", "environment", "slots", "threads"),
    [
        (Limits(), [], {}, [""] * 8, 1),
        (Limits(threads=3), [], {}, ["", ""], 3),
        (Limits(max_parallel=2), [], {}, ["", ""], 4),
        (Limits(), [], {"OMP_NUM_THREADS": "4"}, ["", ""], 4),
        (Limits(), ["0", "1"], {}, ["0", "1"], 4),
        (Limits(trials_per_gpu=2), ["0", "1"], {}, ["0", "1", "0", "1"], 2),
        (Limits(gpus_per_trial=2), ["0", "1", "2", "3", "4"], {}, ["0,1", "2,3"], 4),
        (Limits(max_parallel=1), ["0", "1"], {}, ["0"], 8),
        (Limits(max_parallel=9), ["0", "1"], {}, ["0", "1"], 4),
        (Limits(gpus_per_trial=0, max_parallel=2), [], {}, ["", ""], 4),
    ],
)
def test_capacity(limits: Limits, gpus: list[str], environment: dict[str, str], slots: list[str], threads: int) -> None:
    capacity = plan_capacity(limits, gpus, 8, environment)
    assert [",".join(slot.gpus) for slot in capacity.slots] == slots
    assert capacity.threads == threads


def test_a_slot_without_gpus_masks_none() -> None:
    assert plan_capacity(Limits(), [], 1, {}).slots[0].environment == {"HYPERHERD_GPUS": ""}


@pytest.mark.parametrize(
    "limits", [Limits(max_parallel=0), Limits(trials_per_gpu=0), Limits(gpus="all"), Limits(gpus_per_trial=1)]
)
def test_limits_that_make_no_sense(limits: Limits) -> None:
    with pytest.raises(SweepError, match=r"hydra\.launcher\."):
        plan_capacity(limits, [], 8, {})


def test_the_next_trial_gets_the_gpu_that_is_used_least() -> None:
    slots = Slots(plan_capacity(Limits(trials_per_gpu=2), ["0", "1"], 8, {}).slots)
    taken = [slots.take() for _ in range(4)]
    assert [slot.gpus[0] for slot in taken] == ["0", "1", "0", "1"]
    for slot in (taken[0], taken[1], taken[3]):
        slots.give_back(slot)
    assert slots.take().gpus == ("1",)


def test_a_report_that_was_cut_short_is_read_as_far_as_it_goes() -> None:
    stream = io.BytesIO()
    append(stream, LogLine("hyperherd", 20, "hello"))
    whole = len(stream.getvalue())
    append(stream, Returned(b"x" * 100))
    assert read_report(stream.getvalue()).returned == b"x" * 100
    for length in range(whole, len(stream.getvalue())):
        report = read_report(stream.getvalue()[:length])
        assert ([line.text for line in report.log_lines], report.returned) == (["hello"], None)


def test_a_report_that_still_holds_the_trials_job_says_nothing() -> None:
    report = read_report(pickle.dumps((HANDLE.job, 1)))
    assert (report.log_lines, report.returned) == ([], None)


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        (Ended(3, signal.SIGKILL), "signal"),
        (Ended(3, signal.SIGKILL, out_of_memory=True), "oom"),
        (Ended(3, signal.SIGSEGV, out_of_memory=True), "signal"),
        (Ended(3, signal.SIGRTMIN + 1), "signal"),
        (Ended(3, 5 << 8), "exit"),
        (Ended(3, signal.SIGKILL, StopReason.TIMEOUT), "timeout"),
        (Ended(3, signal.SIGKILL, StopReason.CANCEL), "cancelled"),
        (Ended(3), "cancelled"),
        (Ended(3, lost="gone"), "lost"),
    ],
)
def test_verdicts(ended: Ended, verdict: str) -> None:
    assert job_end(HANDLE, ended, 1.5).verdict == verdict
