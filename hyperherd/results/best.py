"""The winners of a sweep, and what one needs to use them or to try them again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperherd.paths import TrialPaths
from hyperherd.results.objective import Objective, needed
from hyperherd.results.reproduce import Command, run_again
from hyperherd.results.seeds import Group, Groups
from hyperherd.results.spread import Spread
from hyperherd.results.trial import Trial
from hyperherd.results.trials import Trials

_WEIGHTS = (".ckpt", ".pt", ".pth", ".safetensors", ".pkl", ".joblib", ".h5", ".keras", ".npz")


@dataclass(frozen=True)
class Winner:
    """One of the best configurations, and the best trial of it."""

    rank: int
    group: Group
    spread: Spread
    """The objective over the seeds that finished."""
    seeds: dict[str, float | None]
    """The seed of each finished trial, as text, and its value; empty if nothing repeats the configuration.

    A trial that ran before anybody thought of seeds is ``unset``: it has the seed of the app's config.
    """
    trial: Trial
    """Its best trial."""
    value: float
    """The objective of that trial."""
    overrides: tuple[str, ...]
    """What makes the configuration: the trial's overrides, without seeds if several were run."""
    command: Command | None
    """Runs that trial again."""
    config: Path | None
    """The whole config it ran with."""
    checkpoint: Path | None
    """The newest checkpoint in its directory."""


def winners(trials: Trials, count: int = 1) -> list[Winner]:
    """Return the best configurations, the best one first; trials, where no seed repeats a configuration.

    Raises:
        ResultsError: nothing says what the trials are judged by, or none can be ranked.
    """
    objective = needed(trials.objective, trials)
    groups = trials.seeds()
    groups.best()  # says what is amiss if there is none
    shown = groups.ranked or tuple(groups[:1])
    return [_winner(rank, group, groups, objective) for rank, group in enumerate(shown[:count], 1)]


def _winner(rank: int, group: Group, groups: Groups, objective: Objective) -> Winner:
    best = min((trial for trial in group.counted if objective.ranks(trial)), key=objective.order)
    value = objective.value(best)
    assert value is not None
    repeated = group.planned > 1
    return Winner(
        rank=rank,
        group=group,
        spread=group.judged(objective),
        seeds={_seed(trial, groups): objective.value(trial) for trial in group.counted} if repeated else {},
        trial=best,
        value=value,
        overrides=tuple(_overrides(best, groups.keys if repeated else ())),
        command=run_again(best),
        config=_config(best),
        checkpoint=checkpoint(best),
    )


def _seed(trial: Trial, groups: Groups) -> str:
    known = [str(trial.params[key]) for key in groups.keys if key in trial.params]
    return ",".join(known) or "unset"


def _overrides(trial: Trial, without: tuple[str, ...]) -> Iterator[str]:
    for item in trial.overrides:
        name = item.lstrip("+~").partition("=")[0]
        if not name.startswith(("hydra.", "hydra/")) and name not in without:
            yield item


def _config(trial: Trial) -> Path | None:
    if trial.dir is None:
        return None
    path = TrialPaths(trial.dir).hydra / "config.yaml"
    return path if path.is_file() else None


def checkpoint(trial: Trial) -> Path | None:
    """Return the newest file or folder in a trial's directory that is a checkpoint by its name; None without any."""
    if trial.dir is None:
        return None
    found: list[tuple[float, str]] = []
    for folder, folders, files in os.walk(trial.dir):
        here = Path(folder)
        saved = [name for name in folders if name.startswith("checkpoint-")]
        folders[:] = [name for name in folders if name not in saved and not name.startswith(".")]
        for name in (*saved, *(name for name in files if name.endswith(_WEIGHTS))):
            try:
                found.append(((here / name).stat().st_mtime, str(here / name)))
            except OSError:  # gone since it was listed
                continue
    return Path(max(found)[1]) if found else None
