"""The judge that a sweep's record asks for, as a trial makes it when it begins."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, HyperherdError
from hyperherd.metrics.rows.phases import is_evaluation
from hyperherd.paths import SweepPaths
from hyperherd.pruning.arrivals import RungFolder
from hyperherd.pruning.judge import TrialJudge
from hyperherd.pruning.settings import PrunerSettings, read_pruner
from hyperherd.records.disk.ownership import check_trusted, sweep_files
from hyperherd.records.identity import trial_key
from hyperherd.records.requests import Wish, read_request
from hyperherd.records.sweep import PlannedTrial, SweepRecord, find_planned_number
from hyperherd.records.trial import TrialRecord

log = logging.getLogger("hyperherd")


def judge_of(sweep_dir: Path, number: int, trial_dir: Path, attempt: int) -> TrialJudge | None:
    """Return what judges an attempt of a trial; None if its sweep has no pruner.

    Whatever is wrong with the records is warned about, and the trial is not judged.

    Args:
        sweep_dir: of the trial.
        number: of the trial.
        trial_dir: its directory.
        attempt: which execution of it this is.
    """
    try:
        sweep = SweepRecord.read(sweep_dir)
        if sweep.pruner is None:
            return None
        settings = read_pruner(sweep.pruner)
        if settings.rule is not None and settings.rule.is_custom:
            # A class is imported by the name that stands in the sweep's folder.
            check_trusted(sweep_files(sweep_dir))
        config = configuration(find_planned_number(sweep_dir, number).params, sweep.seed_key)
        return TrialJudge(
            settings,
            settings.made_rule(),
            folder_of(sweep_dir, settings),
            trial_dir,
            number,
            attempt,
            config,
            **_before(trial_dir, attempt, settings),
            readmitted=_is_readmitted(sweep_dir, number),
        )
    except (HyperherdError, OSError) as error:
        log.warning("trial %d is not judged by the pruner of its sweep: %s", number, error)
        return None


def folder_of(sweep_dir: Path, settings: PrunerSettings) -> RungFolder:
    """Return the rungs of a sweep for what its pruner judges."""
    return RungFolder(SweepPaths(sweep_dir).rungs, settings.metric, settings.phase, settings.unit)


def note_completed(sweep: SweepRecord, sweep_dir: Path, number: int) -> None:
    """Note for the other trials that one has completed, if the sweep's rule compares trials."""
    if sweep.pruner is None:
        return
    try:
        settings = read_pruner(sweep.pruner)
        if settings.rule is not None:
            folder_of(sweep_dir, settings).complete(number)
    except (HyperherdError, OSError) as error:
        log.warning("that trial %d has completed cannot be noted for the pruner: %s", number, error)


def configuration(params: Mapping[str, Any], seed_key: str | None) -> str:
    """Return the hash of what the seeds of a configuration have in common."""
    return trial_key({name: value for name, value in params.items() if name != seed_key})


class PrunedSeeds:
    """Finds the trials of a sweep whose configuration was pruned; without ``by: config`` there are none.

    Args:
        sweep_dir: of the sweep.
        settings: of its pruner.
        trials: of the sweep.
        seed_key: the parameter that is the seed.
    """

    def __init__(
        self, sweep_dir: Path, settings: PrunerSettings, trials: Iterable[PlannedTrial], seed_key: str | None
    ) -> None:
        self._sweep_dir = sweep_dir
        self._folder = folder_of(sweep_dir, settings) if settings.by == "config" else None
        self._seed_key = seed_key
        self._configs: dict[str, list[int]] = {}
        self.add(trials)

    def add(self, trials: Iterable[PlannedTrial]) -> None:
        """Count further trials in."""
        if self._folder is not None:
            for trial in trials:
                self._configs.setdefault(configuration(trial.params, self._seed_key), []).append(trial.number)

    def found(self) -> dict[int, str]:
        """Return the trials of the configurations that were pruned since the last call, each with why."""
        found: dict[int, str] = {}
        if self._folder is None:
            return found
        try:
            pruned = self._folder.pruned_configs()
        except OSError:
            return found
        for config in pruned.keys() & self._configs.keys():
            number, rung = pruned[config]
            told = f"not started: its configuration was pruned at rung {rung} (trial {number})"
            seeds = [one for one in self._configs.pop(config) if not _is_readmitted(self._sweep_dir, one)]
            found.update(dict.fromkeys(seeds, told))
        return found


def _is_readmitted(sweep_dir: Path, number: int) -> bool:
    request = read_request(sweep_dir, number)
    return request is not None and request.wish is Wish.CONTINUE


def _before(trial_dir: Path, attempt: int, settings: PrunerSettings) -> dict[str, Any]:
    """Return how far earlier attempts have come, and in which phase."""
    if not attempt:
        return {}
    try:
        record = TrialRecord.read(trial_dir)
    except (OSError, FormatError):
        return {}
    phase: str | None
    phases = {name: metrics for name, metrics in record.phases.items() if settings.metric in metrics}
    if settings.phase is not None:
        summary, phase = phases.get(settings.phase, {} if record.phases else record.metrics), settings.phase
    else:
        phase = next((name for name in phases if not is_evaluation(name)), None)
        summary = phases[phase] if phase is not None else record.metrics
    name = settings.metric if settings.unit == "step" else "epoch"
    last = (summary.get(name) or {}).get("last_step" if settings.unit == "step" else "last")
    passed = int(last) if isinstance(last, int | float) and abs(last) < 2**62 else None
    return {"passed": passed, "phase": phase}
