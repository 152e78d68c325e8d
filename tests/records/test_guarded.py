from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder

from hyperherd.errors import FormatError
from hyperherd.records.disk.files import read_json, read_lines
from hyperherd.records.disk.guarded import DEPTH, check_depth, lines, open_regular, read_regular
from hyperherd.records.lock import is_held
from hyperherd.records.requests import ask_to_cancel, take_requests
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.directory import claimed
from hyperherd.trial.attempts import next_attempt


def test_only_regular_files_are_read_and_none_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, kind in (("pipe", "a named pipe"), ("folder", "a folder"), ("zero", "a device")):
        with pytest.raises(FormatError, match=rf"{name} is not a regular file but {kind}"):
            read_regular(tmp_path / name)
    with pytest.raises(FormatError, match="is not a path"):
        read_regular("a\0b")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nothing")


def test_what_is_larger_than_its_kind_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(FormatError, match=r"holes has 1,099,511,627,776 bytes; a file of its kind has at most"):
        read_json(tmp_path / "holes")
    with (
        open_regular(tmp_path / "holes") as stream,
        pytest.raises(FormatError, match="a line of more than 1,000 bytes"),
    ):
        list(lines(stream, "holes", 1000))


def test_depth_is_bounded(tmp_path: Path) -> None:
    def nested(depth: int) -> Any:
        value: Any = 1
        for _ in range(depth):
            value = [value] if depth % 2 else {"a": value}
        return value

    check_depth(nested(DEPTH), "x")
    check_depth(nested(DEPTH - 1), "x")
    with pytest.raises(FormatError, match="levels deep"):
        check_depth(nested(DEPTH + 1), "x")
    (tmp_path / "a.jsonl").write_text(json.dumps({"a": nested(DEPTH + 1)}) + '\n{"b": 1}\n' + "[" * 10**6 + "\n")
    assert list(read_lines(tmp_path / "a.jsonl")) == [{"b": 1}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "1"),
        ("number", True),
        ("number", 2**63),
        ("attempt", -1),
        ("started", 1e300),
        ("ended", float("nan")),
        ("pid", "1"),
        ("pid", 1.5),
        ("overrides", "lr=1"),
        ("params", []),
        ("metrics", {"a": 1}),
        ("metrics", {"a": {"last": 10**400}}),
        ("objective", "val/acc"),
        ("error", {"type": 1, "message": "x"}),
    ],
)
def test_a_trial_is_believed_only_as_far_as_its_types_go(tmp_path: Path, field: str, value: Any) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5})
    raw = json.loads(sweep.file(0).read_text())
    sweep.file(0).write_text(json.dumps({**raw, field: value}))
    with pytest.raises(FormatError, match=rf"trial\.json.*{field[:-1]}"):
        TrialRecord.read(sweep.dir / "0")


@pytest.mark.parametrize(
    ("field", "value"),
    [("base", []), ("space", "x"), ("command", [1]), ("invocations", [1]), ("script", "a\0"), ("created", "x")],
)
def test_a_sweep_is_believed_only_as_far_as_its_types_go(tmp_path: Path, field: str, value: Any) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    path = sweep.dir / ".hyperherd" / "sweep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(FormatError, match=rf"sweep\.json: '{field}' cannot be"):
        SweepRecord.read(sweep.dir)


@pytest.mark.parametrize(
    "change", [{"dir": "a\0b"}, {"dir": 3}, {"overrides": "x"}, {"resources": []}, {"number": None}]
)
def test_a_plan_is_believed_only_as_far_as_its_types_go(tmp_path: Path, change: dict[str, Any]) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.plan(lr=1)
    path = sweep.dir / ".hyperherd" / "trials.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}) + "\n")
    problems: list[str] = []
    assert read_planned(sweep.dir, problems) == []
    assert re.search(rf"trials\.jsonl: entry 1 .*'{next(iter(change))}' cannot be", problems[0])


def test_a_running_sweep_survives_what_is_no_request(tmp_path: Path) -> None:
    path = ask_to_cancel(tmp_path, [1, 2])
    folder = path.parent
    for place, text in enumerate(['{"cancel": 5}', '{"cancel": {"a": 1}}', "[1]", "{", '{"cancel": [true, "3", 4.0]}']):
        (folder / f"cancel-{place}.json").write_text(text)
    os.mkfifo(folder / "cancel-pipe.json")
    (folder / "cancel-folder.json").mkdir()
    (folder / "cancel-folder.json" / "x").touch()
    assert sorted(take_requests(tmp_path)) == [1, 2]
    assert [item.name for item in folder.iterdir()] == ["cancel-folder.json"]


@pytest.mark.parametrize(
    "holder", [{"pid": "x"}, {"pid": [1]}, {"pid": -1}, {"pid": 0}, {"pid": 10**30}, {"pid": None}, []]
)
def test_a_lock_of_wrong_types_is_nobodys(tmp_path: Path, holder: Any) -> None:
    sweep_dir = SweepBuilder(tmp_path / "s").dir
    lock = sweep_dir / ".hyperherd" / "sweep.lock"
    host = {"host": os.uname().nodename, "pid_started": "x"}
    lock.write_text(json.dumps({**host, **holder} if isinstance(holder, dict) else holder))
    assert not is_held(sweep_dir)
    with claimed(sweep_dir, timestamped=False) as directory:
        assert not directory.fresh


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    sweep_dir = SweepBuilder(tmp_path / "s").dir
    os.mkfifo(sweep_dir / ".hyperherd" / "sweep.lock")
    assert not is_held(sweep_dir)
    with claimed(sweep_dir, timestamped=False) as directory:
        assert is_held(directory.path)


def test_names_that_only_look_like_numbers_are_no_attempts(tmp_path: Path) -> None:
    attempts = tmp_path / ".hyperherd" / "attempts"
    attempts.mkdir(parents=True)
    for name in ("0", os.fsdecode("²".encode()), "x"):  # in any locale
        (attempts / name).touch()
    assert next_attempt(tmp_path) == 1
