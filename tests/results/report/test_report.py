"""The report as a file: what is in it, what is not, and what it costs; how it looks is for test_report_browser."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, every_state
from results.showcase import showcase

import hyperherd
from hyperherd import load
from hyperherd.errors import ResultsError
from hyperherd.results.report.findings import command_of
from hyperherd.results.report.gather import gather
from hyperherd.results.report.page import page
from hyperherd.results.report.write import write_report
from hyperherd.trial.alerts import AlertBook

ASSETS = resources.files("hyperherd.results.report").joinpath("assets")
ECHARTS = {
    "echarts.min.js": "b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0",
    "LICENSE": "634293835b43a6dd2094fa39182a3d9a6b9ca43b7fdb9ac354e8037af2a3093a",
    "NOTICE": "d491d358344f842685c1b1585970999db65fe30ecf7ef3867af8814f4016c016",
}
"""Files of the npm package echarts 6.1.0 (dist/echarts.min.js, LICENSE, NOTICE) -> SHA-256."""
HOSTILE = "</script><!--<script>window.hacked=1</script>@SCRIPT@\u2028"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> hyperherd.Trials:
    return hyperherd.load(showcase(tmp_path_factory.mktemp("report") / "multirun" / "lr_model_seed"))


@pytest.fixture(scope="module")
def document(shown: hyperherd.Trials) -> dict[str, Any]:
    return gather(shown, "herd-results report")[0]


def data_of(text: str) -> dict[str, Any]:
    """Return the data in a report as the browser unpacks it."""
    (kind, body) = re.findall(r'<script id="data" type="([^"]+)">([^<]*)</script>', text)[0]
    raw = gzip.decompress(base64.b64decode(body)) if kind == "application/gzip" else body
    found: dict[str, Any] = json.loads(raw)
    return found


@pytest.mark.parametrize("name", ECHARTS)
def test_echarts_is_what_its_authors_published(name: str) -> None:
    assert hashlib.sha256((ASSETS / "echarts" / name).read_bytes()).hexdigest() == ECHARTS[name]


def test_our_scripts_make_no_html_of_texts() -> None:
    ours = [item for item in ASSETS.iterdir() if item.name.endswith(".js")]
    assert len(ours) >= 20
    for item in ours:
        code = re.sub(r"//.*|/\*.*?\*/", "", item.read_text("utf-8"))
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "renderMode: 'html'",
        ):
            assert word not in code, item.name
        assert "http" not in code, item.name


def test_the_policy_names_every_script_and_style_and_nothing_else(document: dict[str, Any]) -> None:
    text = page(document).decode()
    policy = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)[0]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    blocks = re.findall(r"<script>(.*?)</script>", text, re.S)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()}'" for block in blocks}
    assert rules["default-src"] == "'none'"
    assert len(blocks) == 2
    assert set(rules["script-src"].split()) == hashes
    assert rules["style-src"].startswith("'sha256-")
    assert rules.keys() == {"default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"}
    assert not re.search(r"<[^>]+ on\w+=|<[^>]+ style=", re.sub(r"<(script|style).*?</\1>", "", text, flags=re.S))


def test_no_text_ends_the_data(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 1.0, HOSTILE: 2.0}, params={"name": HOSTILE, "lone": "\udcff"}, final={"note": HOSTILE})
    sweep.failed(error=HOSTILE, params={"name": "b", "lone": "c"})
    document, _ = gather(hyperherd.load(sweep.dir), HOSTILE)
    text = page({**document, "title": HOSTILE}).decode()
    assert text.count("</script>") == 3
    assert "window.hacked=1</script>" not in text
    found = data_of(text)
    assert found["made_by"]["command"] == HOSTILE
    assert HOSTILE in {item["name"] for item in found["metrics"]}


def test_the_data_are_exact_and_in_the_order_of_rank(shown: hyperherd.Trials, document: dict[str, Any]) -> None:
    found = data_of(page(document).decode())
    ordered = shown.sorted()
    assert found["trials"]["label"] == [trial.label for trial in ordered]
    assert found["objective"]["values"] == [trial.value("val/acc") for trial in ordered]
    assert found["objective"]["ranked"] == 20
    lr = next(item for item in found["params"] if item["name"] == "lr")
    assert [lr["values"][code]["number"] for code in lr["codes"]] == [trial.params["lr"] for trial in ordered]
    assert found["constant"] == {"epochs": "50", "data": "mnist"}
    assert found["counts"] == {"completed": 20, "running": 1, "stalled": 1, "failed": 2}
    assert found["trials"]["command"][0].startswith("python ")


def test_configurations_effects_and_failures_are_those_of_their_rooms(
    shown: hyperherd.Trials, document: dict[str, Any]
) -> None:
    groups = shown.sorted().seeds()
    assert [item["mean"] for item in document["configurations"]] == [
        group.judged(shown.objective).mean for group in groups
    ]
    assert document["configurations"][0]["rank"] == 1
    assert document["configurations"][-1]["flag"].startswith("no value: ")
    names = [item["name"] for item in document["effects"]["parameters"]]
    assert names == [effect.parameter for effect in shown.effects().parameters]
    assert {group["kind"] for group in document["failures"]["groups"]} == {
        "stalled",
        "ValueError",
        "torch.cuda.OutOfMemoryError",
    }
    places = [trial for group in document["failures"]["groups"] for trial in group["trials"]]
    assert {document["trials"]["state"][place] for place in places} == {"stalled", "failed"}


def test_alerts_are_there_the_worst_and_newest_first(sweep: SweepBuilder) -> None:
    assert gather(hyperherd.load(_with_a_trial(sweep)), "")[0]["alerts"] is None
    for level, text in (("error", "bad"), ("info", "fine"), ("error", "worse")):
        AlertBook(sweep.dir / "0", 0).add(text, level)
    found = gather(hyperherd.load(sweep.dir), "")[0]["alerts"]
    assert found["total"] == 3
    assert [(alert["level"], alert["text"]) for alert in found["shown"]] == [
        ("error", "worse"),
        ("error", "bad"),
        ("info", "fine"),
    ]


def _with_a_trial(sweep: SweepBuilder) -> Path:
    sweep.running({"val/acc": 0.5})
    return sweep.dir


def test_curves_are_thinned(tmp_path: Path) -> None:
    from hyperherd.metrics.writer import MetricWriter

    sweep = SweepBuilder(tmp_path / "s")
    record = sweep.trial({"val/acc": {"count": 5000, "last": 0.5}}, params={"lr": 1})
    writer = MetricWriter(sweep.dir / str(record.number), 0)
    for step in range(5000):
        writer.log({"val/acc": 9.0 if step == 1234 else step / 5000}, step)
    writer.close()
    document, _ = gather(hyperherd.load(sweep.dir), "")
    steps, values, times, epochs = document["curves"]["val/acc"][0]
    assert len(steps) == len(values) == len(times) <= 200
    assert (steps[0], steps[-1], max(values)) == (0, 4999, 9.0)
    assert epochs is None
    assert document["thinned"] == {"val/acc": [0]}


@pytest.mark.slow
def test_no_metric_file_of_a_large_sweep_is_opened(tmp_path: Path) -> None:
    root = showcase(tmp_path / "s", 2001, parquet=False)
    for number in range(2001):
        (root / str(number) / "metrics.parquet").mkdir()  # To read it would fail.
    document, notes = gather(hyperherd.load(root), "")
    assert len(notes) == 1
    assert "2000" in notes[0]
    assert max(len(curve[0]) for curve in document["curves"]["val/acc"] if curve) <= 32
    text = page(document).decode()
    assert 'type="application/gzip"' in text
    assert data_of(text)["trials"]["label"] == document["trials"]["label"]


@pytest.mark.slow
def test_a_record_that_lies_about_its_curve(tmp_path: Path) -> None:
    root = showcase(tmp_path / "s", 2001, parquet=False)
    lies: list[Any] = [None, 3, [[1]], [["a", 1], [1, 2, 3], [2, 0.5]], {"a": 1}]
    for number, curve in enumerate(lies):
        path = root / str(number) / ".hyperherd" / "trial.json"
        record = json.loads(path.read_text())
        record["objective"]["curve"] = curve
        path.write_text(json.dumps(record))
    trials = hyperherd.load(root)
    document, _ = gather(trials, "")
    curves = dict(zip(document["trials"]["label"], document["curves"]["val/acc"], strict=True))
    assert [curves[str(number)] for number in range(5)] == [None, None, None, [[2], [0.5], None, None], None]


def test_a_broken_metric_file_is_told_and_costs_only_its_curve(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    (sweep.dir / "0" / "metrics.parquet").write_bytes(b"PAR1 nonsense")
    document, notes = gather(hyperherd.load(sweep.dir), "")
    assert document["curves"] == {}
    assert "trial 0: curves left out" in notes[0]


def test_numbers_json_has_no_word_for(sweep: SweepBuilder) -> None:
    sweep.trial({"val/acc": float("nan"), "loss": float("inf")}, params={"lr": float("inf")})
    sweep.trial({"val/acc": 0.5, "loss": -float("inf")}, params={"lr": 2})
    found = data_of(page(gather(hyperherd.load(sweep.dir), "")[0]).decode())
    assert {item["name"]: item["values"] for item in found["metrics"]} == {
        "val/acc": [0.5, "NaN"],
        "loss": ["-Infinity", "Infinity"],
    }
    assert found["params"][0]["numeric"] is False


def test_trials_in_every_state(tmp_path: Path) -> None:
    trials = hyperherd.load(every_state(tmp_path / "s").dir)
    document, _ = gather(trials, "")
    assert sum(document["counts"].values()) == len(trials) == len(document["trials"]["state"])


def test_nothing_is_overwritten_unasked(shown: hyperherd.Trials, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(ResultsError, match="exists"):
        shown.report(path)
    assert path.read_text() == "mine"
    assert shown.report(path, replace=True) == path
    assert path.read_bytes().startswith(b"<!doctype html>")
    with pytest.raises(ResultsError, match="cannot write"):
        write_report(shown, tmp_path / "no" / "folder.html")


def test_two_sweeps_in_one_report(tmp_path: Path) -> None:
    for name in ("a", "b"):
        sweep = SweepBuilder(tmp_path / name)
        sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    document, _ = gather(hyperherd.load(tmp_path), "")
    assert document["title"] == "a + b"
    assert sorted(document["trials"]["sweep"]) == [0, 1]


@pytest.mark.slow
def test_a_multirun_of_hydra_alone(silent: Path) -> None:
    document, _ = gather(hyperherd.load(silent / "multirun" / "deep"), "")
    assert document["objective"] is None
    assert document["counts"] == {"unknown": 2}
    assert page(document)


@pytest.mark.parametrize("params", [{}, {"lr": 0.1}, {"lr": 0.1, "seed": 1}])
def test_a_trial_whose_script_is_not_known_has_a_place_too(tmp_path: Path, params: dict[str, Any]) -> None:
    sweep = SweepBuilder(tmp_path / "s")
    sweep.trial({"val/acc": 0.5}, params=params)
    (sweep.dir / ".hyperherd" / "sweep.json").write_text("{")
    (trial,) = load(sweep.dir)
    assert command_of(trial) == " ".join(trial.overrides)
    assert load(sweep.dir).report(tmp_path / "report.html").is_file()
