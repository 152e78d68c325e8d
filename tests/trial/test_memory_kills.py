"""How many processes of a control group the kernel has killed, in both versions of them, and where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperherd.trial.memory_kills import group_memory_kills


@pytest.mark.parametrize(
    ("own", "counter", "content"),
    [
        ("4:memory:/slurm/job_1\n0::/\n", "memory/slurm/job_1/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n"),
        ("5:cpu,memory:/a\n", "memory/a/memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("0::/system.slice/job_1\n", "system.slice/job_1/memory.events", "oom 9\noom_kill 3\noom_group_kill 0\n"),
        ("3:cpu:/x\n0::/job_1\n", "unified/job_1/memory.events", "oom_kill 3\n"),
    ],
)
def test_the_counter_of_this_processs_group(tmp_path: Path, own: str, counter: str, content: str) -> None:
    (tmp_path / "own").write_text(own)
    file = tmp_path / "cgroup" / counter
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert group_memory_kills(tmp_path / "cgroup", tmp_path / "own") == 3


@pytest.mark.parametrize("own", ["", "0::/\n", "4:memory:/gone\n"])
def test_without_one(tmp_path: Path, own: str) -> None:
    (tmp_path / "own").write_text(own)
    assert group_memory_kills(tmp_path, tmp_path / "own") is None
    assert group_memory_kills(tmp_path, tmp_path / "nowhere") is None
