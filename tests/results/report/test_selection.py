"""What a browser works out for a selection is what the command line works out for the same filter."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from results.builder import SweepBuilder, every_state, stats
from results.report.javascript import in_node, needs_node
from results.showcase import showcase

import hyperherd
from hyperherd.errors import HyperherdError
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.records.annotations import add_tag
from hyperherd.records.disk.files import strict
from hyperherd.records.states import TrialState
from hyperherd.records.trial import TrialRecord
from hyperherd.results.pages.verdict import interval_text, verdict
from hyperherd.results.report import lookups, sampling
from hyperherd.results.report.gather import gather
from hyperherd.results.report.lookups import COLUMNS, FACTS, RECORDED
from hyperherd.results.statistics.configurations import GroupCollection
from hyperherd.results.statistics.distributions import fisher, t_bound
from hyperherd.results.statistics.pooling import Pool, Sample
from hyperherd.results.trials import fields

pytestmark = needs_node

CHOSEN = "const test = parseFilter(asked); return data.trials.label.filter((_, t) => test.every((one) => one(t)));"
SELECT = "selection.terms = parseFilter(asked); select_(); "


def document_of(trials: hyperherd.Trials) -> bytes:
    return json.dumps(strict(gather(trials, "")[0]), default=str).encode()


def configured(root: Path) -> hyperherd.Trials:
    """Return trials with configs, provenance, notes, tags, unresolved and nested values, and rows."""
    sweep = SweepBuilder(root, seed_key="seed")
    for number, (name, lr) in enumerate([("a b", 1e-5), ("it's", 0.1), ("1", 0.1 + 0.2), ("c,d", 3), ("x.y", 1e16)]):
        params = {"name": name, "lr": lr, "flag": number % 2 == 0, "layers": [1, number], "seed": number, "fixed": 7}
        values = {"count": 4, "last": 0.1 * number, "min": -number, "max": float("inf") if number == 4 else number}
        sweep.trial(
            {"val/acc": values, "loss": stats(float("nan") if number == 3 else number)},
            {"note": f"note {number}"},
            params=params if number else {**params, "momentum": None},
            step=3,
        )
        folder = root / str(number)
        (folder / ".hydra").mkdir(exist_ok=True)
        config = f"optim:\n  kind: {'adam' if number else 'sgd'}\n  betas: [0.9, 0.99{number}]\ndata: mnist\nlr: {lr}\n"
        (folder / ".hydra" / "config.yaml").write_text(config)
        (folder / ".hyperherd" / "provenance.json").write_text(json.dumps({"git": {"commit": f"abc{number}"}}))
        writer = MetricWriter(folder, 0)
        for step in range(4):
            writer.log({"val/acc": 0.1 * number + step / 10}, step)
        writer.close()
    add_tag(root / "1", "good")
    add_tag(root / "1", "old")
    sweep.failed(error="train/loss is nan", params={"name": "z", "lr": 1})
    return hyperherd.load(root)


FILTERS = Path(__file__).with_name("filters.txt").read_text().splitlines()
"""As typed into the report, which takes a line apart as a shell does."""
WRONG = [
    "state=good",
    "lr>x",
    "lr>",
    "nothing=3",
    "lr~(",
    "val/acc:best>1",
    "=3",
    ">5",
    "name='a",
    "layers=[1",
    "tag>3",
]
"""What neither takes."""


def in_python(trials: hyperherd.Trials, text: str) -> list[str] | None:
    try:
        return sorted(trial.label for trial in trials.filter(*shlex.split(text)))
    except (HyperherdError, ValueError):
        return None


def test_the_filter_takes_what_the_command_line_takes(tmp_path: Path) -> None:
    trials = configured(tmp_path / "s")
    asked = [*FILTERS, *WRONG]
    found = in_node(CHOSEN, asked, document_of(trials))
    told = {text: None if isinstance(one, dict) else sorted(one) for text, one in zip(asked, found, strict=True)}
    assert told == {text: in_python(trials, text) for text in asked}
    assert [text for text, one in told.items() if one is None] == WRONG
    assert len({str(one) for one in told.values()}) > 20


def test_a_filter_that_the_report_cannot_answer_names_the_command_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = showcase(tmp_path / "s", 24, parquet=False)
    for room in (lookups, sampling):
        monkeypatch.setattr(room, "MOST_READ", 20)
    asked = ["val/acc:mean:2>0", "optim.kind=1", "train/loss@val/acc>0", "val/acc:max>0.9"]
    document = document_of(hyperherd.load(root))
    *refused, taken = in_node(CHOSEN, asked, document)
    assert all("herd-results" in one["error"] for one in refused)
    assert 5 < len(taken) < 24


def test_phases_are_asked_for_as_on_the_command_line(tmp_path: Path) -> None:
    root = tmp_path / "s"
    sweep = SweepBuilder(root)
    for number in range(3):
        sweep.plan(lr=number)
        writer = MetricWriter(root / str(number), 0)
        for writer.phase in ("fold0", "fold1", "fold1/test"):
            for step in range(3):
                writer.log({"val/acc": number + len(writer.phase) * step}, step)
        writer.close()
        running = RunningSummary(root / str(number), None)
        running.refresh()
        record = TrialRecord(number, f"key{number}", "n", (), {"lr": number}, 0, TrialState.COMPLETED, started=1.0)
        record.with_(metrics=running.metrics, phases=running.phases).write(root / str(number))
    trials = hyperherd.load(root)
    asked = ["val/acc:fold0>10.5", "val/acc:fold1:min<2", "val/acc:max>8", "val/acc:evaluate>21", "val/acc:fold9>1"]
    found = in_node(CHOSEN, asked, document_of(trials))
    told = [None if isinstance(one, dict) else sorted(one) for one in found]
    assert told == [in_python(trials, text) for text in asked]
    assert told == [["1", "2"], ["0", "1"], ["0", "1", "2"], ["2"], None]


def test_every_fact_that_the_command_line_knows_is_in_the_report() -> None:
    assert {*FACTS, *RECORDED, *COLUMNS, fields.TAG} == set(fields._FACTS)


def test_the_distributions_are_those_of_python() -> None:
    freedoms = [(freedom, coverage) for freedom in (1, 2, 3, 7, 40, 200) for coverage in (0.5, 0.95, 0.9999)]
    found = in_node("return tBound(...asked);", [list(pair) for pair in freedoms])
    assert found == pytest.approx([t_bound(*pair) for pair in freedoms], rel=1e-9)
    tables = [(1, 3, 2, 30), (3, 3, 4, 40), (0, 5, 3, 20), (2, 4, 2, 9)]
    found = in_node("return fisher(...asked, true);", [list(table) for table in tables])
    assert found == pytest.approx([fisher(*table, one_sided=True) for table in tables], rel=1e-9)


def samples(dice: random.Random) -> list[Sample]:
    """Return configurations of different numbers of seeds, some with bad ones, some far out, some without spread."""
    scale = dice.choice([1.0, 1e-9, 1e200])
    found = []
    for _ in range(dice.randint(1, 12)):
        centre = dice.gauss(0, 3) * (50 if dice.random() < 0.1 else 1)
        noise = dice.choice([0.0, 0.1, 1.0, 30.0])
        values = tuple(scale * (centre + dice.gauss(0, noise)) for _ in range(dice.randint(1, 5)))
        found.append(Sample(values, dice.choice([0, 0, 0, 1, 3])))
    return found


def test_configurations_are_pooled_as_in_python() -> None:
    given = [samples(random.Random(place)) for place in range(200)]
    asked = [[{"values": list(one.values), "bad": one.bad} for one in group] for group in given]
    answer = "const p = poolOf(asked); return [p.order, p.scores, p.plain, closeToBest(p), bestInterval(p)];"
    for group, (order, scores, plain, close, interval) in zip(given, in_node(answer, asked), strict=True):
        pool = Pool(group)
        assert order == pool.order
        assert scores == pytest.approx(pool.scores, rel=1e-9)
        assert plain == pool.is_plain
        assert sorted(close) == sorted(pool.close(pool.order[0]))
        expected = pool.interval(pool.order[0])
        assert interval == (None if expected is None else pytest.approx(expected, rel=1e-8))


def ranked(trials: hyperherd.Trials) -> dict[str, Any]:
    """Return what a report of these trials alone would say of its configurations."""
    ordered = trials.sorted()
    groups = GroupCollection.by_configuration(ordered)
    rows = []
    for group in groups:
        assert groups.objective is not None
        spread = group.judged(groups.objective)
        rows.append([sorted(trial.label for trial in group.trials), spread.n, group.planned, spread.mean, spread.std])
        rows[-1] += [*spread.bounds("ci"), sorted(trial.label for trial in group.superseded)]
    scores = [] if groups.by_mean else list(groups.scores)
    return {"rows": rows, "text": verdict(groups), "interval": interval_text(groups), "scores": scores}


RANKED = f"""
{SELECT}
const found = rankedConfigurations();
const labels = (trials) => trials.map((t) => data.trials.label[t]).sort();
const row = (r) => [labels(r.trials), r.n, r.planned, r.mean, r.std, r.low, r.high, labels(r.twice)];
const scores = found.rows.map((r) => r.score).filter((score) => score !== null);
return {{ rows: found.rows.map(row), text: found.text, interval: found.interval, scores }};
"""


@pytest.mark.parametrize("name", ["showcase", "states", "pruned"])
def test_configurations_of_a_selection_are_those_of_the_same_filter(tmp_path: Path, name: str) -> None:
    root = tmp_path / "s"
    if name == "showcase":
        showcase(root, 24, parquet=False)
    elif name == "states":
        every_state(root)
    else:
        sweep, dice = SweepBuilder(root, ("loss", "minimize"), seed_key="seed"), random.Random(3)
        for number in range(40):
            params = {"lr": number % 5, "seed": dice.randrange(5), "model": "ab"[number % 2]}
            state = TrialState.PRUNED if number % 7 == 0 else TrialState.COMPLETED
            sweep.trial({"loss": dice.gauss(number % 5, 0.5)}, params=params, state=state, ended=100.0 + dice.random())
    trials = hyperherd.load(root)
    asked = ["", "seed!=0", "lr>=0.01", "seed=0", "lr<0.1 seed<2", "state=completed", "seed=0,1 lr!=0.01", "number>7"]
    for text, found in zip(asked, in_node(RANKED, asked, document_of(trials)), strict=True):
        expected = ranked(trials.filter(*text.split()))
        assert found["text"] == expected["text"], text
        assert found["interval"] == expected["interval"], text
        assert found["scores"] == pytest.approx(expected["scores"], rel=1e-9)
        assert [row[0] for row in found["rows"]] == [row[0] for row in expected["rows"]], text
        for row, other in zip(found["rows"], expected["rows"], strict=True):
            assert row == [pytest.approx(one, rel=1e-9) if isinstance(one, float) else one for one in other]
