"""Trials that learn along given curves, several at once, in an order drawn from a seed; each judges itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hyperherd.pruning.arrivals import RungFolder
from hyperherd.pruning.judge import TrialJudge
from hyperherd.pruning.settings import read_pruner

METRIC = "val/acc"


def judge(
    root: Path, pruner: dict[str, Any], number: int, attempt: int = 0, *, config: str | None = None, **about: Any
) -> TrialJudge:
    """Return the judge of an attempt of a trial below `root`, whose directory is made."""
    settings = read_pruner({"metric": METRIC, "direction": "maximize", **pruner})
    trial_dir = root / str(number)
    (trial_dir / ".hyperherd").mkdir(parents=True, exist_ok=True)
    folder = RungFolder(root / "rungs", settings.metric, settings.phase, settings.unit)
    config = f"{number:016x}" if config is None else config
    return TrialJudge(settings, settings.made_rule(), folder, trial_dir, number, attempt, config, **about)


def curves(rng: random.Random, trials: int, steps: int, *, ties: bool = False) -> list[list[float]]:
    """Return curves of accuracies that rise, cross and jitter; with `ties` of few distinct values."""
    found = []
    for _ in range(trials):
        best, pace, noise = rng.random(), rng.uniform(0.5, 20), rng.uniform(0, 0.1)
        curve = [best * step / (step + pace) + rng.gauss(0, noise) for step in range(1, steps + 1)]
        found.append([round(value, 1) for value in curve] if ties else curve)
    return found


def interleaved(rng: random.Random, trials: int, steps: int, workers: int) -> Iterator[tuple[int, int]]:
    """Yield trial and step as `workers` at once would take them; who is told that a trial ended sends its number."""
    waiting, running = list(range(trials)), dict[int, int]()
    while waiting or running:
        while waiting and len(running) < workers:
            running[waiting.pop(0)] = 0
        trial = rng.choice(list(running))
        running[trial] += 1
        ends = yield trial, running[trial]
        if ends or running[trial] == steps:
            del running[trial]


def run(
    found: Sequence[Sequence[float]],
    rng: random.Random,
    at_step: Callable[[int, int, float], bool],
    completed: Callable[[int], object] = id,
    workers: int = 4,
) -> dict[int, int]:
    """Run trials along curves; return the steps that each took.

    Args:
        found: their curves.
        rng: draws who takes the next step.
        at_step: gets trial, step and value, and returns whether the trial ends there.
        completed: is called with a trial that took all its steps.
        workers: how many run at once.
    """
    steps = len(found[0])
    order = interleaved(rng, len(found), steps, workers)
    taken: dict[int, int] = {}
    ends: bool | None = None
    while True:
        try:
            trial, step = order.send(ends) if ends is not None else next(order)
        except StopIteration:
            return taken
        taken[trial] = step
        ends = at_step(trial, step, found[trial][step - 1])
        if not ends and step == steps:
            completed(trial)
