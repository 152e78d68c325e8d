from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from results.builder import SweepBuilder
from waiting import PATIENCE

from hyperherd.errors import ResultsError
from hyperherd.results.files.discover import discover


def numbers(*paths: Path) -> list[str]:
    return sorted(place.dir.name for place in discover(paths).places)


@pytest.fixture
def three(sweep: SweepBuilder) -> SweepBuilder:
    for _ in range(3):
        sweep.trial()
    return sweep


def test_finds_trials_from_any_height(three: SweepBuilder) -> None:
    for path in (three.dir.parent.parent, three.dir.parent, three.dir):
        assert numbers(path) == ["0", "1", "2"]
    assert numbers(three.dir / "1") == ["1"]


def test_a_single_trial_knows_its_sweep(three: SweepBuilder) -> None:
    nested = SweepBuilder(three.dir.parent / "t")
    nested.trial().write(nested.dir / "a" / "b" / "c")
    place = discover([nested.dir / "a" / "b" / "c"]).places[0]
    assert place.sweep == nested.dir
    assert discover([three.dir / "1"]).places[0].sweep == three.dir


def test_from_inside_by_a_relative_path(three: SweepBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(three.dir / "1")
    assert discover([Path()]).places[0].sweep == three.dir
    assert numbers(Path("..")) == ["0", "1", "2"]


def test_what_two_paths_reach_is_found_once(three: SweepBuilder) -> None:
    assert numbers(three.dir / "1", three.dir, three.dir.parent) == ["0", "1", "2"]


def test_files_of_a_glob_are_passed_over(three: SweepBuilder) -> None:
    (three.dir / "multirun.yaml").write_text("")
    assert numbers(*three.dir.glob("*")) == ["0", "1", "2"]


def test_links_are_followed_once_and_real_paths_preferred(three: SweepBuilder, tmp_path: Path) -> None:
    (three.dir.parent / "a-latest").symlink_to(three.dir)
    (three.dir / "loop").symlink_to(three.dir.parent)
    (three.dir / "dangling").symlink_to(tmp_path / "nowhere")
    places = discover([three.dir.parent]).places
    assert sorted(str(place.dir.relative_to(three.dir)) for place in places) == ["0", "1", "2"]


def test_a_trial_on_another_disk_is_found_through_its_link(three: SweepBuilder, tmp_path: Path) -> None:
    (three.dir / "2").rename(tmp_path / "scratch-2")
    (three.dir / "2").symlink_to(tmp_path / "scratch-2")
    assert numbers(three.dir) == ["0", "1", "2"]


def test_what_lies_inside_a_trial_is_not_looked_through(three: SweepBuilder) -> None:
    SweepBuilder(three.dir / "1" / "inner").trial()
    (three.dir / "1" / "multirun.yaml").write_text("")
    assert numbers(three.dir) == ["0", "1", "2"]


def test_missing_path(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="nowhere does not exist"):
        discover([tmp_path / "nowhere"])


def test_nothing_there_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / ".hyperherd").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"no sweep or trial found under .*multirun\.yaml.*Give the folder"):
        discover([tmp_path, tmp_path / "file"])


LOOK = """
import sys
from pathlib import Path
from hyperherd.results.files.discover import discover
for place in discover([Path(sys.argv[1])]).places:
    print(place.dir.name, place.error)
"""
WITHOUT_RIGHTS_OF_ROOT = """
import ctypes, os, sys
cap_dac_override, cap_dac_read_search, pr_capbset_drop = 1, 2, 24
for capability in (cap_dac_override, cap_dac_read_search) if os.geteuid() == 0 else ():
    ctypes.CDLL(None).prctl(pr_capbset_drop, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""


def test_a_closed_folder_is_a_place_with_an_error(three: SweepBuilder) -> None:
    closed = three.dir / "1"
    closed.chmod(0)
    try:
        command = [sys.executable, "-c", WITHOUT_RIGHTS_OF_ROOT, LOOK, three.dir]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    finally:
        closed.chmod(0o755)
    lines = sorted(done.stdout.splitlines())
    assert [line.split()[0] for line in lines] == ["0", "1", "2"], done.stderr
    assert lines[1] == f"1 Permission denied: {closed}"
