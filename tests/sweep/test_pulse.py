"""Signs of life of trials, on hosts whose clocks differ."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hyperherd.paths import TrialPaths
from hyperherd.records.states import TrialState
from hyperherd.records.status import SILENCE
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.resuming.pulse import Pulse

RUNNING = TrialRecord(3, "k", "n", (), {}, 0, TrialState.RUNNING, host="elsewhere", pid=1, beats=1)
TRIAL = PlannedTrial(3, "k", "n", (), {}, dir="3")


@pytest.fixture
def pulse(tmp_path: Path) -> Pulse:
    (tmp_path / ".hyperherd").mkdir()
    return Pulse(tmp_path, [TRIAL])


@pytest.mark.parametrize("clock", [-3600.0, 0.0, 120.0, 3600.0])
def test_a_heartbeat_is_a_sign_of_life_whatever_its_hosts_clock_shows(
    pulse: Pulse, tmp_path: Path, clock: float
) -> None:
    assert pulse.sign(3) is None
    RUNNING.with_(heartbeat=time.time() + clock).write(tmp_path / "3")
    first = pulse.sign(3)
    assert first is not None
    assert pulse.sign(3) == first
    RUNNING.with_(heartbeat=time.time() + clock, beats=2).write(tmp_path / "3")
    assert pulse.sign(3) not in (None, first)


def test_who_cannot_give_signs_gives_none(pulse: Pulse, tmp_path: Path) -> None:
    RUNNING.with_(state=TrialState.COMPLETED).write(tmp_path / "3")
    assert pulse.sign(3) is None
    RUNNING.with_(host=os.uname().nodename, pid=2**22 + 1).write(tmp_path / "3")  # no process of this host has that id
    assert pulse.sign(3) is None
    RUNNING.write(tmp_path / "3")
    assert pulse.sign(3) is not None
    before = time.time() - SILENCE - 10
    os.utime(TrialPaths(tmp_path / "3").trial, (before, before))
    assert pulse.sign(3) is None
    assert pulse.sign(4) is None
