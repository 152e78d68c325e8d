import itertools
import math
import time

import pytest

from hyperherd.metrics.consolidate.merge import merge
from hyperherd.metrics.reader import read_summary
from hyperherd.metrics.rows.stats import CURVE, thin
from hyperherd.metrics.summary.running import RunningSummary
from hyperherd.metrics.writer import MetricWriter
from hyperherd.paths import TrialPaths

OBJECTIVE = {"metric": "acc", "direction": "maximize"}


@pytest.fixture
def writer(tmp_path):
    return MetricWriter(tmp_path, 0)


@pytest.fixture
def running(tmp_path):
    return RunningSummary(tmp_path, OBJECTIVE)


def test_before_anything_is_logged(running):
    running.refresh()
    assert (running.metrics, running.final, running.objective, running.step) == ({}, {}, None, None)


def test_it_grows_with_the_journals(writer, running):
    writer.log({"acc": 0.5, "loss": 2.0}, 1)
    running.refresh()
    assert running.metrics["acc"] == {
        "count": 1,
        "last": 0.5,
        "last_step": 1,
        "min": 0.5,
        "min_step": 1,
        "max": 0.5,
        "max_step": 1,
        "nan": 0,
    }
    assert running.step_seconds is None
    writer.log({"acc": 0.25, "loss": math.nan}, 2)
    writer.log({"text": "a", "flag": True}, 3)
    writer.log_final({"x": [math.inf]})
    running.refresh()
    assert list(running.metrics) == ["acc", "flag", "loss"]
    assert running.metrics["acc"]["count"] == 2
    assert (running.metrics["loss"]["nan"], running.metrics["loss"]["max"]) == (1, 2.0)
    assert running.step == 3
    assert 0 < running.step_seconds < 1
    assert running.final == {"x": [math.inf]}
    assert running.objective == {
        "metric": "acc",
        "direction": "maximize",
        "best": 0.5,
        "best_step": 1,
        "at_best": {"loss": 2.0},
        "curve": [[1, 0.5], [2, 0.25]],
    }


def test_only_what_is_new_is_read(writer, running, tmp_path):
    for step in range(20_000):
        writer.log({"acc": 0.5}, step)
    running.refresh()
    (journal,) = TrialPaths(tmp_path).metrics.iterdir()
    content = journal.read_bytes()
    journal.write_bytes(b"x" * len(content))  # What has been read is not looked at again.
    with journal.open("ab") as stream:
        stream.write(b'{"ts":1.5,"step":20000,"metrics":{"acc":1.0}}\n{"ts":1.5,"st')
    running.refresh()
    assert running.metrics["acc"]["count"] == 20_001
    with journal.open("ab") as stream:
        stream.write(b'ep":20001,"metrics":{"acc":1.0}}\n')
    running.refresh()
    assert running.metrics["acc"]["count"] == 20_002


def test_at_best_takes_the_same_step_in_whatever_order(writer, running):
    writer.log({"before": 1.0}, 1)
    writer.log({"same": 1.0}, 2)
    writer.log({"acc": 0.9}, 2)
    writer.log({"same": 2.0, "later": 1.0}, 2)
    writer.log({"after": 1.0, "same": 3.0, "acc": 0.1}, 3)
    running.refresh()
    assert running.objective["at_best"] == {"before": 1.0, "same": 2.0, "later": 1.0}


def test_a_best_value_logged_again_at_its_step_is_gone(writer, running):
    writer.log({"acc": 0.3, "loss": 1.0}, 1)
    writer.log({"acc": 0.9, "loss": 2.0}, 2)
    writer.log({"acc": 0.2}, 2)
    running.refresh()
    assert (running.objective["best"], running.objective["best_step"]) == (0.3, 1)
    assert running.objective["at_best"] == {"loss": 1.0}
    assert running.objective["curve"] == [[1, 0.3], [2, 0.2]]
    assert running.metrics["acc"]["count"] == 2


def test_an_objective_of_nothing_but_nan(writer, running, tmp_path):
    writer.log({"acc": math.nan}, 1)
    writer.close()
    for _ in range(2):
        running.refresh()
        assert (running.objective["best"], running.objective["best_step"]) == (None, None)
        assert math.isnan(running.objective["curve"][0][1])
        merge(tmp_path, OBJECTIVE)


def test_curves_of_any_length_have_few_points_and_both_ends(writer, running, tmp_path):
    for step in range(5000):
        writer.log({"acc": float(step)}, step)
        if step in (10, 40, 300):
            running.refresh()
    writer.close()
    for _ in range(2):
        running.refresh()
        curve = running.objective["curve"]
        assert len(curve) == CURVE
        assert (curve[0], curve[-1]) == ([0, 0.0], [4999, 4999.0])
        gaps = [later[0] - step[0] for step, later in itertools.pairwise(curve)]
        assert max(gaps) < 3 * 5000 / CURVE
        merge(tmp_path, OBJECTIVE)
    assert thin(range(CURVE)) == list(range(CURVE))


@pytest.mark.parametrize("merged", [True, False])
def test_what_a_newer_attempt_does_again_counts_once(tmp_path, merged):
    first = MetricWriter(tmp_path, 0)
    for step in range(10):
        first.log({"acc": 0.1 * step, "loss": float(step), "only": 7.0}, step)
    first.log_final({"x": 1, "y": 1})
    first.close()
    if merged:
        merge(tmp_path, OBJECTIVE)
    running = RunningSummary(tmp_path, OBJECTIVE)
    running.refresh()
    assert running.objective["best_step"] == 9
    second = MetricWriter(tmp_path, 1)
    second.log({"loss": 50.0}, 5)
    running.refresh()
    assert (running.metrics["loss"]["count"], running.metrics["loss"]["max"]) == (6, 50.0)
    assert running.objective["at_best"] == {"loss": 50.0, "only": 7.0}
    second.log({"acc": 0.0, "loss": 60.0}, 6)
    second.log_final({"x": 2})
    running.refresh()
    assert (running.metrics["acc"]["count"], running.metrics["acc"]["last"]) == (7, 0.0)
    assert running.metrics["only"]["count"] == 10
    assert running.objective["best_step"] == 5
    assert running.objective["at_best"] == {"loss": 50.0, "only": 7.0}
    assert [step for step, _ in running.objective["curve"]] == list(range(7))
    assert running.final == {"x": 2, "y": 1}
    second.close()
    merge(tmp_path, OBJECTIVE)
    summary = read_summary(tmp_path)
    assert summary["metrics"] == running.metrics
    assert summary["objective"] == running.objective


def test_another_objective_than_the_merged_one(writer, tmp_path):
    for step, value in enumerate([3.0, 1.0, 2.0]):
        writer.log({"acc": value, "loss": -value}, step)
    writer.close()
    merge(tmp_path, OBJECTIVE)
    running = RunningSummary(tmp_path, {"metric": "loss", "direction": "maximize"})
    running.refresh()
    assert (running.objective["best"], running.objective["best_step"]) == (-1.0, 1)
    assert running.objective["at_best"] == {"acc": 1.0}
    running = RunningSummary(tmp_path, None)
    running.refresh()
    assert running.objective is None


def test_steps_take_their_usual_time(tmp_path, writer, running):
    for step in range(4):
        writer.log({"acc": 0.5}, 10 * step)
        writer.log({"loss": 0.5}, 10 * step)
        time.sleep(0.02)
    running.refresh()
    assert 0.002 <= running.step_seconds < 0.02
    before = running.step_seconds
    writer.close()
    merge(tmp_path)
    running.refresh()
    assert running.step_seconds == before
