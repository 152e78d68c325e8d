"""Retry, canary and the stops, as a user asks for them."""

from __future__ import annotations

import re

import pytest
from conftest import App, Sweep

from hyperherd.errors import SweepError
from hyperherd.launch.base import TrialJob
from hyperherd.launch.hydra import HydraLauncher
from hyperherd.paths import TrialPaths
from hyperherd.records.events import read_events
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.status import TrialStatus
from hyperherd.records.trial import TrialError
from hyperherd.sweep.failure_policy import FailureTracker, Policy, Retry, check_policy, read_policy, signature

LOCAL = "hydra/launcher=herd_local"


def _events(sweep: Sweep, event: str) -> list[int]:
    return [found.number for found in read_events(sweep.dir) if found.event == event]


@pytest.mark.parametrize("launcher", ["herd_local", "basic"])
def test_a_failed_trial_is_run_again_so_many_times_and_its_logs_are_kept(app: App, launcher: str) -> None:
    app.write("""
        attempt = int(os.environ["HYPERHERD_ATTEMPT"])
        print("ATTEMPT", attempt)
        if cfg.lr == 1 and attempt < 2: raise ValueError("not yet")
        if cfg.lr == 2: raise ValueError("never")
    """)
    sweep = app.sweep("lr=1,2,3", f"hydra/launcher={launcher}", "hydra.sweeper.retry={exception:2}", code=1)
    assert sweep.states == {0: "completed", 1: "failed", 2: "completed"}
    assert {number: record.attempt for number, record in sweep.records.items()} == {0: 2, 1: 2, 2: 0}
    assert sorted(_events(sweep, "retried")) == [0, 0, 1, 1]
    logs = [TrialPaths(sweep.dir / "0").log(attempt, "out").read_text() for attempt in range(3)]
    assert [re.findall("ATTEMPT (.)", text) for text in logs] == [["0"], ["1"], ["2"]]
    assert "2 completed, 1 failed" in sweep.done.stdout


def test_only_the_causes_that_are_named_are_retried(app: App) -> None:
    app.write("""
        if cfg.lr == 1: os.kill(os.getpid(), 9)
        if cfg.lr == 2: sys.exit(3)
        if cfg.lr == 3: raise ValueError
    """)
    sweep = app.sweep("lr=1,2,3", LOCAL, "hydra.sweeper.retry={signal:1,exit:{times:1}}", code=1)
    assert sorted(_events(sweep, "retried")) == [0, 1]
    assert _events(sweep, "signal") == [0, 0]


@pytest.mark.slow
def test_a_trial_that_runs_out_of_time_gets_more(app: App) -> None:
    app.write("time.sleep(0 if cfg.lr == 2 else 3.5)")
    retry = "hydra.sweeper.retry={timeout:{times:1,time_factor:100}}"
    sweep = app.sweep("lr=1,2", LOCAL, "hydra.launcher.timeout_min=0.05", "hydra.launcher.max_parallel=2", retry)
    assert sweep.states == {0: "completed", 1: "completed"}
    assert sweep.records[0].attempt == 1


@pytest.mark.slow
def test_a_trial_may_ask_for_more_time_than_the_others(app: App) -> None:
    app.write("time.sleep(600 if cfg.lr == 1 else 1.5)")
    conditions = "hydra.sweeper.conditions=[{when:{lr:2},resources:{timeout_min:5}}]"
    sweep = app.sweep("lr=1,2", LOCAL, "hydra.launcher.timeout_min=0.02", conditions, code=1)
    assert "1 completed, 1 failed" in sweep.done.stdout
    assert sweep.states[1] == "completed"


@pytest.mark.slow
def test_the_canary_runs_alone_and_keeps_the_others_from_a_bug(app: App) -> None:
    app.write("raise ValueError('boom')")
    sweep = app.sweep("lr=1,2,3,4", LOCAL, "hydra.sweeper.canary=1", code=1)
    assert sweep.states == {0: "failed"}
    assert "a canary trial failed (hydra.sweeper.canary); 3 trials not started" in sweep.done.stdout
    assert "1 failed, 3 waiting" in sweep.done.stdout
    both = app.sweep("lr=1,2,3,4", LOCAL, "hydra.sweeper.canary=1", "hydra.sweeper.stop_after_failures=1", code=1)
    assert "3 trials not started" in both.done.stdout
    assert "cancelled 3 trials" not in both.done.stdout
    app.write("print('ORDER', cfg.lr)")
    assert set(app.sweep("lr=1,2,3,4", LOCAL, "hydra.sweeper.canary=2").states.values()) == {"completed"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["herd_local", "basic"])
@pytest.mark.parametrize("limit", ["2", "20%"])
def test_after_so_many_failures_what_has_not_started_is_cancelled(app: App, launcher: str, limit: str) -> None:
    app.write("raise ValueError(str(cfg.lr))")
    few = "hydra.launcher.max_parallel=1" if launcher == "herd_local" else "hydra.sweeper.max_batch_size=1"
    stop = f"hydra.sweeper.stop_after_failures={limit}"
    sweep = app.sweep("lr=range(10)", f"hydra/launcher={launcher}", few, stop, code=1)
    assert "2 trials failed (hydra.sweeper.stop_after_failures)" in sweep.done.stdout
    failed = len(sweep.states)
    assert 2 <= failed <= 3  # the third may have begun before the second's end was noted
    cancelled = [event for event in read_events(sweep.dir) if event.event == "cancelled"]
    assert len(cancelled) == 10 - failed
    assert {event.message for event in cancelled} == {
        "the sweep stopped: 2 trials failed (hydra.sweeper.stop_after_failures)"
    }
    app.write("pass")
    assert set(app.sweep("lr=range(10)").states.values()) == {"completed"}


def test_so_many_deaths_of_the_same_error_are_a_bug(app: App) -> None:
    app.write("""
        if cfg.lr == 0: raise TypeError("another")
        raise ValueError(f"{cfg.lr} is bad")
    """)
    stop = ["hydra.launcher.max_parallel=1", "hydra.sweeper.stop_after_same_error=2"]
    sweep = app.sweep("lr=range(8)", LOCAL, *stop, code=1)
    assert (
        "2 trials failed with the same error (hydra.sweeper.stop_after_same_error): ValueError at" in sweep.done.stdout
    )
    assert len(sweep.states) in (3, 4)


WRONG = {
    "retry": ("retry=often", "hydra.sweeper.retry is 'often'; expected a number, or a map"),
    "cause": ("retry={oom_kill:1}", "hydra.sweeper.retry.oom_kill is not a failure cause (did you mean 'oom'?)"),
    "times": ("retry={oom:{mem_factor:2}}", "expected a count, e.g. oom: {times: 2}"),
    "factor": (
        "retry={oom:{times:1,mem_factor:0.5}}",
        "hydra.sweeper.retry.oom.mem_factor is 0.5; it must be a number",
    ),
    "factor of another": (
        "retry={signal:{times:1,mem_factor:2}}",
        "hydra.sweeper.retry.signal.mem_factor is not a known key; expected times",
    ),
    "canary": ("canary=0", "hydra.sweeper.canary is 0; expected a positive whole number"),
    "share": (
        "stop_after_failures=200%",
        "hydra.sweeper.stop_after_failures is '200%'; expected a number",
    ),
    "same": ("stop_after_same_error=-1", "hydra.sweeper.stop_after_same_error is -1; expected a positive whole number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_kept_is_refused_before_anything_runs(app: App, case: str) -> None:
    setting, message = WRONG[case]
    sweep = app.sweep("lr=1", f"hydra.sweeper.{setting}", code=1)
    assert message in sweep.done.stderr
    assert not sweep.dir.exists()


def test_a_factor_for_the_cluster_is_noted_where_there_is_nothing_to_multiply(app: App) -> None:
    retry = "hydra.sweeper.retry={oom:{times:1,mem_factor:2},timeout:{times:1,time_factor:2}}"
    sweep = app.sweep("lr=1", LOCAL, retry)
    note = "hydra.sweeper.retry.oom.mem_factor: herd_local cannot set mem_gb per trial, so a retry has what the first"
    assert sweep.done.stdout.count(note) == 1
    status = TrialStatus(TrialState.FAILED, 0, FailureCause.OOM)
    again = FailureTracker(Policy({"oom": Retry(1, 2.0)}), _Queue(), 1).again(TrialJob(0, 0, ()), status, 1)
    assert again == TrialJob(0, 1, ())


def test_a_factor_needs_something_to_multiply() -> None:
    policy = read_policy({"retry": {"timeout": {"times": 1, "time_factor": 2}}})
    with pytest.raises(SweepError, match=r"has no value to multiply; set hydra\.launcher\.timeout_min"):
        check_policy(policy, _Queue())


class _Absent(HydraLauncher):
    """A launcher that submits and leaves."""

    def __init__(self) -> None:
        pass

    @property
    def waits(self) -> bool:
        return False


@pytest.mark.parametrize("raw", [{"retry": 1}, {"canary": 1}, {"stop_after_failures": "5%"}])
def test_what_needs_somebody_who_waits_is_refused_without(raw: dict[str, object]) -> None:
    check_policy(Policy(), _Absent())
    with pytest.raises(SweepError, match="cannot be enforced"):
        check_policy(read_policy(raw), _Absent())


class _Queue(HydraLauncher):
    """A launcher of a cluster, with no limit of its own."""

    def __init__(self) -> None:
        pass

    @property
    def has_queue(self) -> bool:
        return True

    @property
    def resources(self) -> dict[str, object]:
        return {"timeout_min": None}


class _Roomy(HydraLauncher):
    """A launcher that gives each trial memory."""

    def __init__(self) -> None:
        pass

    @property
    def resources(self) -> dict[str, object]:
        return {"mem_gb": 4}


def test_memory_grows_from_retry_to_retry() -> None:
    judge = FailureTracker(Policy({"oom": Retry(2, 1.5)}), _Roomy(), 1)
    status = TrialStatus(TrialState.FAILED, 0, FailureCause.OOM)
    first = judge.again(TrialJob(0, 0, ()), status, 1)
    assert first is not None
    assert (first.attempt, first.resources) == (1, {"mem_gb": 6.0})
    second = judge.again(first, status, 2)
    assert second is not None
    assert second.resources == {"mem_gb": 9.0}
    assert judge.again(second, status, 3) is None


def test_the_canary_is_judged_by_its_own_trials() -> None:
    judge = FailureTracker(Policy(canary=1), _Roomy(), 3)
    judge.failed(7, None)  # of an earlier sweep, awaited at the same time
    assert judge.canary_verdict([3]) == ""
    judge.failed(3, None)
    assert judge.canary_verdict([3])


def test_a_trial_that_was_cancelled_is_not_retried() -> None:
    judge = FailureTracker(read_policy({"retry": 5}), _Roomy(), 1)
    assert judge.again(TrialJob(0, 0, ()), TrialStatus(TrialState.CANCELLED), 1) is None
    assert judge.again(TrialJob(0, 0, ()), TrialStatus(TrialState.LOST), 1) is not None


def test_the_same_error_is_the_same_type_at_the_same_line() -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line {}, in f\n    boom\nValueError: {}\n'
    first, second, third = (
        TrialError("ValueError", text, trace.format(line, text)) for line, text in ((3, "x"), (3, "y"), (4, "x"))
    )
    assert signature(first) == signature(second) != signature(third)
