"""Validation: every trial that is to run composes, and has a directory of its own, before any of them starts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hyperherd.errors import FormatError, SweepError, nearest
from hyperherd.garbage import rarely_collected
from hyperherd.overrides import place_overrides
from hyperherd.paths import RECORDS
from hyperherd.records.sweep import PlannedTrial
from hyperherd.records.trial import TrialRecord
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.base_config import names_of
from hyperherd.sweep.validation.shortcut import Shortcut
from hyperherd.sweep.validation.template import JOB_ID, NO_COMPOSITION, ConfigPlace
from hyperherd.trial.attempts import claimed_keys


def validate(app: HydraApp, trials: Sequence[PlannedTrial], sweep_dir: Path, mode: str = "auto") -> list[PlannedTrial]:
    """Return `trials` with their directories; see :class:`Validator`."""
    return Validator(app, sweep_dir, mode).placed(trials)


class Validator:
    """Validates trials, all at once or as they come.

    Args:
        app: the Hydra app that sweeps.
        sweep_dir: `hydra.sweep.dir`, absolute.
        mode: ``full`` composes every trial. ``auto`` comes to the same verdict and the same directories; it composes
            one config for each choice of config groups, and each trial for which that would not be a proof. ``none``
            proves nothing: it composes one config for each choice of config groups, for the directories. One that
            needs more stays unknown until the trial is launched, and a trial that does not compose fails then.
    """

    def __init__(self, app: HydraApp, sweep_dir: Path, mode: str = "auto") -> None:
        self._sweep_dir = sweep_dir
        [where] = place_overrides(sweep_dir, None)
        self._find = _finder(app, where, mode)
        self._owners: dict[str, PlannedTrial] = {}

    @rarely_collected()
    def placed(self, trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
        """Return trials that are to run with their directories.

        Raises:
            SweepError: one does not compose, two share a directory, or something else lies in one.
        """
        placed = [trial.placed(self._find(trial).dir) for trial in trials]
        for trial in placed:
            _check_is_below(trial, self._sweep_dir)
        _check_distinct(placed, self._owners)
        # Last, because only this looks at the disk, once for each trial that may have something in its place.
        taken = _names_in(self._sweep_dir)
        for trial, before in zip(placed, trials, strict=True):
            if trial.dir is not None and (taken is None or _begins(trial.dir) in taken):
                _check_free(trial, trial.dir, before, self._sweep_dir)
        return placed


def _names_in(sweep_dir: Path) -> set[str] | None:
    """Return what a path relative to `sweep_dir` must begin with to lead to something that is there; None for all."""
    try:
        return {*os.listdir(sweep_dir), "", os.curdir, os.pardir}  # noqa: PTH208 - names are all that is needed
    except FileNotFoundError:
        return {"", os.curdir, os.pardir}
    except OSError:
        return None


def _begins(relative: str) -> str:
    """Return the first part of a path; it is empty for one that is absolute."""
    return relative.partition(os.sep)[0]


def _finder(app: HydraApp, where: str, mode: str) -> Callable[[PlannedTrial], ConfigPlace]:
    if mode == "full":
        return lambda trial: _compose(app, trial, where)
    shortcut = Shortcut(app, where)
    if mode == "none":
        return shortcut.trust
    return lambda trial: shortcut.prove(trial) or _compose(app, trial, where)


def _compose(app: HydraApp, trial: PlannedTrial, where: str) -> ConfigPlace:
    try:
        config = app.compose([*trial.overrides, where], trial.number, JOB_ID)
        with hydra_config(config):
            subdir = str(OmegaConf.select(config, "hydra.sweep.subdir"))
    except NO_COMPOSITION as error:
        raise SweepError(
            f"trial {trial.number} ({' '.join(trial.overrides)}) does not compose: {_text(error, app)}"
        ) from None
    return ConfigPlace.of(subdir)


_UNKNOWN_KEY = re.compile(r"Could not override '([^']+)'")


def _text(error: Exception, app: HydraApp) -> str:
    """Return what Hydra says, with the nearest name that the config has where it does not know one."""
    text = composition_error(error)
    unknown = _UNKNOWN_KEY.search(text)
    if unknown is None:
        return text
    return text[: unknown.end()] + nearest(unknown[1], names_of(app.config)) + text[unknown.end() :]


def composition_error(error: Exception) -> str:
    """Return what Hydra or OmegaConf says about a config that it cannot compose, with the reason it gives."""
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return f"{type(error).__name__}: {error}"
    cause = f"\n{error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
    return f"{error}{cause}"


def _check_is_below(trial: PlannedTrial, sweep_dir: Path) -> None:
    """Raise SweepError if `trial` would run in the directory of the sweep itself, or among its records."""
    if trial.dir is None:
        return
    # As texts, because paths take five times as long, and there may be 100,000 trials.
    where, records = os.path.normpath(os.path.join(sweep_dir, trial.dir)), os.path.join(sweep_dir, RECORDS, "")  # noqa: PTH118
    if where != str(sweep_dir) and not f"{where}{os.sep}".startswith(records):
        return
    raise SweepError(
        f"hydra.sweep.subdir={trial.dir} puts trial {trial.number} ({trial.name}) into {where}, where the sweep keeps "
        f"its own files. Every trial needs a directory of its own below that: leave hydra.sweep.subdir at Hydra's "
        f"default, ${{hydra.job.num}}, or make it depend on the trial."
    )


def _check_distinct(trials: Sequence[PlannedTrial], owners: dict[str, PlannedTrial]) -> None:
    for trial in trials:
        if trial.dir is None:
            continue
        owner = owners.setdefault(os.path.normpath(trial.dir), trial)
        if owner is not trial:
            raise SweepError(
                f"trials {owner.number} ({owner.name}) and {trial.number} ({trial.name}) would both write to "
                f"{trial.dir}. Make hydra.sweep.subdir depend on the trial; Hydra's default is ${{hydra.job.num}}."
            )


def _check_free(trial: PlannedTrial, where: str, before: PlannedTrial, sweep_dir: Path) -> None:
    """Raise SweepError if something else than `trial` lies where it is to run; `before` is it as recorded so far."""
    trial_dir = sweep_dir / where
    try:
        taken = trial_dir.exists() and not (trial_dir.is_dir() and not any(trial_dir.iterdir()))
        if not taken or _belongs(trial, trial_dir, recorded=where == before.dir):
            return
    except OSError as error:
        raise SweepError(f"trial {trial.number} ({trial.name}) cannot run in {trial_dir}: {error}") from None
    raise SweepError(
        f"{trial_dir}, where trial {trial.number} ({trial.name}) is to run, contains other files. Nothing in it "
        f"was changed: move it away, or choose another hydra.sweep.dir."
    )


def _belongs(trial: PlannedTrial, trial_dir: Path, *, recorded: bool) -> bool:
    """Whether `trial` made `trial_dir`, by its own word, by a claim of an attempt, or because it was sent there.

    It may have been killed before it could write any word: then the sweep's own record decides.
    """
    try:
        return TrialRecord.read(trial_dir).key == trial.key
    except (FileNotFoundError, FormatError):
        claimed = claimed_keys(trial_dir)
        return claimed == {trial.key} or (recorded and not claimed)
