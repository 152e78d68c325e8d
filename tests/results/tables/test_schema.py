"""What programs are told is what the published schema says, which refuses keys that it does not know."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, every_state, sweep24

from hyperherd import load
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.results.tables.pivot import pivot_groups
from hyperherd.results.tables.records import SCHEMA, to_text

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
WRITTEN = json.loads((resources.files("hyperherd.results") / "schema.json").read_text())


def check(record: Any, part: str = "") -> None:
    schema = {**WRITTEN["$defs"][part], "$defs": WRITTEN["$defs"]} if part else WRITTEN
    jsonschema.Draft202012Validator(schema).validate(record)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(WRITTEN)
    assert WRITTEN["properties"]["schema"]["const"] == SCHEMA
    assert WRITTEN["$defs"]["state"]["enum"] == [state.value for state in TrialState]
    assert WRITTEN["$defs"]["trial"]["properties"]["cause"]["enum"] == [*(cause.value for cause in FailureCause), None]


@pytest.mark.parametrize("make", [every_state, sweep24, SweepBuilder])
def test_real_output_is_as_it_says(tmp_path: Path, make: Any) -> None:
    sweep = make(tmp_path / "s")
    if make is SweepBuilder:
        sweep.plan(lr=1)
    trials = load(sweep.dir)
    groups = trials.seeds()
    check(json.loads(to_text(trials, "json")))
    check(json.loads(to_text(trials, "json", groups=groups)))
    check(json.loads(to_text(trials, "json", groups=pivot_groups(trials, "lr", "state", "ci"))))
    for line in to_text(trials, "jsonl").splitlines():
        check(json.loads(line), "trial")
    for line in to_text(trials, "jsonl", groups=groups).splitlines():
        check(json.loads(line), "group")


@pytest.mark.slow
def test_of_hydra_alone(plain: Path, silent: Path) -> None:
    for folder in (plain / "multirun", silent / "multirun", silent / "outputs"):
        check(json.loads(to_text(load(folder), "json", groups=load(folder).seeds())))


def test_it_refuses_what_is_wrong(tmp_path: Path) -> None:
    record = json.loads(to_text(load(sweep24(tmp_path / "s").dir), "json"))
    for key, value in (("state", "done"), ("rank", 0), ("value", "high"), ("extra", 1)):
        spoiled = {**record, "trials": [{**record["trials"][0], key: value}]}
        with pytest.raises(jsonschema.ValidationError):
            check(spoiled)
