"""How often `compare` is right where the truth is known: its intervals, and what it names as better.

    python benchmarks/compare.py [DRAWS]

Each kind of draw makes trials of two sides in memory, with a difference of 1 or of 0, and compares them as
`herd-results compare` does.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.records.states import TrialState
from hyperherd.results.api import Trials
from hyperherd.results.statistics.comparison.compare import Comparison, compare
from hyperherd.results.trials.trial import Sweep, Trial

Row = tuple[int, int, list[float]]
"""Configuration, seed, and the values of all metrics."""


@dataclass(frozen=True)
class Kind:
    """One kind of draw."""

    name: str
    draw: Callable[[random.Random], tuple[list[Row], list[Row]]]
    truth: float
    metrics: int = 1


@dataclass
class Score:
    """What came of many draws."""

    draws: int = 0
    covered: int = 0
    claimed: int = 0
    """In how many draws a side was named as better, by any metric."""
    wrong: int = 0
    """In how many of those it is not."""


def side(name: str, rows: list[Row]) -> Trials:
    """Return trials of one side in memory."""
    sweep = Sweep(name, Path(f"/{name}"), seed_key="seed")
    return Trials(_trials(sweep, rows))


def _trials(sweep: Sweep, rows: list[Row]) -> Iterator[Trial]:
    for number, (configuration, seed, values) in enumerate(rows):
        params: dict[str, Any] = {"lr": configuration, "seed": seed}
        final = {f"acc{place}": value for place, value in enumerate(values)}
        yield Trial(number, "", None, sweep, TrialState.COMPLETED, params=params, final=final)


def run(kind: Kind, draws: int, seed: int = 0) -> Score:
    """Return how `compare` does on many draws of a kind."""
    rng, score = random.Random(f"{kind.name} {seed}"), Score()
    for _ in range(draws):
        a, b = kind.draw(rng)
        found = compare(side("a", a), side("b", b), metrics=[f"acc{place}" for place in range(kind.metrics)])
        _count(score, found, kind.truth)
    return score


def _count(score: Score, found: Comparison, truth: float) -> None:
    low, high = found.metrics[0].estimate.bounds()
    named = {row.better for row in found.metrics} - {None}
    score.draws += 1
    score.covered += low is not None and high is not None and low <= truth <= high
    score.claimed += bool(named)
    score.wrong += bool(named - {"b"} if truth else named)


def pairs(
    rng: random.Random, configurations: int, seeds: int, noise: float, *, block: float = 0.0, spread: float = 0.0,
    truth: float = 1.0, lost: float = 0.0, metrics: int = 1,
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    """Return trials of both sides with the same configurations and seeds.

    Args:
        rng: of the draw.
        configurations: how many.
        seeds: how many.
        noise: standard deviation of each trial.
        block: standard deviation of what a seed adds to the difference in all configurations.
        spread: how far the differences of the first and of the last configuration lie from the mean one.
        truth: the difference.
        lost: the part of the trials that is lost.
        metrics: how many.
    """
    blocks = [[rng.gauss(0, block) for _ in range(metrics)] for _ in range(seeds)]
    a: list[Row] = []
    b: list[Row] = []
    for configuration in range(configurations):
        own = spread * (2 * configuration / max(1, configurations - 1) - 1)
        for seed in range(seeds):
            if rng.random() >= lost:
                a.append((configuration, seed, [configuration + rng.gauss(0, noise) for _ in range(metrics)]))
            if rng.random() >= lost:
                added = [truth + own + blocks[seed][place] for place in range(metrics)]
                b.append((configuration, seed, [configuration + more + rng.gauss(0, noise) for more in added]))
    return a, b


def unpaired(
    rng: random.Random, truth: float, seeds: tuple[int, int], configurations: int
) -> tuple[list[Row], list[Row]]:
    """Return trials of both sides with different seeds and different noise."""
    a = [(key, seed, [key + rng.gauss(0, 1)]) for key in range(configurations) for seed in range(seeds[0])]
    b = [(key, 99 + seed, [key + truth + rng.gauss(0, 3)]) for key in range(configurations) for seed in range(seeds[1])]
    return a, b


KINDS = (
    Kind("pairs, one configuration of 5 seeds", lambda rng: pairs(rng, 1, 5, 0.5), 1.0),
    Kind("pairs, 4 configurations of 3 seeds", lambda rng: pairs(rng, 4, 3, 0.5), 1.0),
    Kind("pairs, 20 % of the trials lost", lambda rng: pairs(rng, 4, 5, 0.5, lost=0.2), 1.0),
    Kind("pairs, the difference depends on the configuration", lambda rng: pairs(rng, 4, 3, 0.5, spread=0.5), 1.0),
    Kind("pairs, the seed is a block", lambda rng: pairs(rng, 4, 5, 0.3, block=1.0), 1.0),
    Kind("pairs, the seed is a weak block", lambda rng: pairs(rng, 4, 5, 0.5, block=0.3), 1.0),
    Kind("pairs, one seed", lambda rng: pairs(rng, 8, 1, 0.5), 1.0),
    Kind("unpaired, one configuration", lambda rng: unpaired(rng, 1.0, (4, 8), 1), 1.0),
    Kind("unpaired, 3 configurations", lambda rng: unpaired(rng, 1.0, (3, 5), 3), 1.0),
    Kind("no difference", lambda rng: pairs(rng, 4, 3, 0.5, truth=0.0), 0.0),
    Kind("no difference, 6 metrics", lambda rng: pairs(rng, 4, 3, 0.5, truth=0.0, metrics=6), 0.0, 6),
    Kind("no difference, the seed is a block", lambda rng: pairs(rng, 4, 5, 0.3, truth=0.0, block=1.0), 0.0),
    Kind("no difference, unpaired", lambda rng: unpaired(rng, 0.0, (4, 8), 1), 0.0),
)


def main() -> None:
    """Print a line for each kind."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'':<52}{'95 % interval':>14}{'names a side':>14}{'wrongly':>9}   of {draws}")
    for kind in KINDS:
        found = run(kind, draws)
        print(f"{kind.name:<52}{found.covered:>14}{found.claimed:>14}{found.wrong:>9}", flush=True)


if __name__ == "__main__":
    main()
