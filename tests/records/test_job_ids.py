from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyperherd.errors import SweepError
from hyperherd.paths import SweepPaths
from hyperherd.records.events import read_events
from hyperherd.records.job_ids import checked_job_ids, is_batch_name, is_given_job, is_job_id, same_job

NOT_IDS = ["0", "-uall", "--me", "4242,99", "12 13", "", "0_3", "1_", "1_2_3", "-1", "12\n13", "1[2]", "٣", "7@a", "a"]


@pytest.mark.parametrize("text", [*NOT_IDS, None, 12, True, ["12"], "9" * 40])
def test_what_is_not_an_id_reaches_no_command(text: object) -> None:
    assert not is_job_id(text)
    with pytest.raises(SweepError, match="is not a job id"):
        checked_job_ids(["12", text])  # type: ignore[list-item]


@pytest.mark.parametrize("text", ["1", "123", "123_4", "123_0", "4294967295_1000"])
def test_an_id(text: str) -> None:
    assert is_job_id(text)
    assert checked_job_ids([text]) == [text]


@pytest.mark.parametrize("text", ["", "*", "a,b", "a b", "--me", "-J", "a\n", "a/b", None, 3])
def test_what_is_not_the_name_of_a_batch(text: object) -> None:
    assert not is_batch_name(text)


@pytest.mark.parametrize("change", [{"job_id": text} for text in NOT_IDS] + [{"job_name": ""}, {"job_name": "a,b"}])
def test_an_event_with_such_a_job_is_none(tmp_path: Path, change: dict[str, str]) -> None:
    folder = SweepPaths(tmp_path).events
    folder.mkdir(parents=True)
    known = {"event": "submitted", "number": 0, "attempt": 0, "time": 1.0, "job_id": "12_3", "job_name": "app-0a1b2c"}
    (folder / "a-1-00.jsonl").write_text("".join(json.dumps(event) + "\n" for event in ({**known, **change}, known)))
    assert [event.job_id for event in read_events(tmp_path)] == ["12_3"]


@pytest.mark.parametrize(
    ("given", "recorded", "same"),
    [
        ("12", "12", True),
        ("12@alpha", "12", True),
        ("12_3@alpha", "12_3@alpha", True),
        ("12_3", "12_3@alpha", True),
        ("12[3]@alpha", "12_3", True),
        ("12_3@alpha", "12_3@beta", False),
        ("12_3", "12", False),
        ("12", "13", False),
        ("12", None, False),
        ("12@", "12", False),
    ],
)
def test_the_job_that_a_person_means(given: str, recorded: str | None, same: bool) -> None:
    assert same_job(given, recorded) == same


@pytest.mark.parametrize("text", ["0", "-uall", "12@a b", "12@", "@a", "a@b", "٣@a", "1_2_3@a"])
def test_what_a_person_cannot_mean_as_a_job(text: str) -> None:
    assert not is_given_job(text)
