"""Preview: what a sweep would do, found out by everything that comes before launching, with nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.utils import get_class
from omegaconf import OmegaConf
from yaml import YAMLError

from hyperherd.errors import SweepError
from hyperherd.plural import counted
from hyperherd.pruning.settings import read_pruner
from hyperherd.records.sweep import PlannedTrial
from hyperherd.sweep.app import HydraApp, composed_app, hydra_config
from hyperherd.sweep.deciding import begun_contest
from hyperherd.sweep.freezing.take import check_launcher
from hyperherd.sweep.messages import plan_lines, trial_lines
from hyperherd.sweep.notifying.notifications import checked_addresses
from hyperherd.sweep.pauses import check_pauses, pauses
from hyperherd.sweep.planning.plan import Plan
from hyperherd.sweep.resuming.drift import check_code, check_drift
from hyperherd.sweep.resuming.reconcile import check_base, reconcile
from hyperherd.sweep.resuming.resume import find_plan
from hyperherd.sweep.resuming.selection import select
from hyperherd.sweep.searching.start import find_search
from hyperherd.sweep.settings import SweepSettings, read_settings
from hyperherd.sweep.validation.template import NO_COMPOSITION
from hyperherd.sweep.validation.validate import composition_error, validate


@dataclass(frozen=True)
class Preview:
    """What a sweep would run; its text is for people.

    Attributes:
        sweep_dir: absolute; it need not exist.
        trials: those that would be run, with their numbers, overrides, values and directories.
        kept: how many trials the directory already holds that would not be run.
        plan: what conditions and limits did.
        pruner: what would end trials early; empty if nothing would.
        search: of a search, the space, a line for each parameter; the trials are its first ones.
    """

    sweep_dir: Path
    trials: tuple[PlannedTrial, ...]
    kept: int
    plan: Plan
    pruner: str = ""
    search: tuple[str, ...] = ()

    def __str__(self) -> str:
        before = f"; {self.kept} already there would not run again" if self.kept else ""
        first = " first" if self.search else ""
        lines = [f"{counted(len(self.trials), 'trial')} would run{first} in {self.sweep_dir}{before}"]
        lines += [f"  note: {note}" for note in self.plan.notes]
        lines += [f"  {line}" for line in plan_lines(self.plan)]
        if self.pruner:
            lines.append(f"  pruner: {self.pruner}")
        lines += [f"  {line}" for line in self.search]
        lines += trial_lines(self.trials, self.sweep_dir)
        return "\n".join(lines)


def preview(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> Preview:
    """Return what the sweep would do; it raises what the sweep would raise before launching."""
    checked_addresses(settings.notify)
    check_pauses(app, settings)
    app.launcher_options()
    if settings.snapshot:
        check_launcher(get_class(app.config.hydra.launcher["_target_"]))
    if settings.sampler is not None:
        return _search_preview(app, arguments, settings)
    resumed, plan = find_plan(app, arguments, settings)
    sweep_dir = resumed or app.sweep_dir
    if contest := begun_contest(app, arguments, settings, plan):
        decide = contest.decide
        told = (
            f"decide: then seeds go to the configurations in contention, {counted(decide.budget, 'trial')} in all at "
            f"most, until one is the best within {decide.delta:g} at {100 * (1 - decide.alpha):g} %"
        )
        plan = contest.resumed(sweep_dir).plan
        plan = replace(plan, notes=(*plan.notes, told))
    record = check_base(sweep_dir, app.base(plan.fixed), allow_drift=settings.allow_drift)
    run_plan = reconcile(sweep_dir, plan.drafts, holds_paused=pauses(settings))
    check_drift(app, run_plan.trials, sweep_dir, allow_drift=settings.allow_drift)
    if record:
        check_code(app, record, run_plan, sweep_dir, refuse=settings.on_code_change == "refuse")
    run_plan = select(run_plan, settings.only, sweep_dir)
    placed = validate(app, run_plan.to_run, sweep_dir, mode=settings.validate)
    return Preview(sweep_dir, tuple(placed), len(run_plan.trials) - len(placed), plan, pruner=_pruner(settings))


def _search_preview(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> Preview:
    """Return what a search would begin with: the first points, which follow from no result."""
    resumed, search = find_search(app, arguments, settings)
    sweep_dir = resumed or app.sweep_dir
    record = check_base(sweep_dir, app.base(search.plan.fixed), allow_drift=settings.allow_drift)
    run_plan = reconcile(sweep_dir, search.recorded(sweep_dir))
    check_drift(app, run_plan.trials, sweep_dir, allow_drift=settings.allow_drift)
    if record:
        check_code(app, record, run_plan, sweep_dir, refuse=settings.on_code_change == "refuse")
    in_flight = [*run_plan.to_run, *(queued.trial for queued in run_plan.queued)]
    search.begin(sweep_dir, run_plan.trials, [trial.number for trial in in_flight])
    asked = search.ask(search.settings.shown)
    placed = validate(app, [*run_plan.to_run, *asked], sweep_dir, mode=settings.validate)
    how = "chooses" if search.settings.learns else "draws"
    why = ", each by the results that there are" if search.settings.learns else ""
    points = counted(search.settings.trials, "point")
    next_ones = f"{search.settings.sampler} {how} {points}{why}; the next ones, if there is no further result:"
    told = (*search.told, next_ones)
    kept = len(run_plan.trials) - len(run_plan.to_run)
    return Preview(sweep_dir, tuple(placed), kept, search.plan, _pruner(settings), told)


def _pruner(settings: SweepSettings) -> str:
    return read_pruner(settings.pruner).described if settings.pruner else ""


def plan(
    overrides: Sequence[str] = (), *, config_dir: str | Path | None, config_name: str | None = "config"
) -> Preview:
    """Return what ``python script.py -m <overrides> hydra/sweeper=herd`` would run, and run and write nothing.

    Args:
        overrides: as on the command line, sweeps, fixed ones, and those of `hydra.*`.
        config_dir: the folder that `hydra.main(config_path=...)` names; None for configs of the ConfigStore alone.
        config_name: as in `hydra.main`.

    Raises:
        HyperherdError: whatever would keep the sweep from starting; the message is for the user.
    """
    folder = None if config_dir is None else Path(config_dir).absolute()
    try:
        app = composed_app(folder, config_name, overrides)
        with hydra_config(app.config):
            arguments: Any = OmegaConf.to_container(app.config.hydra.overrides.task)
            return preview(app, arguments, read_settings(app.config.hydra.sweeper, app.hydra_overrides))
    except (*NO_COMPOSITION, YAMLError) as error:
        raise SweepError(composition_error(error)) from error
