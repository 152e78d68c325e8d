"""What trials have recorded of machine, checkout and resources: as columns, in filters, `show`, `diff` and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder

from hyperherd import load
from hyperherd.paths import TrialPaths
from hyperherd.results.pages.show import show_page
from hyperherd.results.statistics.diff import diff
from hyperherd.results.tables.records import to_json
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.fields import find_field
from hyperherd.results.values import Gap

HASH = "0123456789abcdef"


def recorded(gpus: list[str], branch: str = "main", **more: Any) -> dict[str, Any]:
    git = {"commit": "c" * 40, "branch": branch, "dirty": True, "remote": None, "submodules": {}}
    machine = {"cpu": "EPYC", "cpus": 8, "gpus": gpus, "driver": "535.1"}
    return {"git": {**git, "diff": {"hash": HASH, "whole": False}}, "machine": machine, "packages": {}, **more}


@pytest.fixture
def sweep(tmp_path: Path) -> SweepBuilder:
    """Two trials, and one of an earlier version."""
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5}, resources={"cpu_s": 90.0, "peak_memory_gib": 2.5, "wall_s": 60.0})
    sweep.trial({"val/acc": 0.6}, resources={"cpu_s": 9.0, "peak_memory_gib": 0.5, "peak_gpu_memory_gib": 20.25})
    sweep.trial({"val/acc": 0.4})
    kinds = (["H100"] * 2 + ["A100"], {"scipy": "1.0", "rich": "1"}), (["H100"], {"scipy": "2.0", "tqdm": "1"})
    for number, (gpus, imported) in enumerate(kinds):
        record = recorded(gpus, f"b{number}", imported=imported, snapshot=None)
        TrialPaths(sweep.dir / str(number)).provenance.write_text(json.dumps(record))
    old = {"git": {"commit": "c" * 40, "dirty": False}, "packages": {}}
    TrialPaths(sweep.dir / "2").provenance.write_text(json.dumps(old))
    diffs = sweep.dir / ".hyperherd/diffs"
    diffs.mkdir()
    (diffs / f"{HASH}.diff").write_text("+lr = 1\n")
    return sweep


def test_columns_and_filters(sweep: SweepBuilder) -> None:
    for _ in range(2):  # the second time from the index
        trials = load(sweep.dir)
        columns = {}
        for name in ("gpu", "cpu", "branch", "peak_memory", "peak_gpu_memory", "cpu_time", "machine.cpus"):
            field = find_field(trials, name)
            columns[name] = [field.value(trial) for trial in sorted(trials, key=lambda one: one.number or 0)][:2]
        assert columns == {
            "gpu": ["2 x H100, A100", "H100"],
            "cpu": ["EPYC", "EPYC"],
            "branch": ["b0", "b1"],
            "peak_memory": [2.5, 0.5],
            "peak_gpu_memory": [Gap.MISSING, 20.25],
            "cpu_time": [90.0, 9.0],
            "machine.cpus": [8, 8],
        }
        assert [trial.number for trial in trials.filter("peak_memory>1")] == [0]
        assert [trial.number for trial in trials.filter("gpu=H100")] == [1]


def test_they_are_in_json_and_in_data_frames(sweep: SweepBuilder) -> None:
    trials = load(sweep.dir)
    told = {one["number"]: one.get("resources") for one in json.loads(to_json(trials))["trials"]}
    assert told[2] is None
    assert told[0] == {"cpu_s": 90.0, "peak_memory_gib": 2.5, "wall_s": 60.0}
    frame = trials.to_pandas(columns=["gpu", "peak_memory"]).set_index("number")
    assert frame["gpu"].to_dict()[1] == "H100"
    assert frame["peak_memory"].to_dict()[0] == 2.5


def test_show_has_them(sweep: SweepBuilder) -> None:
    text = re.sub(" {2,}", "  ", show_page(load(sweep.dir).filter("number=1")[0], Screen(300)))
    for line in (
        "resources  CPU time 9s, peak memory 0.5 GiB, peak GPU memory 20.2 GiB",
        "branch  b1",
        f"changes  {sweep.dir}/.hyperherd/diffs/{HASH}.diff (the first MiB)",
        "CPU  EPYC, 8 cores",
        "GPU  H100",
        "driver  535.1",
        "imported  scipy=2.0  tqdm=1",
    ):
        assert line in text
    assert "branch" not in show_page(load(sweep.dir).filter("number=2")[0], Screen(300))


def test_diff_compares_them(sweep: SweepBuilder) -> None:
    trials = load(sweep.dir)
    one, other = (trials.filter(f"number={number}")[0] for number in range(2))
    found = diff(one, other)
    assert [(item.name, item.a, item.b) for item in found.code] == [("branch", "b0", "b1")]
    assert [(item.name, item.a, item.b) for item in found.environment] == [
        ("gpu", "2 x H100, A100", "H100"),
        ("imported.scipy", "1.0", "2.0"),
    ]


def test_records_of_a_stranger_hurt_nothing(sweep: SweepBuilder) -> None:
    hostile = {"git": {"diff": {"hash": "../../x"}, "submodules": [1]}, "machine": {"gpus": [1, {}], "cpu": 3}}
    TrialPaths(sweep.dir / "0").provenance.write_text(json.dumps({**hostile, "imported": 3, "packages": 5}))
    trials = load(sweep.dir)
    one, other = (trials.filter(f"number={number}")[0] for number in range(2))
    assert "trial 0" in show_page(one, Screen(120))
    assert diff(one, other).environment
    assert find_field(trials, "gpu").value(one) is find_field(trials, "cpu").value(one) is Gap.MISSING
