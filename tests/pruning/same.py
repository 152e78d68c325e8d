"""Sweeps whose trials begin in one order, one after another: under every launcher the same ones survive."""

from __future__ import annotations

from conftest import App, Sweep

from hyperherd.metrics.reader import read_metrics
from hyperherd.pruning.decisions import read_decisions

BODY = """
from hyperherd import log_metrics
for step in range(1, 31):
    log_metrics({"acc": cfg.lr * (1 - 1 / (step + 1)) + 0.001 * cfg.get("seed", 0)}, step=step)
"""
OBJECTIVE = "hydra.sweeper.objective={metric: acc, direction: maximize}"
ASHA = "hydra.sweeper.pruner={name: asha, min_steps: 3, max_steps: 30, eta: 3}"
LR = "lr=0.9,0.1,0.5,0.95,0.2"
STATES = {0: "completed", 1: "pruned", 2: "pruned", 3: "completed", 4: "pruned"}
PLACES = {
    0: [(3, 1, 1), (9, 1, 1), (27, 1, 1)],
    1: [(3, 2, 2)],
    2: [(3, 2, 3)],
    3: [(3, 1, 4), (9, 1, 2), (27, 1, 2)],
    4: [(3, 4, 5)],
}
"""Trial -> rung, rank and cohort of each decision."""


def swept(app: App, *launcher: str) -> Sweep:
    """Return the sweep, run by a launcher that runs one trial at a time, after a look at what was decided."""
    sweep = app.write(BODY).sweep(LR, OBJECTIVE, ASHA, *launcher)
    assert sweep.states == STATES
    decided = {number: read_decisions(sweep.dir / str(number)) for number in STATES}
    assert {number: [(one.rung, one.rank, one.cohort) for one in some] for number, some in decided.items()} == PLACES
    return sweep


PAUSED_BODY = """
from pathlib import Path
from hyperherd import log_metrics
state = Path(HydraConfig.get().runtime.output_dir) / "state.ckpt"
first = int(state.read_text()) + 1 if state.exists() else 1
for step in range(first, 7):
    state.write_text(str(step))
    log_metrics({"acc": cfg.lr * (1 - 1 / (step + 1))}, step=step)
"""
ENDS = "hydra.sweeper.pruner={name: asha, min_steps: 3, max_steps: 6, eta: 2}"
PAUSED_SWEEP = ("lr=0.9,0.85,0.1,0.2", OBJECTIVE, f"{ENDS[:-1]}, when: pause}}")
"""Trial 1 begins with a value that is worse than the only other, and is among the best half when all have come."""


def paused(app: App, *launcher: str) -> Sweep:
    """Return the sweep, run by a launcher that runs one trial at a time, after a look at who ran on from where."""
    sweep = app.write(PAUSED_BODY).sweep(*PAUSED_SWEEP, *launcher)
    assert sweep.states == {0: "completed", 1: "completed", 2: "paused", 3: "paused"}
    decided = [[(one.rung, one.verdict) for one in read_decisions(sweep.dir / str(number))] for number in range(4)]
    assert decided == [[(3, verdict)] for verdict in ("continued", "paused", "paused", "paused")]
    rows = read_metrics(sweep.dir / "1", ["acc"], raw=True).to_pylist()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {row["attempt"] for row in rows if row["step"] < 4} == {0}
    assert 0 not in {row["attempt"] for row in rows if row["step"] > 3}
    return sweep
