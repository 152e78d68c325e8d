"""Sweeps that prune: what a user types, what is said, and what is found afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import App
from omegaconf import OmegaConf
from pruning.same import ASHA, BODY, LR, OBJECTIVE, PLACES, swept

from hyperherd import load
from hyperherd.errors import SweepError
from hyperherd.pruning.arrivals import Arrival
from hyperherd.pruning.decisions import read_decisions
from hyperherd.pruning.of_sweep import folder_of
from hyperherd.pruning.settings import read_pruner
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import SweepRecord, find_planned_number
from hyperherd.results.pages.show import show_page, show_record
from hyperherd.results.statistics.endings import ended_badly
from hyperherd.results.statistics.savings import savings
from hyperherd.results.text.layout import Screen
from hyperherd.results.trials.objective import Objective
from hyperherd.results.trials.trial import Sweep, Trial
from hyperherd.schemas import HerdSweeperConf
from hyperherd.sweep.messages import unjudged
from hyperherd.sweep.preview import plan
from hyperherd.sweep.settings import read_settings
from hyperherd.trial.context import TrialPlace, ends_at_once


@pytest.mark.slow
def test_a_sweep_prunes_says_why_and_what_that_saved(app: App) -> None:
    sweep = swept(app)
    told = sweep.done.stdout
    assert "hint:" not in told
    assert "trial 2 (lr-0.5) pruned" in told
    assert "is number 2 of 3; the best one goes on (0.675 or more)" in told
    # The pruned ones took 9 of their 90 steps, and all five would have taken 150.
    assert "3 of 5 trials pruned, 54 % of the steps saved" in told
    assert SweepRecord.read(sweep.dir).pruner == {
        "metric": "acc",
        "direction": "maximize",
        "name": "asha",
        "min_steps": 3,
        "max_steps": 30,
        "eta": 3,
    }
    trials = load(sweep.dir)
    worst = next(trial for trial in trials if trial.number == 4)
    assert worst.summary("acc")["last_step"] == 3
    page = show_page(worst, Screen())
    assert "rung 3: acc 0.15 is number 4 of 5; the best one goes on (0.7125 or more): pruned" in page
    record = json.loads(json.dumps(show_record(next(trial for trial in trials if trial.number == 0))))
    assert [(one["rung"], one["rank"], one["cohort"]) for one in record["pruning"]] == PLACES[0]
    # Again: pruned trials are done.
    assert "5 trials, 0 to run" in app.sweep(OBJECTIVE, ASHA, LR).done.stdout
    # A trial of an edited space joins the rungs that are there.
    later = app.sweep(f"{LR},0.92", OBJECTIVE, ASHA)
    assert [(one.rung, one.cohort, one.rank) for one in read_decisions(later.dir / "5")] == [(3, 6, 2), (9, 3, 2)]


@pytest.mark.slow
def test_the_same_trials_survive_in_the_local_pool(app: App) -> None:
    swept(app, "hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (BODY, "it judges acc, logged in the first phase that trains at step 40 or later; its steps end at 30"),
        (
            "from hyperherd import log_result; log_result('acc', 1.0)",
            "it was logged without a step, and is judged with one: log_metrics({...}, step=...)",
        ),
        (
            "from hyperherd import log_metrics; log_metrics({'loss': 1.0}, 5)",
            "nothing of that name was logged",
        ),
    ],
)
def test_a_pruner_that_met_nothing_to_judge_is_hinted_at(app: App, body: str, told: str) -> None:
    late = "hydra.sweeper.pruner={name: asha, min_steps: 40}"
    hints = [
        line for line in app.write(body).sweep("lr=1", OBJECTIVE, late).done.stdout.splitlines() if "hint:" in line
    ]
    assert len(hints) == 1
    assert told in hints[0]


@pytest.mark.slow
def test_the_seeds_of_a_pruned_configuration_are_not_started(app: App) -> None:
    by_config = "hydra.sweeper.pruner={name: asha, min_steps: 3, by: config}"
    launcher = ("hydra/launcher=herd_local", "hydra.launcher.max_parallel=1")
    sweep = app.write(BODY).sweep("lr=0.9,0.1", "+seed=0,1,2,3", OBJECTIVE, by_config, *launcher)
    trials = {trial.number: trial for trial in load(sweep.dir)}
    assert [str(trials[number].state) for number in range(8)] == ["completed"] * 4 + ["pruned"] * 4
    assert trials[7].reason == "not started: its configuration was pruned at rung 3 (trial 4)"
    assert not (sweep.dir / "7/.hyperherd/trial.json").exists()
    # All ranks of an attempt that was in a queue know that it ends before it begins.
    record = SweepRecord.read(sweep.dir)
    places = [
        TrialPlace(find_planned_number(sweep.dir, number), record, sweep.dir, sweep.dir / str(number))
        for number in (0, 4, 7)
    ]
    assert [ends_at_once(place, 1) for place in places] == [False, True, True]
    assert "8 trials, 0 to run" in app.sweep("lr=0.9,0.1", "+seed=0,1,2,3", OBJECTIVE, by_config).done.stdout


DIES = """
import signal
from hyperherd import log_metrics
from hyperherd.trial.logbook import Logbook
log_metrics({"acc": cfg.lr}, step=3)
Logbook.close = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_trial_that_is_killed_when_it_has_completed_counts_among_those_that_have(app: App) -> None:
    median = "hydra.sweeper.pruner={name: median, min_steps: 3}"
    sweep = app.write(DIES).sweep("lr=1", OBJECTIVE, median, "hydra/launcher=herd_local", code=1)
    assert [str(trial.state) for trial in load(sweep.dir)] == ["failed"]
    assert folder_of(sweep.dir, read_pruner(SweepRecord.read(sweep.dir).pruner or {})).completed() == {0}


def preview(tmp_path: Path, *overrides: str) -> str:
    (tmp_path / "config.yaml").write_text("lr: 0.1\n", "utf-8")
    return str(plan(["lr=0.1,0.2", *overrides], config_dir=tmp_path))


def test_a_dry_run_shows_the_rungs(tmp_path: Path) -> None:
    shown = preview(tmp_path, OBJECTIVE, ASHA)
    assert "  pruner: asha on acc (maximize), compared at step 3, 9, 27\n" in shown
    shown = preview(tmp_path, OBJECTIVE, "hydra/sweeper=herd_median", "hydra.sweeper.pruner.by=config")
    assert "NaN ends a trial, compared at step 5, 10, 15, 20, 25, 30, ... (one configuration by the mean" in shown
    shown = preview(tmp_path, OBJECTIVE, "hydra.sweeper.pruner={name: asha, min_steps: 3, max_steps: 9, when: pause}")
    assert "compared at step 3; a trial that loses a rung is paused\n" in shown
    assert "pruner" not in preview(tmp_path, OBJECTIVE)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((ASHA,), "has no metric to judge by; set hydra.sweeper.objective"),
        (
            (OBJECTIVE, "hydra.sweeper.pruner={name: asha, min_step: 3}"),
            "no key 'min_step' (did you mean 'min_steps'?)",
        ),
        ((OBJECTIVE, "hydra.sweeper.pruner=asha"), "expected a map such as {name: asha"),
        (
            (OBJECTIVE, ASHA, "hydra.sweeper.seeds=2", "hydra.sweeper.decide={delta: 1, budget: 9}"),
            "cannot be combined",
        ),
        ((OBJECTIVE, "+hydra.sweeper.prunner={name: asha}"), "no key 'prunner' (did you mean 'pruner'?)"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path, given: tuple[str, ...], told: str) -> None:
    with pytest.raises(SweepError) as raised:
        preview(tmp_path, *given)
    assert told in str(raised.value)


def test_a_class_of_ones_own_is_not_taken_from_a_shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules_of_some.py").write_text(
        "class Rule:\n    def prune(self, rung):\n        return True\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    pruner = {"name": "rules_of_some.Rule", "min_steps": 1}
    written: Any = {"pruner": pruner, "objective": {"metric": "acc", "direction": "maximize"}, "shared": True}
    config = OmegaConf.merge(OmegaConf.structured(HerdSweeperConf), written)
    with pytest.raises(SweepError, match="use one of the rules that come with HyperHerd in a shared folder"):
        read_settings(config, ["hydra.sweeper.shared=true"])


def test_a_sweep_whose_metric_came_to_no_rung_is_told(tmp_path: Path) -> None:
    pruner = {"metric": "val/acc", "direction": "maximize", "name": "asha", "min_steps": 3, "unit": "epoch"}
    SweepRecord("s", 1.8e9, "train.py", "train", {}, {}, pruner=pruner).write(tmp_path)
    completed = [trial(0, TrialState.COMPLETED, 2)]
    [told] = unjudged(tmp_path, completed)
    assert "it judges val/acc, logged in the first phase that trains at epoch 3 or later; " in told
    assert unjudged(tmp_path, [trial(0, TrialState.FAILED, 2)]) == []
    folder = folder_of(tmp_path, read_pruner(pruner))
    folder.complete(0)  # which is no rung
    assert unjudged(tmp_path, completed) == [told]
    folder.meet(3, Arrival(0, 0, "c", 299, 0.5, 0.5, 0.5, 1))
    assert unjudged(tmp_path, completed) == []


def trial(number: int, state: TrialState, step: int | None, max_step: int | None = None) -> Trial:
    sweep = Sweep("s", Path("/s"))
    return Trial(number, str(number), None, sweep, state, step=step, max_step=max_step)


def test_a_seed_that_was_not_started_is_no_news_about_its_configuration() -> None:
    objective = Objective("acc", "maximize", source="saved")
    begun = replace(trial(0, TrialState.PRUNED, 5), started=1.8e9)
    assert ended_badly(begun, objective)
    assert ended_badly(replace(begun, state=TrialState.PAUSED), objective)
    assert not ended_badly(trial(1, TrialState.PRUNED, None), objective)


@pytest.mark.parametrize(
    ("trials", "most", "told"),
    [
        ([(TrialState.COMPLETED, 30, None)], {}, None),
        ([(TrialState.PRUNED, 10, None)], {}, "1 of 1 trial pruned"),
        ([(TrialState.PRUNED, 10, 40)], {}, "1 of 1 trial pruned, 75 % of the steps saved"),
        ([(TrialState.PRUNED, None, None)], {Path("/s"): 40}, "1 of 1 trial pruned, 100 % of the steps saved"),
        ([(TrialState.PRUNED, 10, None), (TrialState.COMPLETED, 30, None)], {}, "1 of 2 trials pruned, 33 % of"),
        # Trials that differ in length say nothing of how long another would have been.
        (
            [(TrialState.PRUNED, 10, None), (TrialState.COMPLETED, 30, None), (TrialState.COMPLETED, 40, None)],
            {},
            "1 of 3 trials pruned",
        ),
        ([(TrialState.PRUNED, 50, 40)], {}, "1 of 1 trial pruned"),
        ([(TrialState.PAUSED, 10, 40), (TrialState.COMPLETED, 40, 40)], {}, "1 of 2 trials paused, 38 % of the"),
        ([(TrialState.PAUSED, 10, 40), (TrialState.PRUNED, 10, 40)], {}, "1 of 2 trials pruned and 1 paused, 75 %"),
        (
            [(TrialState.PRUNED, 10, 40), (TrialState.FAILED, 3, 40)],
            {},
            "1 of 2 trials pruned, 75 % of the steps saved (of the 1 that were pruned or completed)",
        ),
    ],
)
def test_what_was_saved_is_said_only_where_it_is_known(
    trials: list[tuple[TrialState, int | None, int | None]], most: dict[Path, int], told: str | None
) -> None:
    found = savings([trial(number, *one) for number, one in enumerate(trials)], most)
    assert (found is None) == (told is None)
    if found is not None and told is not None:
        assert str(found).startswith(told)
        assert ("%" in str(found)) == ("%" in told)
