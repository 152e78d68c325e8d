"""A trial at its rungs: attempts, phases, epochs, seeds, and a disk that does not do what it should."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pruning.learning import METRIC, judge

from hyperherd.pruning.decisions import CONTINUED, NOT_JUDGED, PRUNED, read_decisions
from hyperherd.pruning.judge import TrialJudge
from hyperherd.pruning.rungs import Rung
from hyperherd.records.states import TrialState

ASHA = {"name": "asha", "min_steps": 5, "eta": 3}


def shown(root: Path) -> dict[str, list[str]]:
    """Return the names of the files at each rung."""
    return {folder.name: sorted(path.name for path in folder.iterdir()) for folder in (root / "rungs").glob("*/*")}


def log(one: TrialJudge, values: dict[int, float], phase: str = "") -> str:
    """Log values by step; return why the trial is to end, or nothing."""
    for step, value in values.items():
        if verdict := one.judge({METRIC: value}, step, phase):
            assert verdict.state is TrialState.PRUNED
            return verdict.reason
    return ""


def test_the_decision_is_recorded_with_its_arithmetic_before_it_is_told(tmp_path: Path) -> None:
    assert log(judge(tmp_path, ASHA, 0), {5: 0.9}) == ""
    told = log(judge(tmp_path, ASHA, 1), {4: 0.1, 5: 0.2})
    assert told == f"rung 5: {METRIC} 0.2 is number 2 of 2; the best one goes on (0.9 or more)"
    kept, pruned = read_decisions(tmp_path / "0")[0], read_decisions(tmp_path / "1")[0]
    assert (kept.verdict, kept.rank, kept.cohort, kept.arrived) == (CONTINUED, 1, 1, "0")
    assert (pruned.verdict, pruned.rank, pruned.cohort, pruned.keep) == (PRUNED, 2, 2, 1)
    assert (pruned.value, pruned.threshold, pruned.step, pruned.arrived) == (0.2, 0.9, 5, "0-1")
    assert len(shown(tmp_path)["5"]) == 2


def test_a_rung_is_reached_by_the_first_value_at_or_behind_it(tmp_path: Path) -> None:
    log(judge(tmp_path, {**ASHA, "min_steps": 9}, 0), dict.fromkeys((7, 14, 21), 0.5))
    assert [(one.rung, one.step) for one in read_decisions(tmp_path / "0")] == [(9, 14)]
    # One that has passed several stands at each; the last of regular ones is enough.
    log(judge(tmp_path, {**ASHA, "min_steps": 3}, 1), {30: 0.5})
    assert [(one.rung, one.step) for one in read_decisions(tmp_path / "1")] == [(3, 30), (9, 30), (27, 30)]
    log(judge(tmp_path, {"name": "median", "min_steps": 3}, 2), {30: 0.5, 31: 0.5, 40: 0.5})
    assert [(one.rung, one.step) for one in read_decisions(tmp_path / "2")] == [(30, 30), (39, 40)]


def test_there_is_no_rung_where_a_trial_ends(tmp_path: Path) -> None:
    log(judge(tmp_path, {**ASHA, "max_steps": 45}, 0), dict.fromkeys(range(1, 46), 0.5))
    assert [one.rung for one in read_decisions(tmp_path / "0")] == [5, 15]


def test_a_resumed_trial_meets_each_rung_once(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), dict.fromkeys(range(1, 18), 0.5))
    log(judge(tmp_path, ASHA, 0, attempt=1, passed=17), dict.fromkeys(range(11, 46), 0.1))
    log(judge(tmp_path, ASHA, 0, attempt=2, passed=45), dict.fromkeys(range(1, 50), 0.9))
    assert [(one.rung, one.attempt, one.value) for one in read_decisions(tmp_path / "0")] == [
        (5, 0, 0.5),
        (15, 0, 0.5),
        (45, 1, 0.1),
    ]
    assert {rung: len(names) for rung, names in shown(tmp_path).items()} == {"5": 1, "15": 1, "45": 1}


def test_what_was_passed_before_there_was_a_pruner_is_not_judged_with_a_later_value(tmp_path: Path) -> None:
    one = judge(tmp_path, ASHA, 0, attempt=1, passed=100)
    log(one, {101: 0.5, 140: 0.6})
    assert [one.rung for one in read_decisions(tmp_path / "0")] == [135]
    # An attempt that begins anew goes through them.
    log(judge(tmp_path, ASHA, 1, attempt=1, passed=100), dict.fromkeys(range(1, 20), 0.5))
    assert [one.rung for one in read_decisions(tmp_path / "1")] == [5, 15]


def test_an_attempt_that_died_before_it_was_told_ends_at_once(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), {5: 0.9})
    assert log(judge(tmp_path, ASHA, 1), {5: 0.2})
    again = judge(tmp_path, ASHA, 1, attempt=1, passed=5)
    assert again.verdict is not None
    assert again.verdict.reason.startswith("rung 5:")
    assert len(read_decisions(tmp_path / "1")) == 1


def test_who_was_let_go_on_is_judged_no_more_but_stands_at_the_rungs(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), dict.fromkeys(range(5, 20), 0.9))
    assert log(judge(tmp_path, ASHA, 1), {5: 0.2})
    assert log(judge(tmp_path, ASHA, 1, attempt=1, passed=5, readmitted=True), {6: 0.2, 15: 0.3}) == ""
    assert [one.verdict for one in read_decisions(tmp_path / "1")] == [PRUNED, CONTINUED]
    assert len(shown(tmp_path)["15"]) == 2


def test_a_trial_whose_directory_was_deleted_stands_at_a_rung_with_its_new_value(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 3), {5: 0.9})
    (tmp_path / "3/.hyperherd/rungs.jsonl").unlink()
    log(judge(tmp_path, ASHA, 3), {5: 0.4})
    assert len(shown(tmp_path)["5"]) == 1
    assert log(judge(tmp_path, ASHA, 4), {5: 0.5}) == ""


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pruning.learning import METRIC, judge
from hyperherd.pruning.arrivals import RungFolder
meet = RungFolder.meet
def die(*arguments):
    meet(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
RungFolder.meet = die
judge(Path({root!r}), {pruner!r}, 1).judge({{METRIC: 0.2}}, 5, "")
"""


def test_a_kill_between_the_rung_and_the_decision_is_made_up_for_by_the_next_attempt(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), {5: 0.9})
    script = KILLED.format(tests=str(Path(__file__).parents[1]), root=str(tmp_path), pruner=ASHA)
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode == -9
    assert len(shown(tmp_path)["5"]) == 2
    assert read_decisions(tmp_path / "1") == []
    # Its first value stands, although the next attempt has another one by now.
    assert log(judge(tmp_path, ASHA, 1, attempt=1, passed=5), {8: 0.99}).startswith(f"rung 5: {METRIC} 0.2 is number 2")


def test_of_two_at_one_rung_at_once_one_sees_both(tmp_path: Path) -> None:
    """Both write before they look: the one that looks last has seen both, and the worse of them never goes unseen."""
    script = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pruning.learning import METRIC, judge
number, root = int(sys.argv[1]), Path(sys.argv[2])
found = judge(root, {ASHA!r}, number)
sys.stdin.read(1)
found.judge({{METRIC: number / 10}}, 5, "")
"""
    begun = [
        subprocess.Popen([sys.executable, "-c", script, str(number), str(tmp_path)], stdin=subprocess.PIPE)
        for number in range(4)
    ]
    for process in begun:
        assert process.stdin is not None
        process.stdin.write(b".")
        process.stdin.flush()
    assert [process.wait() for process in begun] == [0] * 4
    for process in begun:
        process.stdin.close()  # type: ignore[union-attr]
    decisions = [read_decisions(tmp_path / str(number))[0] for number in range(4)]
    assert max(one.cohort or 0 for one in decisions) == 4
    assert decisions[3].verdict == CONTINUED
    for number, one in enumerate(decisions):
        better = {other for other in range(number + 1, 4) if str(other) in (one.arrived or "") or one.arrived == "0-3"}
        assert (one.verdict == PRUNED) == bool(better) or (one.cohort or 0) >= 3


def test_a_rule_that_raises_is_not_asked_again_at_that_rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raising_rule.py").write_text(
        "class Rule:\n    def prune(self, rung):\n        return 1 / 0\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    one = judge(tmp_path, {"name": "raising_rule.Rule", "min_steps": 5}, 0)
    with pytest.raises(ZeroDivisionError):  # which the trial's Stopping warns about
        log(one, {5: 0.5})
    assert log(one, {6: 0.5, 7: 0.5}) == ""
    with pytest.raises(ZeroDivisionError):
        log(one, {10: 0.5})


def test_clocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, hour in enumerate((3600.0, -3600.0, 0.0)):
        monkeypatch.setattr("time.time", lambda hour=hour: 1.8e9 + hour)
        log(judge(tmp_path, ASHA, number), {5: (3 - number) / 10})
    for name in shown(tmp_path)["5"]:
        path = next((tmp_path / "rungs").glob(f"*/5/{name}"))
        os.utime(path, (0, 0))
    assert [read_decisions(tmp_path / str(number))[0].rank for number in range(3)] == [1, 2, 3]


def test_the_first_phase_that_trains_is_judged(tmp_path: Path) -> None:
    one = judge(tmp_path, ASHA, 0)
    assert log(one, {10: 0.9}, "validate") == ""
    log(one, {5: 0.5}, "pretraining")
    log(one, {20: 0.9}, "tuning")
    assert [(each.rung, each.phase) for each in read_decisions(tmp_path / "0")] == [(5, "pretraining")]
    # A later attempt goes on with that phase, whichever it logs first.
    log(judge(tmp_path, ASHA, 0, attempt=1, passed=5), {20: 0.9}, "tuning")
    assert len(read_decisions(tmp_path / "0")) == 1
    named = judge(tmp_path, {**ASHA, "phase": "tuning"}, 1)
    log(named, {5: 0.5}, "pretraining")
    log(named, {5: 0.6}, "tuning")
    assert [each.value for each in read_decisions(tmp_path / "1")] == [0.6]


def test_epochs_are_counted_by_the_metric_of_that_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = judge(tmp_path, {**ASHA, "unit": "epoch", "min_steps": 2}, 0)
    for epoch in range(4):
        one.judge({"epoch": float(epoch)}, 100 * epoch + 99, "")
        one.judge({METRIC: 0.1 * epoch}, 100 * epoch + 99, "")
    [only] = read_decisions(tmp_path / "0")
    assert (only.rung, only.step) == (2, 299)
    assert only.line.startswith("rung 2 (in epochs, step 299): val/acc 0.2 is number 1 of 1")
    none = judge(tmp_path, {**ASHA, "unit": "epoch"}, 1)
    log(none, {5: 0.5, 6: 0.5})
    assert caplog.text.count("no metric named epoch") == 1


@pytest.mark.parametrize(
    ("pruner", "values", "reason"),
    [
        ({"nan": True}, {1: 0.5, 2: float("nan")}, "step 2: val/acc is nan"),
        ({"nan": True}, {1: float("inf")}, "step 1: val/acc is inf"),
        ({**ASHA, "nan": True}, {1: float("nan")}, "step 1: val/acc is nan"),
        ({**ASHA}, {1: float("nan"), 5: 0.5}, ""),
        ({**ASHA}, {5: float("nan")}, "rung 5: val/acc NaN, of 1"),
        ({"name": "threshold", "lower": 0.3, "min_steps": 3}, {1: 0.1, 3: 0.4, 4: 0.2}, "step 4: val/acc 0.2 is below"),
        ({"name": "threshold", "upper": 3}, {1: 0.1, 3: 3, 4: 3.5}, "step 4: val/acc 3.5 is above 3 (upper)"),
        ({"name": "threshold", "upper": 3}, {1: float("nan")}, "step 1: val/acc is NaN, which lies within no bounds"),
        ({"name": "patient", "patience": 3}, {1: 0.5, 2: 0.4, 4: 0.4, 5: 0.4}, "step 5: val/acc has not improved on"),
        ({"name": "patient", "patience": 3}, {1: 0.5, 2: 0.4, 4: 0.5, 7: 0.4}, ""),
    ],
)
def test_single_values_end_a_trial(
    tmp_path: Path, pruner: dict[str, Any], values: dict[int, float], reason: str
) -> None:
    found = log(judge(tmp_path, pruner, 0), values)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)
    if "name" not in pruner:
        assert shown(tmp_path) == {}


def test_a_patient_rule_is_held_back_while_the_metric_improves(tmp_path: Path) -> None:
    patient = {"name": "patient", "patience": 2, "rule": {"name": "asha", "eta": 2}, "min_steps": 5}
    log(judge(tmp_path, patient, 0), dict.fromkeys(range(1, 30), 0.9))
    one = judge(tmp_path, patient, 1)
    assert log(one, {step: step / 100 for step in range(1, 11)}) == ""
    assert "has improved since step 10" in read_decisions(tmp_path / "1")[-1].reason
    assert log(one, dict.fromkeys(range(11, 21), 0.05)).startswith("rung 20:")


def test_a_resumed_attempt_knows_when_the_metric_has_improved_and_counts_no_value_twice(tmp_path: Path) -> None:
    patient = {"name": "patient", "patience": 6, "rule": {"name": "median", "min_trials": 1}, "min_steps": 5}
    log(judge(tmp_path, patient, 0), dict.fromkeys(range(1, 30), 0.9))
    completed = next((tmp_path / "rungs").iterdir()) / "completed"
    completed.mkdir()
    (completed / "0").touch()
    assert log(judge(tmp_path, patient, 1), {step: step / 100 for step in range(1, 10)}) == ""
    again = judge(tmp_path, patient, 1, attempt=1, passed=9)
    assert log(again, dict.fromkeys((4, 5, 6, 10), 0.01)) == ""
    last = read_decisions(tmp_path / "1")[-1]
    assert last.reason.endswith("but it has improved since step 5 (patience)")
    assert last.own == {"value": 0.01, "best": 0.05, "mean": pytest.approx(0.17 / 7), "count": 7, "best_at": 5}
    assert log(again, {15: 0.01}).startswith("rung 15:")


def test_seeds_are_judged_by_their_mean_and_end_together(tmp_path: Path) -> None:
    def seed_of(config: str, number: int) -> TrialJudge:
        return judge(tmp_path, {**ASHA, "by": "config"}, number, config=config * 16)

    assert log(seed_of("a", 0), {5: 0.8}) == ""
    assert log(seed_of("b", 1), {5: 0.9}) == ""
    # Its mean, 0.8 and 0.7, is below 0.9, and a configuration is one among two.
    later = [seed_of("a", 13), seed_of("a", 14)]
    assert "0.75 is number 2 of 2" in (reason := log(seed_of("a", 2), {5: 0.7}))
    assert "mean over 2 seeds" in reason
    for one in later:
        assert "trial 2 of its configuration was pruned at rung 5" in log(one, {5: 0.99})
    # The best configuration goes on, whatever one of its seeds has shown.
    assert log(seed_of("b", 4), {5: 0.85}) == ""


class Remembers:
    """A rule that keeps what it was shown of earlier rungs."""

    shown: ClassVar[list[dict[int, float]]] = []

    def prune(self, rung: Rung) -> bool:
        self.shown.append(dict(rung.earlier))
        return False


def test_a_rule_is_shown_the_trials_own_values_before_whichever_attempt_it_is(tmp_path: Path) -> None:
    rule = {"name": f"{__name__}.Remembers", "min_steps": 3, "every": 3, "by": "config"}
    log(judge(tmp_path, rule, 0, config="a" * 16), {3: 0.9, 6: 0.9, 9: 0.9})
    del Remembers.shown[:]
    log(judge(tmp_path, rule, 1, config="a" * 16), {3: 0.1, 6: 0.3})
    log(judge(tmp_path, rule, 1, attempt=1, config="a" * 16, passed=6), {7: 0.4, 9: 0.5})
    # Of the rung itself what is judged: the mean over its two seeds.
    assert Remembers.shown == [{3: 0.5}, {3: 0.1, 6: 0.6}, {3: 0.1, 6: 0.3, 9: 0.7}]


def test_rungs_that_cannot_be_written_end_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "rungs").write_text("in the way", "utf-8")
    assert log(judge(tmp_path, ASHA, 0), dict.fromkeys(range(1, 50), 0.1)) == ""
    assert caplog.text.count("nothing is judged there") == 1
    assert [one.verdict for one in read_decisions(tmp_path / "0")] == [NOT_JUDGED] * 3


READ_ONLY = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pruning.learning import METRIC, judge
one = judge(Path({root!r}), {pruner!r}, 1)
print([one.judge({{METRIC: 0.1}}, step, "") for step in range(4, 16)])
"""


def test_a_folder_that_is_read_only_ends_no_training(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), {5: 0.9})
    judge(tmp_path, ASHA, 1)  # which makes its own folder
    for folder in ((tmp_path / "rungs"), *(tmp_path / "rungs").glob("**/")):
        folder.chmod(0o555)
    # Root may write there all the same, unless it is not allowed to pass over modes.
    before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    script = READ_ONLY.format(tests=str(Path(__file__).parents[1]), root=str(tmp_path), pruner=ASHA)
    done = subprocess.run([*before, sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == str([None] * 12), done.stderr
    assert done.stderr.count("the rungs of the sweep cannot be used, so nothing is judged there: [Errno 13]") == 1
    assert [one.verdict for one in read_decisions(tmp_path / "1")] == [NOT_JUDGED] * 2
    assert [len(names) for names in shown(tmp_path).values()] == [1]


def test_a_decision_that_cannot_be_recorded_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log(judge(tmp_path, ASHA, 0), {5: 0.9})
    one = judge(tmp_path, ASHA, 1)
    (tmp_path / "1/.hyperherd/rungs.jsonl").mkdir()
    assert log(one, {5: 0.2, 6: 0.2}) == ""
    assert "nothing is pruned" in caplog.text


@pytest.mark.parametrize("value", ["0.5", None, True, [1.0], 10**400, object()])
def test_what_is_no_number_is_passed_over(tmp_path: Path, value: Any) -> None:
    one = judge(tmp_path, ASHA, 0)
    assert one.judge({METRIC: value}, 5, "") is None
    assert read_decisions(tmp_path / "0") == []


def test_files_of_others_making_are_passed_over(tmp_path: Path) -> None:
    log(judge(tmp_path, ASHA, 0), {5: 0.9})
    folder = next((tmp_path / "rungs").glob("*/5"))
    for name in (".nfs0001", "1_0_x", "a_b_c_d_e_f_g_h", "9" * 250, "1_0_ab_5_0.99_0.99_0.99_1.5", "junk\n"):
        (folder / name).touch()
    log(judge(tmp_path, ASHA, 1), {5: 0.95})
    assert read_decisions(tmp_path / "1")[0].cohort == 2
