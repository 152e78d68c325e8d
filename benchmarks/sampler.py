"""Searches of functions with a known optimum: how good, and how long, beside other ways to search.

    python benchmarks/sampler.py quality                           # the best value after 60 points, in simulated time
    python benchmarks/sampler.py wall --peer PEER/bin/python       # whole commands with trials of random durations
    python benchmarks/sampler.py wall --peer PEER/bin/python --trials 24 --slots 4 --functions hartmann6 --seeds 1

`quality` asks and tells as the sweep does, and lets trials end in simulated time; Optuna is asked in the same way, as a
user of its threads would have it. `wall` runs real sweeps; `--peer` is a Python with hydra-optuna-sweeper and
hydra-joblib-launcher, in an environment of its own (the sweeper wants another Hydra). It has no conditions: it searches
the parameter that only one option has with every option. Processor time is that of the command and all its children.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from hyperherd import load
from hyperherd.sampling.axes import Axis
from hyperherd.sampling.settings import read_sampler
from hyperherd.sampling.study import Outcome, Study
from hyperherd.space.parameters import Interval, Parameter

Point = Mapping[str, Any]
TRIALS, SLOTS = 60, 8


def branin(point: Point) -> float:
    """Three minima of 0.397887 (Dixon and Szegö 1978)."""
    x, y = point["x"], point["y"]
    bend = y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6
    return float(bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_P = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann6(point: Point) -> float:
    """One global minimum of -3.32237 (Dixon and Szegö 1978)."""
    xs = [point[f"x{place}"] for place in range(6)]
    rows = zip((1.0, 1.2, 3.0, 3.2), _A, _P, strict=True)
    return -sum(
        height * math.exp(-sum(a * (x - p) ** 2 for x, a, p in zip(xs, scales, places, strict=True)))
        for height, scales, places in rows
    )


def conditional(point: Point) -> float:
    """The option `sgd` has a parameter of its own, and the minimum of 0 with it; `adam` comes to 0.2 at best."""
    base = (math.log10(point["lr"]) + 2) ** 2 / 4
    return float(base + ((point["momentum"] - 0.9) ** 2 * 4 if point["opt"] == "sgd" else 0.2))


@dataclass(frozen=True)
class Function:
    """A function, its optimum, and its space: for Hydra, and for Optuna as its users write it."""

    value: Callable[[Point], float]
    best: float
    space: tuple[Parameter, ...]
    swept: tuple[str, ...]
    suggest: Callable[[Any], dict[str, Any]]
    condition: str = ""


def _suggest_conditional(trial: Any) -> dict[str, Any]:
    point = {
        "lr": trial.suggest_float("lr", 1e-4, 1.0, log=True),
        "opt": trial.suggest_categorical("opt", ["sgd", "adam"]),
    }
    return point | ({"momentum": trial.suggest_float("momentum", 0, 1)} if point["opt"] == "sgd" else {})


FUNCTIONS = {
    "branin": Function(
        branin,
        0.397887,
        (Parameter("x", Interval(-5.0, 10.0)), Parameter("y", Interval(0.0, 15.0))),
        ("+x=interval(-5,10.0)", "+y=interval(0,15.0)"),
        lambda trial: {"x": trial.suggest_float("x", -5, 10), "y": trial.suggest_float("y", 0, 15)},
    ),
    "hartmann6": Function(
        hartmann6,
        -3.32237,
        tuple(Parameter(f"x{place}", Interval(0.0, 1.0)) for place in range(6)),
        tuple(f"+x{place}=interval(0,1.0)" for place in range(6)),
        lambda trial: {f"x{place}": trial.suggest_float(f"x{place}", 0, 1) for place in range(6)},
    ),
    "conditional": Function(
        conditional,
        0.0,
        (
            Parameter("lr", Interval(1e-4, 1.0, log=True)),
            Parameter("opt", ("sgd", "adam")),
            Parameter("momentum", Interval(0.0, 1.0)),
        ),
        ("+lr=tag(log,interval(0.0001,1.0))", "+opt=sgd,adam", "+momentum=interval(0,1.0)"),
        _suggest_conditional,
        "hydra.sweeper.conditions=[{when: {opt: adam}, drop: [momentum]}]",
    ),
}


# In simulated time

Ask = Callable[[int], Point]
Tell = Callable[[int, float], None]


def simulated(function: Function, ask: Ask, tell: Tell, seed: int, *, batches: bool = False) -> tuple[float, float]:
    """Return regret and duration of a search whose trials take random times, 3 on average, SLOTS of them at once.

    Args:
        function: what they compute.
        ask: returns the point of a trial.
        tell: takes its value.
        seed: of the durations; the same for all ways to search.
        batches: whether the next trials are asked for when all that run have ended.
    """
    rng = random.Random(seed)
    seconds = [1 + rng.expovariate(0.5) for _ in range(TRIALS)]
    running: list[tuple[float, int, float]] = []
    now, best, number, is_closed = 0.0, math.inf, 0, False
    while running or number < TRIALS:
        while number < TRIALS and len(running) < SLOTS and not (batches and is_closed and running):
            heapq.heappush(running, (now + seconds[number], number, function.value(ask(number))))
            number += 1
            is_closed = len(running) == SLOTS
        now, ended, found = heapq.heappop(running)
        tell(ended, found)
        best = min(best, found)
    return best - function.best, now


def ours(function: Function, seed: int, name: str, *, batches: bool = False) -> tuple[float, float]:
    """Ask as a sweep with `hydra.sweeper.sampler` does."""
    settings = read_sampler({"name": name, "trials": TRIALS})
    assert settings is not None
    axes = {parameter.name: Axis(parameter) for parameter in function.space}
    study = Study(settings, axes, directions=["minimize"], seed=seed, lacks_parts=bool(function.condition))

    def ask(number: int) -> Point:
        drawn = study.propose(number, 0)
        dropped = {"momentum"} if function.condition and drawn["opt"] == "adam" else set[str]()
        point = {key: value for key, value in drawn.items() if key not in dropped}
        study.accept(number, point)
        return point

    def tell(number: int, value: float) -> None:
        study.tell(number, Outcome("completed", (value,)))

    return simulated(function, ask, tell, seed, batches=batches)


def plain_optuna(function: Function, seed: int) -> tuple[float, float]:
    """Ask Optuna as `study.optimize(n_jobs=8)` does: its default sampler, define-by-run."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    asked: dict[int, Any] = {}

    def ask(number: int) -> Point:
        asked[number] = study.ask()
        return function.suggest(asked[number])

    return simulated(function, ask, lambda number, value: study.tell(asked[number], value), seed)


def quality(seeds: int) -> None:
    """Print the regret and the duration of each way to search: medians over seeds, and the quartiles."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    print(f"best value above the optimum after {TRIALS} points, {SLOTS} at once: median [quartiles] of {seeds} seeds")
    ways: dict[str, Callable[[Function, int], tuple[float, float]]] = {
        "ours, tpe": lambda function, seed: ours(function, seed, "tpe"),
        "plain Optuna": plain_optuna,
        "tpe in batches": lambda function, seed: ours(function, seed, "tpe", batches=True),
        "ours, random": lambda function, seed: ours(function, seed, "random"),
    }
    for label, function in FUNCTIONS.items():
        for way, run in ways.items():
            began = time.process_time()
            regrets, ends = zip(*(run(function, seed) for seed in range(seeds)), strict=True)
            low, middle, high = statistics.quantiles(regrets, n=4)
            ms = 1000 * (time.process_time() - began) / seeds / TRIALS
            took = f"{statistics.median(ends):5.1f} s simulated, {ms:.1f} ms of processor time a point"
            print(f"{label:12} {way:15} {middle:.4f} [{low:.4f}, {high:.4f}]  {took}", flush=True)


# Whole commands

APP = """import random, time
import hydra
import sys
sys.path.insert(0, {folder!r})
{functions}
@hydra.main(version_base=None, config_path=None)
def main(config):
    point = dict(config)
    time.sleep(1 + random.Random(repr(sorted(point.items()))).expovariate(0.5))
    return FUNCTION(point)
if __name__ == "__main__":
    main()
"""
HERD = ("hydra/sweeper=herd", "hydra/launcher=herd_local")


def wall(peer: str | None, seeds: int, trials: int, slots: int, labels: list[str]) -> None:
    """Print the wall time, the processor time and the best value of whole sweeps."""
    own = Path(__file__).read_text()
    functions = "import math\nfrom collections.abc import Mapping\nfrom typing import Any\nPoint = Mapping[str, Any]\n"
    functions += own[own.index("def branin(") : own.index("@dataclass")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label in labels:
            function = FUNCTIONS[label]
            (folder / "app.py").write_text(
                APP.format(folder=name, functions=functions).replace("FUNCTION(", f"{function.value.__name__}(")
            )
            for seed in range(seeds):
                for way, command in _commands(function, seed, peer, trials, slots).items():
                    where = f"{label}-{seed}-{way}"
                    seconds, cpu = _timed([*command, f"hydra.sweep.dir={where}"], folder)
                    best = min(_values(folder / where)) - function.best
                    times = f"{seconds:6.1f} s {cpu:6.1f} s of CPU"
                    print(f"{label:12} seed {seed}  {way:22} {times}  best {best:.4f} above", flush=True)


def _timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Return wall time and processor time of a command, in seconds."""
    began = time.monotonic()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        _, process.returncode, usage = os.wait4(process.pid, 0)
    if process.returncode:
        sys.exit((folder / "log").read_text())
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def _commands(function: Function, seed: int, peer: str | None, trials: int, slots: int) -> dict[str, list[str]]:
    herd = [sys.executable, "app.py", "-m", *HERD, f"hydra.launcher.max_parallel={slots}", *function.swept]
    herd.append("hydra.sweeper.objective={metric: return_value, direction: minimize}")
    herd += [function.condition] if function.condition else []
    found = {
        f"ours-{name}": [*herd, f"hydra.sweeper.sampler={{name: {name}, trials: {trials}, seed: {seed}}}"]
        for name in ("tpe", "random")
    }
    if peer:
        options = [
            f"hydra.sweeper.n_trials={trials}",
            f"hydra.sweeper.n_jobs={slots}",
            "hydra.sweeper.direction=minimize",
        ]
        options += [f"hydra.sweeper.sampler.seed={seed}", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={slots}"]
        found["hydra-optuna-sweeper"] = [peer, "app.py", "-m", "hydra/sweeper=optuna", *options, *function.swept]
    return found


def _values(folder: Path) -> list[float]:
    results = folder / "optimization_results.yaml"
    if results.exists():
        (line,) = [line for line in results.read_text().splitlines() if line.startswith("best_value:")]
        return [float(line.split(":")[1])]
    return [float(trial.value("return_value")) for trial in load(folder)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("quality", "wall"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--trials", type=int, default=TRIALS, help="of `wall`")
    parser.add_argument("--slots", type=int, default=SLOTS, help="of `wall`")
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), help="of `wall`")
    parser.add_argument("--peer", help="a Python that has hydra-optuna-sweeper and hydra-joblib-launcher")
    arguments = parser.parse_args()
    if arguments.what == "quality":
        quality(arguments.seeds or 20)
    else:
        wall(arguments.peer, arguments.seeds or 2, arguments.trials, arguments.slots, arguments.functions)
