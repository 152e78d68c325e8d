"""What pruning saves, and what it costs in quality: ours, Optuna's and Ray Tune's rules on the same curves.

    python benchmarks/pruning.py [SEEDS] [PYTHON_WITH_RAY]

500 trials begin in random order, 8 at once, each at a pace of its own; who is told to end makes room for the next
one. The curves rise by a power law to different heights, at different speeds, and have noise. Those that end high tend
to rise slowly, so that curves cross and what ends best may be pruned.
*Regret* is how much better the best trial of all would have ended than the best one that ran to its end.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIALS, WORKERS, STEPS, FIRST, ETA = 500, 8, 81, 3, 3
METRIC = "acc"


@dataclass
class Outcome:
    """One simulated sweep."""

    saved: float
    pruned: int
    regret: float
    micros: float
    """Processor time that the rule took for each trial."""


@dataclass
class Judge:
    """What a rule is asked: begin and report, which returns whether the trial ends; and what it is told."""

    report: Callable[[int, int, float], bool]
    begin: Callable[[int], object] = id
    complete: Callable[[int], object] = id
    next_paused: Callable[[], int | None] = lambda: None
    """Which of the trials that ended is to go on where it was; asked when there is room."""


def curves(rng: random.Random) -> list[list[float]]:
    """Return a curve for each trial."""
    found = []
    for _ in range(TRIALS):
        end, start = rng.betavariate(8, 3), rng.uniform(0, 0.2)
        pace, power = math.exp(rng.gauss(0.5 + 2 * end, 1.0)), rng.uniform(0.7, 1.5)
        noise = rng.uniform(0.002, 0.02)
        found.append(
            [end - (end - start) * (1 + t / pace) ** -power + rng.gauss(0, noise) for t in range(1, STEPS + 1)]
        )
    return found


def simulate(judge: Judge, seed: int) -> Outcome:
    """Run a sweep in which time is only counted."""
    rng = random.Random(seed)
    found = curves(rng)
    order = rng.sample(range(TRIALS), TRIALS)
    paces = [math.exp(rng.gauss(0, 0.3)) for _ in range(TRIALS)]
    running: list[tuple[float, int, int]] = []
    now, taken, spent, ended = 0.0, 0, 0.0, []
    stopped: dict[int, int] = {}
    while order or running:
        while len(running) < WORKERS:
            if (trial := judge.next_paused()) is not None:
                heapq.heappush(running, (now + paces[trial], trial, stopped.pop(trial) + 1))
                continue
            if not order:
                break
            trial = order.pop()
            judge.begin(trial)
            heapq.heappush(running, (now + paces[trial], trial, 1))
        now, trial, step = heapq.heappop(running)
        taken += 1
        began = time.process_time()
        ends = judge.report(trial, step, found[trial][step - 1])
        spent += time.process_time() - began
        if ends:
            stopped[trial] = step
        elif step == STEPS:
            ended.append(trial)
            judge.complete(trial)
        else:
            heapq.heappush(running, (now + paces[trial], trial, step + 1))
    best = max(curve[-1] for curve in found)
    regret = best - max(found[trial][-1] for trial in ended) if ended else math.inf
    return Outcome(1 - taken / (TRIALS * STEPS), len(stopped), regret, 1e6 * spent / TRIALS)


def ours(root: Path, **pruner: Any) -> Judge:
    """Return our own judges, with their files below `root`."""
    from hyperherd.pruning.judge import TrialJudge
    from hyperherd.pruning.of_sweep import folder_of
    from hyperherd.pruning.promotions import Promotions
    from hyperherd.pruning.settings import read_pruner

    settings = read_pruner(
        {"metric": METRIC, "direction": "maximize", "min_steps": FIRST, "max_steps": STEPS, **pruner}
    )
    folder = folder_of(root, settings)
    judges: dict[int, TrialJudge] = {}
    paused: dict[int, Path] = {}
    promoted: list[int] = []
    promotions = Promotions(root, settings) if settings.pauses else None
    (root / ".hyperherd").mkdir(exist_ok=True)

    def begin(trial: int, attempt: int = 0) -> None:
        (root / str(trial) / ".hyperherd").mkdir(parents=True, exist_ok=True)
        rule = settings.made_rule()
        judges[trial] = TrialJudge(settings, rule, folder, root / str(trial), trial, attempt, f"{trial:016x}")

    def report(trial: int, step: int, value: float) -> bool:
        ends = judges[trial].judge({METRIC: value}, step, "") is not None
        if ends and settings.pauses:
            paused[trial] = root / str(trial)
        return ends

    def next_paused() -> int | None:
        if promotions is not None:
            for trial in promotions.found(paused):
                del paused[trial]
                promoted.append(trial)
        if not promoted:
            return None
        begin(promoted[0], 1)
        return promoted.pop(0)

    return Judge(report, begin, folder.complete, next_paused)


def optunas(pruner: Any) -> Judge:
    """Return a study of Optuna's, in memory, with a pruner."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    trials: dict[int, Any] = {}
    last: dict[int, float] = {}

    def begin(trial: int) -> None:
        trials[trial] = study.ask()

    def report(trial: int, step: int, value: float) -> bool:
        trials[trial].report(value, step)
        last[trial] = value
        if step == STEPS or not trials[trial].should_prune():
            return False
        study.tell(trials[trial], state=optuna.trial.TrialState.PRUNED)
        return True

    return Judge(report, begin, lambda trial: study.tell(trials[trial], last[trial]))


class RayTrial:
    """As much of a trial of Ray's as its schedulers ask for."""

    def __init__(self, number: int) -> None:
        self.trial_id = str(number)
        self.status = "RUNNING"


def rays() -> Judge:
    """Return the ASHA of Ray Tune, asked directly; its median rule asks a controller."""
    from ray.tune.schedulers import ASHAScheduler

    scheduler: Any = ASHAScheduler(
        time_attr="step", metric=METRIC, mode="max", max_t=STEPS, grace_period=FIRST, reduction_factor=ETA
    )
    trials: dict[int, RayTrial] = {}
    last: dict[int, dict[str, Any]] = {}

    def begin(trial: int) -> None:
        trials[trial] = RayTrial(trial)
        scheduler.on_trial_add(None, trials[trial])

    def report(trial: int, step: int, value: float) -> bool:
        last[trial] = {METRIC: value, "step": step, "training_iteration": step}
        told = scheduler.on_trial_result(None, trials[trial], last[trial])
        return told == "STOP" and step < STEPS

    return Judge(report, begin, lambda trial: scheduler.on_trial_complete(None, trials[trial], last[trial]))


def peers() -> dict[str, Callable[[Path], Judge]]:
    """Return the rules that can be had here."""
    found: dict[str, Callable[[Path], Judge]] = {}
    try:
        import hyperherd  # noqa: F401 - Ray's environment may have neither

        found |= {
            "**ours: asha**": lambda root: ours(root, name="asha", eta=ETA),
            "**ours: asha, only_full_rungs**": lambda root: ours(root, name="asha", eta=ETA, only_full_rungs=True),
            "**ours: asha, when: pause**": lambda root: ours(root, name="asha", eta=ETA, when="pause"),
            "**ours: asha, min_trials: 9**": lambda root: ours(root, name="asha", eta=ETA, min_trials=9),
            "**ours: median**, each 3 steps": lambda root: ours(root, name="median"),
        }
    except ImportError:
        pass
    try:
        from optuna.pruners import HyperbandPruner, MedianPruner, SuccessiveHalvingPruner

        found |= {
            "Optuna SuccessiveHalvingPruner": lambda root: optunas(SuccessiveHalvingPruner(FIRST, ETA)),
            "Optuna MedianPruner, each step": lambda root: optunas(MedianPruner(n_warmup_steps=FIRST)),
            "Optuna HyperbandPruner": lambda root: optunas(HyperbandPruner(FIRST, STEPS, ETA)),
        }
    except ImportError:
        pass
    try:
        import ray.tune  # noqa: F401 - as above

        found["Ray ASHAScheduler"] = lambda root: rays()
    except ImportError:
        pass
    return found


def played(seeds: int) -> dict[str, list[Outcome]]:
    """Return the outcomes of each rule."""
    found: dict[str, list[Outcome]] = {}
    for name, make in peers().items():
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                found.setdefault(name, []).append(simulate(make(Path(folder)), seed))
        print(f"  {name}", file=sys.stderr)
    return found


def cost() -> None:
    """Print what a rung costs and what a value between costs: processor time, the least of 50 on a busy machine."""
    calls: dict[str, int] = {}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if counting and event in ("os.listdir", "os.scandir", "open", "os.mkdir", "os.rename", "os.remove"):
            calls[event] = calls.get(event, 0) + 1

    counting = False
    sys.addaudithook(hook)
    for cohort in (10, 100, 500):
        with tempfile.TemporaryDirectory() as folder:
            judge = ours(Path(folder), name="asha", eta=ETA)
            for trial in range(cohort + 50):
                judge.begin(trial)
            for trial in range(cohort):
                judge.report(trial, FIRST, 0.5)
            times, between = [], []
            for trial in range(cohort, cohort + 50):
                judge.report(trial, FIRST - 2, 0.9)
                began = time.process_time()
                judge.report(trial, FIRST - 1, 0.9)
                between.append(time.process_time() - began)
                calls.clear()
                counting = True
                began = time.process_time()
                judge.report(trial, FIRST, 0.9)
                times.append(time.process_time() - began)
                counting = False
            print(
                f"a rung where {cohort} have come: {1e3 * min(times):.2f} ms ({calls}); "
                f"a value between: {1e6 * min(between):.1f} us"
            )


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--json"]:
        print(json.dumps({name: [vars(one) for one in some] for name, some in played(int(sys.argv[2])).items()}))
        return
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = played(seeds)
    if len(sys.argv) > 2:
        command = [sys.argv[2], __file__, "--json", str(seeds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
        for name, some in json.loads(done.stdout.splitlines()[-1]).items():
            found.setdefault(name, [Outcome(**one) for one in some])
    print(f"{TRIALS} trials of {STEPS} steps, {WORKERS} at once, first rung {FIRST}, eta {ETA}; {seeds} sweeps")
    print("| rule | steps saved | pruned | regret, mean | regret, worst | us a trial |\n|---|--:|--:|--:|--:|--:|")
    for name, some in found.items():
        saved, pruned = statistics.fmean(one.saved for one in some), statistics.fmean(one.pruned for one in some)
        regrets = [one.regret for one in some]
        micros = statistics.median(one.micros for one in some)
        told = (
            f"{100 * saved:.1f} % | {pruned:.0f} | {statistics.fmean(regrets):.4f} | {max(regrets):.4f} | {micros:.0f}"
        )
        print(f"| {name} | {told} |")
    if peers().keys() & {"**ours: asha**"}:
        cost()


if __name__ == "__main__":
    main()
