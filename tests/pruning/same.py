"""One sweep whose trials begin in one order, one after another: under every launcher the same ones survive."""

from __future__ import annotations

from conftest import App, Sweep

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
