"""Resuming an earlier sweep: which one is meant, and what it planned if nothing else is asked for."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from hyperherd.errors import FormatError, HyperherdError, SweepError
from hyperherd.escape import one_line
from hyperherd.overrides import override
from hyperherd.paths import RECORDS, SweepPaths
from hyperherd.plural import counted
from hyperherd.records.disk.ownership import NotTrusted, check_trusted, distrust, sweep_files
from hyperherd.records.places import Outside, check_records_inside
from hyperherd.records.sweep import SweepRecord, read_planned
from hyperherd.space.expansion import Report
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.planning.plan import Plan, UnnumberedTrial, make_plan
from hyperherd.sweep.planning.planned_overrides import check_overrides
from hyperherd.sweep.settings import SweepSettings

log = logging.getLogger("hyperherd")

LATEST = "latest"


def find_plan(app: HydraApp, arguments: Sequence[str], settings: SweepSettings) -> tuple[Path | None, Plan]:
    """Return the directory of the sweep to resume, if one was named, and what is to be tried.

    Raises:
        SweepError: there is no such sweep, somebody else could have written it, or it plans what only a trusted folder
            may.
        SpaceError: the space cannot be read, or holds no trial.
    """
    if settings.resume is None:
        return None, make_plan(app, arguments, settings)
    sweep_dir = resumed_dir(app, settings.resume, shared=settings.shared)
    check_folder(sweep_dir, shared=settings.shared)
    record = SweepRecord.read(sweep_dir)
    if sampler := record.space.get("sampler"):
        # Settings are not taken over, here as elsewhere: with the sampler alone, conditions and seeds would be missing,
        # and a grid of its space would be another sweep.
        then = {"hydra.sweeper.sampler": sampler, "hydra.sweeper.objective": record.objectives or record.objective}
        again = shlex.join(override(key, value) for key, value in then.items() if value)
        raise SweepError(
            f"hydra.sweeper.resume: {sweep_dir} is a search that a sampler guides; repeat the sampler, perhaps with "
            f"more trials, the objective, and what else was set in hydra.sweeper then: {one_line(again)}"
        )
    # A space that stands in the config is read again from there; one that was typed is only on record.
    if arguments or not record.space.get("overrides"):
        return sweep_dir, make_plan(app, arguments, settings)
    return sweep_dir, _checked(app, sweep_dir, recorded_plan(sweep_dir, record))


def check_folder(sweep_dir: Path, *, shared: bool) -> None:
    """Check that nobody else can decide what resuming a folder runs.

    Args:
        sweep_dir: a sweep may be in it or not.
        shared: whether everybody who can write there is trusted, in this call.

    Raises:
        NotTrusted: somebody could.
        Outside: its files lead elsewhere.
    """
    if not SweepPaths(sweep_dir).records.exists():
        return
    check_records_inside(sweep_dir)
    if not shared:
        check_trusted(sweep_files(sweep_dir))


def _checked(app: HydraApp, sweep_dir: Path, plan: Plan) -> Plan:
    """Return a plan that was read from a folder, and print what of it is taken over.

    Raises:
        SweepError: the folder is not trusted, and the plan holds what could run more than the script.
    """
    fixed = f" and the fixed overrides {shlex.join(plan.fixed)}" if plan.fixed else ""
    log.info(one_line(f"resuming {sweep_dir} with {counted(len(plan.drafts), 'planned trial')}{fixed}"))
    # Only with `shared` does such a folder come this far.
    if any(distrust(path) for path in sweep_files(sweep_dir) if path.exists()):
        check_overrides(app, sweep_dir, [text for draft in plan.drafts for text in draft.overrides])
    return plan


def resumed_dir(app: HydraApp, resume: str, *, shared: bool = False) -> Path:
    """Return the directory of the sweep that `hydra.sweeper.resume` means, absolute.

    Args:
        app: whose sweep it is.
        resume: a directory, or `LATEST`.
        shared: whether everybody who can write to the latest one is trusted.

    Raises:
        SweepError: there is no sweep there, none of this script, or only such that somebody else could have written.
    """
    if resume != LATEST:
        sweep_dir = Path(resume).absolute()
        if not SweepPaths(sweep_dir).sweep.exists():
            raise SweepError(
                f"hydra.sweeper.resume: {sweep_dir} does not contain a sweep; give the directory of a sweep, or "
                f"{LATEST}"
            )
        return sweep_dir
    root = _root(app)
    ours = [(record.created, path) for path, record in _sweeps(root) if record.script == app.script]
    if not ours:
        raise SweepError(
            f"hydra.sweeper.resume: there is no sweep of {app.script} under {root}; give the directory of a sweep"
        )
    return _latest_trusted([path for _, path in sorted(ours, reverse=True)], shared=shared)


def _latest_trusted(sweep_dirs: Sequence[Path], *, shared: bool) -> Path:
    """Return the first of these that can be resumed: the time in a folder is what its writer wrote.

    Raises:
        SweepError: there is none; the message is about the first.
    """
    faults: list[HyperherdError] = []
    for sweep_dir in sweep_dirs:
        try:
            check_folder(sweep_dir, shared=shared)
        except (NotTrusted, Outside) as fault:
            faults.append(fault)
            continue
        if faults:
            skipped = counted(len(faults), "newer sweep")
            log.warning(one_line(f"resume={LATEST}: resuming {sweep_dir}; skipped {skipped}: {faults[0]}"))
        return sweep_dir
    raise SweepError(f"hydra.sweeper.resume: {faults[0]}")


def _root(app: HydraApp) -> Path:
    """Return the part of `hydra.sweep.dir` that is the same in all sweeps."""
    written = OmegaConf.to_container(app.config.hydra.sweep, resolve=False)
    assert isinstance(written, dict)
    fixed, interpolation, _ = str(written["dir"]).partition("${")
    path = Path(fixed).absolute()
    return path if interpolation and fixed.endswith("/") else path.parent


def _sweeps(root: Path) -> Iterator[tuple[Path, SweepRecord]]:
    for found in root.glob(f"**/{RECORDS}/sweep.json"):
        try:
            yield found.parent.parent, SweepRecord.read(found.parent.parent)
        except (FormatError, OSError):
            continue


def recorded_plan(sweep_dir: Path, record: SweepRecord) -> Plan:
    """Return the plan that a sweep recorded, for a command line that does not repeat it."""
    planned = [trial for trial in read_planned(sweep_dir) if not trial.orphan]
    return Plan(
        written=record.space,
        fixed=_texts(record.base.get("overrides")),  # a record that lacks it is refused by `check_base`
        drafts=tuple(
            UnnumberedTrial(trial.key, trial.name, trial.overrides, trial.params, trial.resources, trial.asked)
            for trial in planned
        ),
        report=Report(size=len(planned), effects=[], left_out=0),
        notes=(),
    )


def _texts(found: object) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else ()
