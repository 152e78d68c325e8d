"""Validation: every trial that is to run composes, and has a directory of its own, before any of them starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.errors import FormatError, SweepError
from hyperherd.paths import TrialPaths
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.compose import Shortcut
from hyperherd.sweep.template import JOB_ID, Place


def validate(app: HydraApp, trials: Iterable[PlannedTrial], sweep_dir: Path, mode: str = "auto") -> list[PlannedTrial]:
    """Return `trials` with their directories.

    Args:
        app: the Hydra app that sweeps.
        trials: those that are to run.
        sweep_dir: `hydra.sweep.dir`, absolute.
        mode: ``full`` composes every trial. ``auto`` comes to the same verdict and the same directories; it composes
            one config for each choice of config groups, and each trial for which that would be no proof. ``none``
            proves nothing: it composes one config for each choice of config groups, for the directories. One that
            needs more stays unknown until the trial is launched, and a trial that does not compose fails then.

    Raises:
        SweepError: one does not compose, two share a directory, or something else lies in one.
    """
    where = directory_override(sweep_dir)
    shortcut = Shortcut(app, where)
    find: Callable[[PlannedTrial], Place] = {
        "auto": lambda trial: shortcut.prove(trial) or _compose(app, trial, where),
        "full": lambda trial: _compose(app, trial, where),
        "none": shortcut.trust,
    }[mode]
    placed = [replace(trial, dir=find(trial).dir) for trial in trials]
    _check_distinct(placed)
    for trial in placed:
        _check_free(trial, sweep_dir)
    return placed


def directory_override(sweep_dir: Path) -> str:
    """Return the override that puts a job below `sweep_dir`, wherever its config is composed."""
    from hyperherd.overrides import override

    return override("hydra.sweep.dir", str(sweep_dir))


def _compose(app: HydraApp, trial: PlannedTrial, where: str) -> Place:
    try:
        config = app.compose([*trial.overrides, where], trial.number, JOB_ID)
        with hydra_config(config):
            subdir = str(OmegaConf.select(config, "hydra.sweep.subdir"))
    except (HydraException, OmegaConfBaseException) as error:
        raise SweepError(
            f"trial {trial.number} ({' '.join(trial.overrides)}) does not compose: {_text(error)}"
        ) from None
    return Place.of(subdir)


def _text(error: Exception) -> str:
    cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return f"{error}{cause}"


def _check_distinct(trials: Sequence[PlannedTrial]) -> None:
    owners: dict[str, PlannedTrial] = {}
    for trial in trials:
        if trial.dir is None:
            continue
        owner = owners.setdefault(trial.dir, trial)
        if owner is not trial:
            raise SweepError(
                f"trials {owner.number} ({owner.name}) and {trial.number} ({trial.name}) would both write to "
                f"{trial.dir}. Make hydra.sweep.subdir depend on the trial; Hydra's default is ${{hydra.job.num}}."
            )


def _check_free(trial: PlannedTrial, sweep_dir: Path) -> None:
    if trial.dir is None:
        return
    trial_dir = sweep_dir / trial.dir
    if not trial_dir.exists() or (trial_dir.is_dir() and not any(trial_dir.iterdir())):
        return
    if not _belongs(trial, trial_dir):
        raise SweepError(
            f"{trial_dir}, where trial {trial.number} ({trial.name}) is to run, holds something else. Nothing in it "
            f"was touched: move it away, or choose another hydra.sweep.dir."
        )


def _belongs(trial: PlannedTrial, trial_dir: Path) -> bool:
    """Whether an earlier attempt of `trial` made `trial_dir`, or Hydra began to and no trial ever wrote there."""
    try:
        return TrialRecord.read(trial_dir).key == trial.key
    except FileNotFoundError:
        return not TrialPaths(trial_dir).records.exists() and _only_hydra(trial, trial_dir)
    except (FormatError, OSError):
        return False


def _only_hydra(trial: PlannedTrial, trial_dir: Path) -> bool:
    overrides = TrialPaths(trial_dir).hydra / "overrides.yaml"
    if not overrides.exists():
        return False
    loaded: DictConfig = OmegaConf.load(overrides)  # type: ignore[assignment]
    return list(loaded) == list(trial.overrides)
