from __future__ import annotations

import os
from pathlib import Path

import pytest

from hyperherd.paths import SweepPaths
from hyperherd.records.places import Outside, below, check_records_inside, leaves, trial_dir_of
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    SweepPaths(folder).records.mkdir(parents=True)
    SweepPaths(folder).sweep.write_text("{}")
    return folder


@pytest.mark.parametrize("written", ["0", "a/b/0", "./0", "..0/x", ""])
def test_paths_below(sweep_dir: Path, written: str) -> None:
    assert below(sweep_dir, written) == sweep_dir / written


@pytest.mark.parametrize("written", ["/etc", "..", "../s/0", "a/../../x", "0/..", "/", "a\0b"])
def test_paths_that_leave(sweep_dir: Path, written: str) -> None:
    with pytest.raises(Outside, match="record of"):
        below(sweep_dir, written)


def test_links_count_by_where_they_lead(sweep_dir: Path, tmp_path: Path) -> None:
    (sweep_dir / "real").mkdir()
    (sweep_dir / "in").symlink_to("real")
    (sweep_dir / "out").symlink_to(tmp_path)
    (sweep_dir / "near").symlink_to(tmp_path / "s2")  # a neighbour whose name begins alike
    (tmp_path / "s2").mkdir()
    assert below(sweep_dir, "in/x") == sweep_dir / "in/x"
    for name in ("out", "out/x", "near", "near/x"):
        with pytest.raises(Outside, match="is a link that leaves"):
            below(sweep_dir, name)
    given = tmp_path / "given"
    given.symlink_to(sweep_dir)
    assert below(given, "in/x") == given / "in/x"
    assert leaves(given / "out", given / "real")
    assert not leaves(given / "in", given / "real")


def record(sweep: str | None, number: int = 3) -> TrialRecord:
    return TrialRecord(number, "k", "n", (), {}, 0, TrialState.COMPLETED, sweep=sweep)


def test_a_trial_outside_counts_if_both_sides_agree(sweep_dir: Path, tmp_path: Path) -> None:
    trial_dir = tmp_path / "elsewhere"
    with pytest.raises(FileNotFoundError):
        trial_dir_of(sweep_dir, "../elsewhere", 3)
    record(str(sweep_dir)).write(trial_dir)
    assert trial_dir_of(sweep_dir, "../elsewhere", 3) == sweep_dir / "../elsewhere"
    assert trial_dir_of(sweep_dir, str(trial_dir), 3) == trial_dir
    for number, other in ((4, record(str(sweep_dir))), (3, record(str(tmp_path / "t"))), (3, record(None))):
        other.write(trial_dir)
        with pytest.raises(Outside, match=r"its trial\.json"):
            trial_dir_of(sweep_dir, str(trial_dir), number)


def test_a_trial_outside_of_another_user(sweep_dir: Path, tmp_path: Path, nobody: int) -> None:
    trial_dir = tmp_path / "elsewhere"
    record(str(sweep_dir)).write(trial_dir)
    os.chown(trial_dir, nobody, -1)
    with pytest.raises(Outside, match="belong to different users"):
        trial_dir_of(sweep_dir, str(trial_dir), 3)


def test_a_link_in_the_place_of_the_records(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "s").mkdir()
    (tmp_path / "s/.hyperherd").symlink_to(tmp_path / "theirs")
    with pytest.raises(Outside, match="is a link that leaves"):
        check_records_inside(tmp_path / "s")
