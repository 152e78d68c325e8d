"""Trials that prune themselves while they are killed at any moment, and go on from where they were.

    python tests/chaos/pruned_trials.py [ROUNDS]

Each trial is a process that logs one value a step and is killed at random moments; its next attempt begins a few steps
before the last one that was logged. At the end every trial must have stood at each rung once, in order, with a
decision for each rung that it has reached; a decision to prune must be its last one; and it must be right for those
that it says had come.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pruning.learning import METRIC, judge

from hyperherd.pruning.arrivals import Arrival
from hyperherd.pruning.decisions import PRUNED, from_ranges, read_decisions

TRIALS, STEPS, AT_ONCE = 16, 60, 4
ASHA = {"name": "asha", "min_steps": 4, "max_steps": STEPS, "eta": 2}


def value_of(trial: int, step: int) -> float:
    """Return what a trial logs, in every attempt."""
    return random.Random(trial).random() * step / (step + 5)


def run_trial(root: Path, trial: int, attempt: int) -> None:
    """Be one attempt of a trial."""
    steps = root / f"{trial}.steps"
    last = int(steps.read_text() or 0) if steps.exists() else None
    one = judge(root, ASHA, trial, attempt, passed=last)
    print("begun", flush=True)
    for step in range(max((last or 0) - 3, 1), STEPS + 1):
        if one.verdict is None:
            steps.write_text(str(step))
            one.judge({METRIC: value_of(trial, step)}, step, "")
            time.sleep(0.002)
    (root / f"{trial}.done").touch()


def play(seed: int) -> int:
    """Play one round; return how many times something was killed."""
    rng, kills = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        attempts = dict.fromkeys(range(TRIALS), -1)
        while open_ := [trial for trial in attempts if not (root / f"{trial}.done").exists()]:
            some = rng.sample(open_, min(AT_ONCE, len(open_)))
            begun = []
            for trial in some:
                attempts[trial] += 1
                command = [sys.executable, __file__, "trial", str(root), str(trial), str(attempts[trial])]
                begun.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            for process in begun:
                assert process.stdout is not None
                process.stdout.readline()
            for process in begun:
                time.sleep(rng.expovariate(40))
                if rng.random() < 0.7 and process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                    kills += 1
            for process in begun:
                process.wait()
                assert process.returncode in (0, -signal.SIGKILL), process.returncode
        check(root)
    return kills


def check(root: Path) -> None:
    """Check what the trials have left."""
    shown: dict[int, dict[int, Arrival]] = {}
    for path in (root / "rungs").glob("*/*/*"):
        arrival = Arrival.from_name(path.name)
        assert arrival is not None, path
        there = shown.setdefault(int(path.parent.name), {})
        if arrival.number not in there or arrival.attempt < there[arrival.number].attempt:
            there[arrival.number] = arrival
    for trial in range(TRIALS):
        decisions = read_decisions(root / str(trial))
        rungs = [one.rung for one in decisions]
        assert rungs == [4, 8, 16, 32][: len(rungs)], (trial, rungs)
        assert PRUNED not in [one.verdict for one in decisions[:-1]], trial
        assert len(rungs) == 4 or decisions[-1].verdict == PRUNED, (trial, rungs)
        for one in decisions:
            there = shown[one.rung or 0]
            known = from_ranges(one.arrived or "")
            values = sorted((there[number].value for number in known), reverse=True)
            own = there[trial].value
            assert trial in known
            assert len(known) == one.cohort
            assert (one.verdict == PRUNED) == (own < values[max(len(values) // 2, 1) - 1]), (trial, one)


def main() -> None:
    """Play some rounds, or be a trial of one."""
    if sys.argv[1:2] == ["trial"]:
        run_trial(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    kills = sum(play(seed) for seed in range(rounds))
    print(f"{rounds} rounds of {TRIALS} trials, {kills} kills: each rung once, each decision right")


if __name__ == "__main__":
    main()
