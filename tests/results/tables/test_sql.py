from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from results.builder import SweepBuilder

from hyperherd import Trials, load
from hyperherd.errors import ResultsError
from hyperherd.results.pages.rows import rows_text
from hyperherd.results.text.layout import Screen

pytest.importorskip("duckdb")


def test_the_three_views(plain: Path) -> None:
    trials = load(plain / "multirun")
    found = trials.sql('select model, max("val/acc") as best from trials group by model order by model')
    assert found.to_pydict()["model"] == ["cnn", "mlp"]
    rows = trials.sql("select number, value from METRICS where metric = 'val/acc' and step = 2 order by number")
    values = {row["number"]: row["value"] for row in rows.to_pylist()}
    assert values == {trial.number: trial.metrics["val/acc"]["last"] for trial in trials}
    config = trials.sql("select number, value, num from configs where key = 'model.depth' order by number")
    assert [(row["value"], row["num"]) for row in config.to_pylist()] == [("3", 3.0), ("5", 5.0)] * 3
    joined = "select count(*) as n from trials join configs using (sweep, number) join metrics using (sweep, number)"
    assert trials.sql(joined).to_pydict()["n"][0] > 100


def test_everything_that_reads(sweep: SweepBuilder) -> None:
    for lr in (1, 2):
        sweep.trial({"val/acc": 0.5}, params={"lr": lr, "model": "a"})
    trials = load(sweep.dir)
    for query in ("from trials", "with x as (select 1 as a) select * from x", "describe trials", "summarize trials"):
        assert trials.sql(query).num_rows > 0
    assert trials.sql("pivot (select lr, model from trials) on model using count(*)").column_names == ["lr", "a"]
    assert trials.sql("explain select 1").num_rows > 0
    assert Trials([]).sql("select count(*) as n from trials").to_pydict() == {"n": [0]}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("drop table trials", "only read-only queries are allowed, not DROP"),
        ("create table x as select 1", "queries are allowed, not CREATE"),
        ("insert into trials values (1)", "queries are allowed, not INSERT"),
        ("set memory_limit='1GB'", "queries are allowed, not SET"),
        ("attach '/tmp/x.db'", "queries are allowed, not ATTACH"),
        ("copy trials to '/tmp/stolen.csv'", "queries are allowed, not COPY"),
        ("install httpfs", "queries are allowed, not LOAD"),
        ("select 1; select 2", "only one statement is allowed, not 2"),
        ("", "only one statement is allowed, not 0"),
        ("selec 1", "syntax error"),
        ("select nothing from trials", "nothing"),
        ("select * from trial", 'Did you mean "trials"'),
        ("select * from read_text('{secret}')", "disabled by configuration"),
        ("select * from read_csv('{secret}')", "disabled by configuration"),
        ("select * from '{secret}'", "disabled by configuration"),
        ("select * from glob('{folder}/*')", "disabled by configuration"),
        ("select * from found", "does not exist"),
        ("explain analyze copy trials to '{folder}/x.csv'", "disabled by configuration"),
        ("select * from read_parquet('https://example.com/x.parquet')", "disabled by configuration"),
    ],
)
def test_a_query_does_nothing_but_read(sweep: SweepBuilder, tmp_path: Path, query: str, message: str) -> None:
    sweep.trial({"val/acc": 0.5}, params={"lr": 1})
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    found = load(sweep.dir).table()
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ResultsError) as caught:
        load(sweep.dir).sql(query.format(secret=secret, folder=tmp_path))
    assert message in str(caught.value)
    assert set(tmp_path.rglob("*")) == before
    assert found.num_rows == 1


def test_without_duckdb(sweep: SweepBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.trial()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ResultsError, match=r"pip install 'hydra-hyperherd\[sql\]'"):
        load(sweep.dir).sql("select 1")


def test_rows_in_every_format() -> None:
    query = """select 1 as a, 'x
y' as a, null as b, cast('nan' as double) as c, sum(3) as d, [1, 2] as e, timestamp '2026-01-02 03:04:05' as f,
        {'k': 1.5} as g, true as h"""
    answer = Trials([]).sql(query)
    assert rows_text(answer, "tsv", Screen()).splitlines()[1] == (
        '1\tx\\ny\t\tnan\t3\t[1,2]\t2026-01-02 03:04:05\t{"k":1.5}\ttrue'
    )
    assert rows_text(answer, "csv", Screen()).splitlines()[1].startswith("1,x\\ny,,nan,3,")
    line = json.loads(rows_text(answer, "jsonl", Screen()), parse_constant=pytest.fail)
    assert line == {
        "a": 1,
        "a_2": "x\ny",
        "b": None,
        "c": "NaN",
        "d": 3,
        "e": [1, 2],
        "f": "2026-01-02 03:04:05",
        "g": {"k": 1.5},
        "h": True,
    }
    record = json.loads(rows_text(answer, "json", Screen()))
    assert [column["name"] for column in record["columns"]] == [*"aabcdefgh"]
    assert record["rows"][0][0] == 1
    table = rows_text(answer, "table", Screen()).splitlines()
    assert len(table) == 2
    assert r"x\ny" in table[1]
