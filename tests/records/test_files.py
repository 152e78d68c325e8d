from __future__ import annotations

import errno
import json
import math
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hyperherd.errors import FormatError, SweepError
from hyperherd.records.disk.files import create, create_bytes, dumps, new_file, number, read_json, replace_json
from hyperherd.records.events import Event, EventLog, read_events
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.sweep import PlannedTrial, find_planned, find_planned_number, read_planned, write_planned
from hyperherd.records.trial import TrialError, TrialRecord


def test_what_is_not_finite_survives_strict_json(tmp_path: Path) -> None:
    replace_json(tmp_path / "a.json", {"x": [math.nan, math.inf, -math.inf, 1.5]})
    text = (tmp_path / "a.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    read = [number(item) for item in read_json(tmp_path / "a.json")["x"]]
    assert math.isnan(read[0] or 0)
    assert read[1:] == [math.inf, -math.inf, 1.5]


def test_nothing_is_left_beside_a_file_that_was_replaced(tmp_path: Path) -> None:
    for value in range(3):
        replace_json(tmp_path / "a.json", {"x": value})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_only_the_first_creates(tmp_path: Path) -> None:
    assert create(tmp_path / "sub" / "claim", {"pid": 1})
    assert not create(tmp_path / "sub" / "claim", {"pid": 2})
    assert read_json(tmp_path / "sub" / "claim") == {"pid": 1}


def test_a_new_file_is_whole_or_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(OSError, match="full"), new_file(path) as temporary:  # noqa: PT012 - half of it, then the error
        temporary.write_text("half")
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []
    create_bytes(path, b"whole")
    with pytest.raises(FileExistsError):
        create_bytes(path, b"other")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"whole")]


def test_a_new_file_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(source))

    monkeypatch.setattr(os, "link", link)
    test_a_new_file_is_whole_or_is_not_there(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[]", "not contain a JSON object"), ('{"format": 2}', "format 2; .* reads up to 1")],
)
def test_a_broken_or_newer_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError, match=rf"a\.json.*{message}"):
        read_json(tmp_path / "a.json")


def test_a_trial_record_reads_back_as_written(tmp_path: Path) -> None:
    written = TrialRecord(
        3, "k", "n", ("lr=1",), {"lr": 1}, 2, TrialState.FAILED, FailureCause.EXIT, error=TrialError("E", "m", "t")
    )
    written.write(tmp_path)
    assert TrialRecord.read(tmp_path) == written


def test_keys_of_later_versions_are_ignored_and_missing_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    raw = {"number": 0, "key": "", "name": "", "overrides": [], "params": {}, "attempt": 0, "state": "running"}
    assert TrialRecord.from_json({**raw, "later": 1}, path).state is TrialState.RUNNING
    with pytest.raises(FormatError, match=r"trial\.json.*attempt"):
        TrialRecord.from_json({key: raw[key] for key in raw if key != "attempt"}, path)
    with pytest.raises(FormatError, match="'dancing'"):
        TrialRecord.from_json({**raw, "state": "dancing"}, path)


def test_a_trial_is_found_by_its_overrides_and_by_its_number(tmp_path: Path) -> None:
    trials = [PlannedTrial(index, f"k{index}", "n", (f"text='{index}, é'",), {}) for index in range(12)]
    write_planned(tmp_path, trials)
    assert read_planned(tmp_path) == trials
    assert find_planned(tmp_path, ["text='11, é'"]) == trials[11]
    assert find_planned_number(tmp_path, 1) == trials[1]
    with pytest.raises(SweepError, match="no planned trial with the overrides lr=1"):
        find_planned(tmp_path, ["lr=1"])


@pytest.mark.parametrize("size", [0, 1, 2, 3, 50])
def test_a_number_finds_each_trial_of_a_plan_and_is_only_a_hint(tmp_path: Path, size: int) -> None:
    numbers = [index * 2 + index % 3 for index in range(size)]
    trials = [PlannedTrial(number, f"k{number}", "n" * (number % 7), (f"lr={number}",), {}) for number in numbers]
    write_planned(tmp_path, trials)
    for trial in trials:
        assert find_planned_number(tmp_path, trial.number) == trial
        for likely in (trial.number, trial.number + 1, -1, 1000):
            assert find_planned(tmp_path, [f"lr={trial.number}"], likely) == trial
    for absent in {*range(-1, size * 2 + 5)} - {*numbers}:
        with pytest.raises(SweepError, match=f"no planned trial {absent}"):
            find_planned_number(tmp_path, absent)


def test_a_line_of_the_plan_holds_all_there_is_of_a_trial(tmp_path: Path) -> None:
    params = {"lr": 0.1, "layers": [1, {"a": math.inf}], "text": "é\udcff"}
    trials = [
        PlannedTrial(0, "k0", "n", ("lr=0.1", "layers=[1]"), params, resources={"mem_gb": 1}).placed("0"),
        PlannedTrial(1, "k1", "n", (), {}, dir="x", orphan=True, trashed=True, asked={"point": 1}).placed(None),
    ]
    assert trials[0] == replace(trials[0], dir="0")
    assert trials[1] == replace(trials[1], dir=None)
    write_planned(tmp_path, trials)
    expected = [{**asdict(trials[0])}, asdict(trials[1])]
    del expected[0]["trashed"], expected[0]["asked"]
    written = (tmp_path / ".hyperherd" / "trials.jsonl").read_bytes()
    assert written == "".join(f"{dumps(line)}\n" for line in expected).encode("utf-8", "surrogatepass")


def test_a_plan_in_another_order_is_read_to_its_end(tmp_path: Path) -> None:
    trials = [PlannedTrial(number, f"k{number}", "n", (f"lr={number}",), {}) for number in (5, 0, 9, 2, 7)]
    write_planned(tmp_path, trials)
    assert [find_planned_number(tmp_path, trial.number) for trial in trials] == trials


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux counts what a process has read")
def test_a_job_reads_a_few_lines_of_a_long_plan(tmp_path: Path) -> None:
    trials = [PlannedTrial(number, f"k{number}", "n" * 200, (f"lr={number}",), {}) for number in range(4000)]
    write_planned(tmp_path, trials)
    before = bytes_read()
    assert find_planned(tmp_path, ["lr=3999"], 3999) == trials[3999]
    assert bytes_read() - before < 300_000 < (tmp_path / ".hyperherd" / "trials.jsonl").stat().st_size / 3


def bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split()[1])


def test_events_of_several_writers_come_in_their_order_whatever_their_clocks_show(tmp_path: Path) -> None:
    EventLog(tmp_path).write([Event("submitting", 1, 0, time=500.0)])  # this host's clock was ahead
    EventLog(tmp_path).write([Event("submitted", 1, 0, time=1.0), Event("lost", 1, 0, time=3.0, message="gone")])
    (torn,) = list((tmp_path / ".hyperherd" / "events").glob("*"))[:1]
    with open(torn, "a") as stream:
        stream.write('{"event": "los')
    assert [event.event for event in read_events(tmp_path)] == ["submitting", "submitted", "lost"]


def test_events_of_an_earlier_version_are_ordered_by_time_and_come_first(tmp_path: Path) -> None:
    folder = tmp_path / ".hyperherd" / "events"
    folder.mkdir(parents=True)
    for name, event, moment in (("a", "submitted", 2.0), ("b", "submitting", 1.0)):
        line = {"event": event, "number": 1, "attempt": 0, "time": moment}
        (folder / f"{name}.jsonl").write_text(f"{json.dumps(line)}\n")
    EventLog(tmp_path).write([Event("lost", 1, 0, time=0.5)])
    assert [event.event for event in read_events(tmp_path)] == ["submitting", "submitted", "lost"]
