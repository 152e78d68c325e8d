"""Drift: resuming a sweep after its config was changed in something that the sweep does not search.

What a trial kept of its config is compared, as written, with what a trial of the same parameters composes now. Trials
that kept nothing, from older versions, are not drift.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError, SweepError
from hyperherd.masking import masked
from hyperherd.paths import TrialPaths
from hyperherd.records.code import changed_files
from hyperherd.records.config import KeptConfig, interpolations, is_of_one_trial
from hyperherd.records.disk.files import dumps, read_json
from hyperherd.records.places import in_place, trial_dir_of
from hyperherd.records.states import TrialState
from hyperherd.records.sweep import PlannedTrial, SweepRecord
from hyperherd.space.values import token
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.resuming.reconcile import RunPlan
from hyperherd.sweep.validation.template import JOB_ID, NO_COMPOSITION
from hyperherd.trial.kept_config import written_config

_MOST_COMPOSED = 50
"""Choices of config groups of which one trial each is compared; composing one takes about 50 ms."""
_NAMED = 20
"""Keys that are named in the error."""
_LONGEST = 60
_ABSENT = object()

log = logging.getLogger("hyperherd")


def check_drift(app: HydraApp, trials: Sequence[PlannedTrial], sweep_dir: Path, *, allow_drift: bool) -> None:
    """Compare what trials of the sweep have run with what they would run now.

    Args:
        app: the Hydra app that sweeps.
        trials: of the sweep, as planned now.
        sweep_dir: absolute.
        allow_drift: whether to warn and continue.

    Raises:
        SweepError: they differ, and drift is not allowed; the message has each key with its old and new value.
    """
    changes = _changes(app, trials, sweep_dir)
    if not changes:
        return
    shown = [f"{name}: {_shown(name, old)} -> {_shown(name, new)}" for name, (old, new) in changes.items()]
    more = [f"... {len(shown) - _NAMED} more"] if len(shown) > _NAMED else []
    message = f"the config has changed since trials of {sweep_dir} ran: {'; '.join([*shown[:_NAMED], *more])}."
    if allow_drift:
        log.warning("%s Mixing them because hydra.sweeper.allow_drift=true.", message)
        return
    raise SweepError(
        f"{message} Those trials and new ones cannot be compared. Undo the change, choose another hydra.sweep.dir, or "
        f"set hydra.sweeper.allow_drift=true."
    )


def check_code(app: HydraApp, record: SweepRecord, run_plan: RunPlan, sweep_dir: Path, *, refuse: bool) -> None:
    """Compare the script and its project's modules with those that the sweep ran last.

    Args:
        app: the Hydra app that sweeps.
        record: of the sweep so far.
        run_plan: its trials.
        sweep_dir: absolute.
        refuse: whether a difference is an error, and not just a warning.

    Raises:
        SweepError: they differ, and that is to be refused.
    """
    # The last start counts: what had changed before then was reported then.
    changed = changed_files(_last_code(record, run_plan, sweep_dir), app.script)
    if not changed or all(status.state is TrialState.WAITING for status in run_plan.statuses.values()):
        return
    message = f"code has changed since trials of this sweep ran: {', '.join(changed)}"
    if refuse:
        raise SweepError(
            f"{message}. Undo the change, choose another hydra.sweep.dir, or set hydra.sweeper.on_code_change=report."
        )
    log.warning("%s; finished trials are kept, and each trial records the code that it runs", message)


def _last_code(record: SweepRecord, run_plan: RunPlan, sweep_dir: Path) -> dict[str, str]:
    """Return what the sweep imported when it was started last, and what a trial imported beyond."""
    recorded = record.invocations[-1].get("code") if record.invocations else None
    code = recorded if isinstance(recorded, dict) else {}
    for trial in reversed(run_plan.trials):
        try:
            trial_dir = trial_dir_of(sweep_dir, str(trial.dir), trial.number)
            own = read_json(in_place(TrialPaths(trial_dir).provenance, trial_dir)).get("code")
        except (OSError, FormatError):
            continue
        if isinstance(own, dict):
            return {**own, **code}
    return code


def _changes(app: HydraApp, trials: Sequence[PlannedTrial], sweep_dir: Path) -> dict[str, tuple[Any, Any]]:
    """Return the keys that differ, with the values of the trial that ran and of what would run now."""
    changes: dict[str, tuple[Any, Any]] = {}
    for trial, kept in _one_of_each(app, trials, sweep_dir):
        try:
            written = written_config(app.compose(trial.overrides, trial.number, JOB_ID))
        except NO_COMPOSITION:  # validation reports it, with the trial that does not compose
            continue
        # As it would be read back from disk, where tuples are lists and numbers that are not finite are texts.
        now = json.loads(dumps(written))
        old, new = kept.written_values, KeptConfig({}, now, dict(interpolations(now))).written_values
        for name in dict.fromkeys((*old, *new)):
            values = old.get(name, _ABSENT), new.get(name, _ABSENT)
            # Of what was left out for its size, nothing is known.
            if name.split(".")[0] not in kept.left_out and _differ(*values):
                changes.setdefault(name, values)
    return changes


def _differ(old: Any, new: Any) -> bool:
    if _ABSENT in (old, new):
        return True
    return token(old) != token(new) and not (is_of_one_trial(old, ()) and is_of_one_trial(new, ()))


def _one_of_each(
    app: HydraApp, trials: Sequence[PlannedTrial], sweep_dir: Path
) -> Iterator[tuple[PlannedTrial, KeptConfig]]:
    """Yield a trial that has run for each choice of config groups, the last one: an earlier drift was allowed."""
    seen: set[tuple[str, ...]] = set()
    groups: dict[str, bool] = {}
    for trial in reversed(trials):
        if trial.orphan or trial.dir is None or len(seen) == _MOST_COMPOSED:
            continue
        names = [text.lstrip("+~").partition("=")[0] for text in trial.overrides]
        for name in names:
            if name not in groups:
                groups[name] = app.is_group(name.partition("@")[0])
        choices = tuple(text for text, name in zip(trial.overrides, names, strict=True) if groups[name])
        if choices in seen:
            continue
        try:
            trial_dir = trial_dir_of(sweep_dir, trial.dir, trial.number)
            in_place(TrialPaths(trial_dir).config, trial_dir)
            yield trial, KeptConfig.read(trial_dir)
        except (OSError, FormatError):
            continue
        seen.add(choices)


def _shown(name: str, value: Any) -> str:
    if value is _ABSENT:
        return "(absent)"
    text = dumps(masked(name, value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
