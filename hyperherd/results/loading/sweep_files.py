"""A sweep directory's records about its trials: the sweep's identity, its plan, its events.

A file that cannot be read is a problem of the sweep to be shown, and costs no trial its row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hyperherd.errors import FormatError
from hyperherd.masking import masked_words
from hyperherd.paths import SweepPaths
from hyperherd.records.events import Event, read_events
from hyperherd.records.lock import may_start_trials
from hyperherd.records.places import check_records_inside
from hyperherd.records.sweep import PlannedTrial, SweepRecord, read_planned
from hyperherd.results.files.hydra_job import read_origin
from hyperherd.results.trials.objective import saved_objective, saved_several
from hyperherd.results.trials.trial import Sweep

_OUTSIDE = object()

T = TypeVar("T")


@dataclass(frozen=True)
class SweepFiles:
    """The sweep's own files, read once for all its trials."""

    sweep: Sweep
    planned: list[PlannedTrial] = field(default_factory=list)
    events: dict[int, list[Event]] = field(default_factory=dict)
    """Trial number -> its events in the order of their time."""
    may_start: bool = False
    """Whether the sweep runs, so that trials without a word of their own may still start."""


def read_sweep_files(sweep_dir: Path, *, all_done: bool = False) -> SweepFiles:
    """Read what there is of `sweep.json`, `trials.jsonl` and the events, or of Hydra's `multirun.yaml`.

    Args:
        sweep_dir: absolute.
        all_done: whether all its trials are known, and done: then nothing else is planned, and no event says anything.
    """
    problems: list[str] = []
    if _tried(lambda: check_records_inside(sweep_dir), _OUTSIDE, problems) is _OUTSIDE:
        return SweepFiles(Sweep(name=sweep_dir.name, dir=sweep_dir, problem="; ".join(problems)))
    record = _tried(lambda: SweepRecord.read(sweep_dir, problems), None, problems)
    planned: list[PlannedTrial] = []
    history: list[Event] = []
    if not all_done:
        planned = _tried(lambda: read_planned(sweep_dir, problems), [], problems)
        history = _tried(lambda: read_events(sweep_dir), [], problems)
    events: dict[int, list[Event]] = defaultdict(list)
    for event in history:
        events[event.number].append(event)
    script = record.script if record else read_origin(SweepPaths(sweep_dir).multirun).script
    sweep = Sweep(
        name=record.name if record else sweep_dir.name,
        dir=sweep_dir,
        script=script,
        command=masked_words(record.command) if record else (),
        cwd=_cwd(record) if record else None,
        run_once=masked_words(record.run_once) if record else (),
        no_command=(record.no_command or "") if record else "",
        objective=saved_objective(record.objective) if record else None,
        objectives=saved_several(record.objectives) if record else (),
        sampler=_sampler(record) if record else "",
        seed_key=(record.seed_key or "") if record else "",
        note=(record.note or "") if record else "",
        problem="; ".join(problems),
    )
    return SweepFiles(sweep, planned, events, bool(planned) and may_start_trials(sweep_dir))


def _sampler(record: SweepRecord) -> str:
    sampler = record.space.get("sampler")
    return str(sampler.get("_target_") or sampler.get("name") or "tpe") if isinstance(sampler, dict) else ""


def _cwd(record: SweepRecord) -> Path | None:
    last = record.invocations[-1] if isinstance(record.invocations, list) and record.invocations else None
    cwd = last.get("cwd") if isinstance(last, dict) else None
    return Path(cwd) if isinstance(cwd, str) else None


def _tried(read: Callable[[], T], otherwise: T, problems: list[str]) -> T:
    try:
        return read()
    except FileNotFoundError:
        return otherwise
    except (OSError, FormatError) as error:
        problems.append(str(error))
        return otherwise
