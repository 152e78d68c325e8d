"""How a trial that is to end learns of it in a loop of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE

import hyperherd
from hyperherd.records.requests import TrialRequest, Wish, ask_trial
from hyperherd.records.states import TrialState
from hyperherd.records.verdicts import StopVerdict
from hyperherd.trial import log as trial_log
from hyperherd.trial import notes
from hyperherd.trial.ending import raised_while_it_ended
from hyperherd.trial.log import CurrentTrial
from hyperherd.trial.notes import begin, handed_on, note


class AboveThree:
    """A rule of a user's: a loss above 3 is the end."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], int, str]] = []

    def judge(self, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
        self.asked.append((dict(metrics), step, phase))
        if metrics.get("loss", 0) > 3:
            return StopVerdict(TrialState.PRUNED, f"loss {metrics['loss']} at step {step}")
        return None


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[CurrentTrial]:
    """The trial that this process logs to."""
    yield trial_log.enter(tmp_path / "trial", 0)
    trial_log.leave()


def test_a_log_call_that_the_rule_judges_bad_raises_again_and_again_and_has_logged(trial: CurrentTrial) -> None:
    rule = AboveThree()
    trial.stopping.judged_by(rule)
    hyperherd.log_result("loss", 1.0, 0)
    assert not hyperherd.should_stop()
    for step in (1, 2):
        with pytest.raises(hyperherd.TrialPruned, match="at step 1"):
            hyperherd.log_metrics({"loss": 4.0}, step)
    hyperherd.log_result("test_loss", 5.0)  # a final value, as somebody logs in `finally`
    assert rule.asked == [({"loss": 1.0}, 0, ""), ({"loss": 4.0}, 1, "")]  # no more once it is decided
    assert hyperherd.should_stop()
    journal = next((trial.trial_dir / ".hyperherd" / "metrics").iterdir()).read_text()
    assert journal.count('"loss":4.0') == 2


def test_a_rule_sees_the_phase_and_what_callbacks_write_which_raises_nothing(trial: CurrentTrial) -> None:
    rule = AboveThree()
    trial.stopping.judged_by(rule)
    with hyperherd.phase("fold0"):
        trial_log.log_rows([({"loss": 4.0}, 3, 0.0), ({"loss": 5.0}, 4, 0.0)])
    assert rule.asked == [({"loss": 4.0}, 3, "fold0")]
    assert trial.stopping.verdict is not None
    assert not trial.stopping.is_told  # whoever wrote them asks


def test_a_rule_that_fails_ends_no_training_and_is_named_once(
    trial: CurrentTrial, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def judge(self, metrics: Mapping[str, Any], step: int, phase: str) -> StopVerdict | None:
            raise ZeroDivisionError("in the rule")

    trial.stopping.judged_by(Broken())
    hyperherd.log_result("loss", 1.0, 0)
    hyperherd.log_result("loss", 1.0, 1)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["the pruning rule failed"]


def test_a_process_of_a_trial_without_a_sweep_says_nothing_of_pruners(tmp_path: Path) -> None:
    trial_dir = tmp_path / "trial"
    code = "import hyperherd; hyperherd.log_result('loss', 1.0, 1); print(hyperherd.should_stop())"
    named = {"HYPERHERD_WORKSPACE": str(trial_dir), "HYPERHERD_TRIAL_ID": "0", "HYPERHERD_TRIAL_DIR": str(trial_dir)}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **named}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_somebody_asks_a_process_that_the_trial_has_started(tmp_path: Path) -> None:
    (tmp_path / ".hyperherd").mkdir()
    (tmp_path / ".hyperherd" / "sweep.json").write_text("{}")
    code = """
        import itertools, time, hyperherd
        for step in itertools.count():
            hyperherd.log_result("loss", 1.0, step)
            time.sleep(0.05)
    """
    named = {"HYPERHERD_WORKSPACE": str(tmp_path), "HYPERHERD_TRIAL_ID": "3", "HYPERHERD_ATTEMPT": "2"}
    named["HYPERHERD_TRIAL_DIR"] = str(tmp_path / "trial")
    ask_trial(tmp_path, 3, TrialRequest(Wish.STOP, 2, "the test"))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **named},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "TrialPruned: the test" in done.stderr
    # The process that keeps the trial's records finds out why.
    assert handed_on(tmp_path / "trial", 2)["verdict"] == {"state": "cancelled", "reason": "the test"}


def test_what_a_process_was_told_outlasts_the_notes_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_trial", None)
    monkeypatch.setattr(notes, "_noted", {})
    told = {"state": "pruned", "reason": "the test"}
    for name, value in (("verdict", told), ("max_step", 3)):
        begin(tmp_path, 2, keeps_state=False)
        note(name, value)
    assert handed_on(tmp_path, 2) == {"verdict": told, "max_step": 3}
    begin(tmp_path, 3, keeps_state=False)
    note("max_step", 4)
    assert handed_on(tmp_path, 3) == {"max_step": 4}


def test_what_fails_while_a_trial_ends_is_told() -> None:
    def raised(cause: bool) -> BaseException:
        try:
            try:
                raise hyperherd.TrialPruned("why")
            except hyperherd.TrialPruned as pruned:
                raise OSError("disk full") from (pruned if cause else None)
        except OSError as error:
            return error

    assert [raised_while_it_ended(raised(cause)) for cause in (False, True)] == ["OSError: disk full", ""]
    for error in (None, OSError("disk full"), hyperherd.TrialPruned("why"), SystemExit(0)):
        assert raised_while_it_ended(error) == ""
