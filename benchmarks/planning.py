"""Planning and validating a grid: ours beside Hydra's BasicSweeper, which validates by composing every job.

    python benchmarks/planning.py                  # ours to 10,000 trials, BasicSweeper to 300
    python benchmarks/planning.py --all            # BasicSweeper to 10,000 as well: 10 to 15 minutes

Both get the same app (about 60 values, 4 config groups), the same sweep and the same process, turn by turn. Ours is
`make_plan` (space, grid, names, keys, override strings) and `validate`; BasicSweeper's is `split_arguments` and
`validate_batch_is_legal`, which is all it does before it launches. Each figure is the median of its repetitions. A
second table shows what decides our time: where trials run, and how many distinct values and choices there are. A third
one has what conditions add, in CPU time: their names are looked up in the config that each trial would compose.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.app import HydraApp, composed_app
from hyperherd.sweep.planning.plan import make_plan
from hyperherd.sweep.settings import SweepSettings
from hyperherd.sweep.validation.validate import validate

GROUPS = {"model": ("cnn", "vit"), "data": ("mnist", "cifar"), "optimizer": ("adam", "sgd"), "trainer": ("cpu", "gpu")}
KEYS_PER_OPTION = 12


def write_app(folder: Path) -> None:
    """Write the configs of the app: 4 groups of 12 values each, and a dozen in the primary config."""
    defaults = "\n".join(f"  - {group}: {options[0]}" for group, options in GROUPS.items())
    top = "\n".join(f"key{index}: {index}" for index in range(10))
    (folder / "config.yaml").write_text(
        f"defaults:\n{defaults}\n  - _self_\nlr: 0.1\nseed: 0\nname: ${{model.name}}_${{lr}}\n{top}\n"
    )
    for group, options in GROUPS.items():
        (folder / group).mkdir()
        for option in options:
            values = "\n".join(f"value{index}: {index * 0.5}" for index in range(KEYS_PER_OPTION - 2))
            (folder / group / f"{option}.yaml").write_text(f"name: {option}\nlr: ${{lr}}\n{values}\n")


def grid(trials: int) -> list[str]:
    """Return a sweep of this many trials: one config group, three values."""
    return [
        "model=cnn,vit",
        "data.value1=0.1,0.2,0.3,0.4,0.5",
        "lr=" + ",".join(f"{0.001 * (step + 1):.3f}" for step in range(10)),
        f"seed=range({trials // 100})",
    ]


CONDITIONS: dict[str, list[Any]] = {
    "no condition": [],
    "a parameter": [{"when": {"lr": 0.001}, "exclude": True}],
    "a value of the chosen option": [{"when": {"model.name": "vit", "lr": 0.001}, "exclude": True}],
    "an interpolation": [{"when": {"name": "vit_0.001"}, "exclude": True}],
    "a resolver of the script": [{"when": {"derived": 0.002}, "exclude": True}],
    "an expression over the chosen option": [{"when": {"expr": "model.value3 * lr > 0.012"}, "exclude": True}],
    "a computed value that is set": [{"when": {"lr": {"gt": 0.005}}, "set": {"key1": {"expr": "model.value3 * 2"}}}],
}


def ours(app: HydraApp, sweep: Sequence[str], mode: str = "auto", conditions: Sequence[Any] = ()) -> None:
    plan = make_plan(app, sweep, SweepSettings(conditions=list(conditions)))
    trials = [
        PlannedTrial(number, draft.key, draft.name, draft.overrides, draft.params)
        for number, draft in enumerate(plan.drafts)
    ]
    validate(app, trials, app.sweep_dir, mode)


def basic(app: HydraApp, sweep: Sequence[str]) -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra executes its plugins anew at the start

    sweeper = BasicSweeper(max_batch_size=None)
    sweeper.config, sweeper.hydra_context = app.config, app.context
    (batch,) = sweeper.split_arguments(OverridesParser.create().parse_overrides(list(sweep)), None)
    sweeper.validate_batch_is_legal(batch)


def seconds(work: Callable[[], object], repetitions: int, clock: Callable[[], float] = time.perf_counter) -> float:
    times = []
    for _ in range(repetitions):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)


def compare(folder: Path, everything: bool) -> None:
    app = composed_app(folder, "config", [f"hydra.sweep.dir={folder}/multirun"])
    print(f"{'trials':>7} {'ours, s':>9} {'BasicSweeper, s':>16} {'ratio':>7}")
    for trials in (100, 300, 1_000, 10_000):
        sweep = grid(trials)
        mine = seconds(lambda sweep=sweep: ours(app, sweep), 5)
        if trials <= 300 or everything:
            theirs = seconds(lambda sweep=sweep: basic(app, sweep), 3 if trials == 100 else 1)
            print(f"{trials:>7,} {mine:>9.3f} {theirs:>16.2f} {theirs / mine:>6.0f}x")
        else:
            print(f"{trials:>7,} {mine:>9.3f} {'-':>16} {'-':>7}")


def detail(folder: Path) -> None:
    plain = grid(10_000)
    cases = {
        "directory: the number": ([], plain),
        "directory: job_${hydra.job.num}": (["hydra.sweep.subdir='job_${hydra.job.num}'"], plain),
        "directory: ${lr}/${hydra.job.num}": (["hydra.sweep.subdir='${lr}/${hydra.job.num}'"], plain),
        "directory: ${hydra.job.override_dirname}": (["hydra.sweep.subdir='${hydra.job.override_dirname}'"], plain),
        "10,000 distinct values of one key": ([], ["seed=range(10000)"]),
        "16 choices of groups": (
            [],
            [
                *(f"{group}={','.join(names)}" for group, names in GROUPS.items()),
                *grid(1_250)[2:],
                "data.value1=1,2,3,4,5",
            ],
        ),
    }
    print(f"\n{'10,000 trials':<44} {'ours, s':>9}")
    for label, (fixed, sweep) in cases.items():
        app = composed_app(folder, "config", [f"hydra.sweep.dir={folder}/multirun", *fixed])
        print(f"{label:<44} {seconds(lambda app=app, sweep=sweep: ours(app, sweep), 3):>9.3f}")


def under_conditions(folder: Path) -> None:
    """Print what conditions add for 10,000 trials over 8 choices of groups."""
    OmegaConf.register_new_resolver("times", lambda left, right: left * right)
    config = folder / "config.yaml"
    config.write_text(config.read_text() + "derived: ${times:${lr},2}\n")
    app = composed_app(folder, "config", [f"hydra.sweep.dir={folder}/multirun"])
    sweep = [*(f"{group}={','.join(GROUPS[group])}" for group in ("data", "optimizer")), *grid(2_500)]
    print(f"\n{'10,000 trials, 8 choices of groups':<44} {'CPU, s':>9} {'ratio':>7}")
    plain = 0.0
    for label, conditions in CONDITIONS.items():
        taken = seconds(lambda conditions=conditions: ours(app, sweep, conditions=conditions), 3, time.process_time)
        plain = plain or taken
        print(f"{label:<44} {taken:>9.3f} {taken / plain:>6.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="let BasicSweeper validate 1,000 and 10,000 trials too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_app(folder)
        compare(folder, arguments.all)
        detail(folder)
        under_conditions(folder)


if __name__ == "__main__":
    main()
