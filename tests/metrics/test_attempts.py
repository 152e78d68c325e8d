"""Which of several attempts' rows stand."""

import pytest

from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_final, read_metrics, read_summary
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter

OBJECTIVE = {"metric": "acc", "direction": "maximize"}


def attempt(trial, number, rows=(), **told):
    writer = MetricWriter(trial, number)
    for metric, steps in rows:
        for step in steps:
            writer.log({metric: 100.0 * number + step}, step)
    if told:
        writer.resumed(**told)
    writer.close()


def shown(trial):
    found = {}
    rows = read_metrics(trial)
    for name, step, number in zip(*(rows[key].to_pylist() for key in ("metric", "step", "attempt")), strict=True):
        found.setdefault(name, []).append((number, step))
    return found


def check(trial, expected):
    """What is shown is the same before and after a merge, and the running summary says the same."""
    for _ in range(2):
        assert shown(trial) == expected
        running = RunningSummary(trial, OBJECTIVE)
        running.refresh()
        assert {name: item["count"] for name, item in running.metrics.items()} == {
            name: len(rows) for name, rows in expected.items()
        }
        assert read_summary(trial)["metrics"] == running.metrics
        merge(trial, OBJECTIVE)


def of(number, steps):
    return [(number, step) for step in steps]


def test_metrics_with_counters_of_their_own_are_cut_on_their_own(tmp_path):
    attempt(tmp_path, 0, [("loss", range(0, 100, 10)), ("acc", range(4))])
    attempt(tmp_path, 1, [("loss", range(50, 120, 10)), ("acc", range(2, 5))])
    check(
        tmp_path,
        {
            "loss": of(0, range(0, 50, 10)) + of(1, range(50, 120, 10)),
            "acc": of(0, range(2)) + of(1, range(2, 5)),
        },
    )


def test_a_restart_from_nothing_supersedes_everything_older(tmp_path):
    attempt(tmp_path, 0, [("loss", range(10)), ("test", [9])])
    attempt(tmp_path, 1, [("loss", range(10, 12)), ("late", [11])])
    attempt(tmp_path, 2, [("loss", range(3))])
    check(tmp_path, {"loss": of(2, range(3))})
    assert read_metrics(tmp_path, raw=True).num_rows == 17


def test_an_attempt_says_where_it_goes_on(tmp_path):
    attempt(tmp_path, 0, [("loss", range(10)), ("rare", [0, 8]), ("acc", range(4))])
    attempt(tmp_path, 1, [("loss", [7])], step=5)
    check(tmp_path, {"loss": of(0, range(5)) + of(1, [7]), "rare": of(0, [0]), "acc": of(0, range(4))})
    attempt(tmp_path, 2, step=2, metrics=["acc"])
    check(tmp_path, {"loss": of(0, range(5)) + of(1, [7]), "rare": of(0, [0]), "acc": of(0, range(2))})


def test_an_attempt_that_logs_what_it_did_before_it_went_on_is_taken_at_its_word(tmp_path):
    attempt(tmp_path, 0, [("loss", range(10)), ("size", [0])])
    attempt(tmp_path, 1, [("size", [0])], step=8)
    check(tmp_path, {"loss": of(0, range(8)), "size": of(1, [0])})


def test_one_that_starts_from_nothing_may_say_so(tmp_path):
    attempt(tmp_path, 0, [("loss", range(10)), ("acc", range(4))])
    attempt(tmp_path, 1, step=0)
    check(tmp_path, {})


def test_a_restart_is_known_only_while_nothing_speaks_against_it(tmp_path):
    attempt(tmp_path, 0, [("loss", range(10)), ("size", [0])])
    running = RunningSummary(tmp_path, OBJECTIVE)
    writer = MetricWriter(tmp_path, 1)
    writer.log({"size": 1.0}, 0)
    running.refresh()
    assert list(running.metrics) == ["size"]
    writer.log({"loss": 1.0}, 8)
    running.refresh()
    assert running.metrics["loss"]["count"] == 9
    assert {name: item["count"] for name, item in read_summary(tmp_path)["metrics"].items()} == {"loss": 9, "size": 1}
    writer.close()


def test_final_values_outlive_a_restart(tmp_path):
    first = MetricWriter(tmp_path, 0)
    first.log_final({"a": 1, "b": 1})
    first.close()
    attempt(tmp_path, 1, step=0)
    second = MetricWriter(tmp_path, 1)
    second.log_final({"a": 2})
    second.close()
    assert read_final(tmp_path) == {"a": 2, "b": 1}


def test_what_is_no_place_to_go_on_is_refused(tmp_path):
    writer = MetricWriter(tmp_path, 0)
    for step, metrics in [(1.5, None), ("a", None), (1, [3])]:
        with pytest.raises(TypeError):
            writer.resumed(step, metrics)
    assert not list(tmp_path.iterdir())
