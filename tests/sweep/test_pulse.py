"""Signs of life of trials, on hosts whose clocks differ."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hyperherd.paths import TrialPaths
from hyperherd.records.states import TrialState
from hyperherd.records.status import SILENCE
from hyperherd.records.sweep import PlannedTrial, write_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.planning.plan import UnnumberedTrial
from hyperherd.sweep.resuming.pulse import Pulse
from hyperherd.sweep.resuming.reconcile import GIVEN_UP, reconcile

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


@pytest.mark.parametrize("clock", [-3600.0, 0.0, 120.0, 3600.0])
def test_a_trial_of_another_host_is_run_again_when_it_is_silent_by_the_clock_of_the_files(
    tmp_path: Path, clock: float
) -> None:
    write_planned(tmp_path, [TRIAL])
    RUNNING.with_(heartbeat=time.time() + clock).write(tmp_path / "3")
    drafts = [UnnumberedTrial("k", "n", (), {}, {})]
    assert reconcile(tmp_path, drafts).to_run == ()
    before = time.time() - GIVEN_UP - 10
    os.utime(TrialPaths(tmp_path / "3").trial, (before, before))
    assert [trial.number for trial in reconcile(tmp_path, drafts).to_run] == [3]


def test_a_clock_that_is_set_while_the_sweep_runs_changes_nothing(
    pulse: Pulse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RUNNING.write(tmp_path / "3")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    assert pulse.sign(3) is not None
