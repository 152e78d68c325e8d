"""One trial with all there is to know about it, for people and for programs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyperherd.metrics.rows.phases import SYSTEM
from hyperherd.results.files.logs import read_lines, shown
from hyperherd.results.pages.alerts import alerts_of_one
from hyperherd.results.pages.parts import (
    block,
    command_record,
    heading,
    more_rows,
    most_rows,
    no_command,
    pairs,
    shell_line,
    table,
)
from hyperherd.results.pages.pruning import decision_lines, decision_records
from hyperherd.results.tables.records import SCHEMA, trial_record
from hyperherd.results.text.format import duration, escaped, exact, measure, one_line, setting
from hyperherd.results.text.layout import GLYPHS, Screen, enough, page, paint, state_colour, wrapped
from hyperherd.results.trials.commands import run_again
from hyperherd.results.trials.machine import gpus_of, kept_diff, taken_of
from hyperherd.results.trials.phases import name_of
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import flat, lookup

_SHOWN_FILES = 20
_LONGEST_VALUE = 200
_STATISTICS = ("", "last", "at step", "min", "at step", "max", "at step", "NaN")


def show_page(trial: Trial, screen: Screen, *, lines: int = 20) -> str:
    """Return everything about a trial as a page of text, with the last `lines` of its log."""
    return page(_lines(trial, screen, lines), screen)


def show_record(trial: Trial, *, lines: int = 20) -> dict[str, Any]:
    """Return everything about a trial as JSON has it."""
    command = run_again(trial)
    return {
        "schema": SCHEMA,
        "sweep": trial.sweep.name,
        "sweep_dir": str(trial.sweep.dir),
        "script": trial.script or None,
        **trial_record(trial, trial.sweep.objective),
        **({"phases": trial.phases} if trial.phases else {}),
        **({"gpus": trial.gpus} if trial.gpus is not None else {}),
        "note": trial.note or None,
        "again": command_record(command) if command else None,
        "config": trial.config,
        "files": [{"path": str(path), "bytes": _size(path)} for path in trial.files()],
        "attempts": [
            {"number": attempt.number, **_claim(attempt.claim), "logs": {k: str(v) for k, v in attempt.logs.items()}}
            for attempt in trial.attempts
        ],
        **({"pruning": found} if (found := decision_records(trial)) else {}),
        "provenance": trial.provenance,
        "log": {stream: _tail(trial, stream, lines) for stream in ("stdout", "stderr")},
    }


def _lines(trial: Trial, screen: Screen, lines: int) -> Iterator[str]:
    glyph = paint(GLYPHS[trial.state], state_colour(trial.state), screen)
    what = f"{glyph} trial {escaped(trial.label)} of {escaped(trial.sweep.name)}: {trial.state}"
    if trial.cause is not None:
        what += f" ({trial.cause})"
    yield from wrapped(f"{what}, {one_line(trial.reason)}" if trial.reason else what, screen)
    yield from pairs(_facts(trial, screen), screen)
    if command := run_again(trial):
        yield from heading("command", screen)
        yield f"  {shell_line(command, screen)}"
    yield from no_command(trial, screen)
    yield from alerts_of_one(trial, screen)
    yield from decision_lines(trial, screen)
    yield from _metrics(trial, screen)
    yield from _config(trial, screen)
    yield from _provenance(trial, screen)
    yield from _files(trial, screen)
    if trial.error is not None and trial.error.traceback:
        yield from heading("traceback", screen)
        yield from block(trial.error.traceback, "  ")
    yield from _log(trial, screen, lines)


def _facts(trial: Trial, screen: Screen) -> Iterator[tuple[str, str]]:
    params = [f"{escaped(name)}={_value(value)}" for name, value in trial.params.items()]
    yield "parameters", enough(params, screen)
    yield "note", escaped(trial.note)
    yield "tags", escaped(", ".join(trial.tags))
    yield "directory", escaped(str(trial.dir or ""))
    started = trial.started
    if started is not None:
        span = f", ran for {duration(trial.seconds)}" if trial.seconds is not None else ""
        yield "started", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(started))}{span}"
    if trial.step is not None:
        yield "step", f"{trial.step} of {trial.max_step}" if trial.max_step is not None else str(trial.step)
    yield "host", escaped(trial.host + (f", job {trial.job_id}" if trial.job_id else ""))
    yield "GPUs", f"{trial.gpus:g}" if trial.gpus else ""
    yield "resources", ", ".join(_resources(trial))
    yield from _training(trial.provenance)
    attempts = trial.attempts
    if len(attempts) > 1:
        claims = (f"{attempt.number} {_claimed(attempt.claim)}".rstrip() for attempt in attempts)
        yield "attempts", escaped(", ".join(claims))


def _resources(trial: Trial) -> Iterator[str]:
    if (seconds := taken_of(trial, "cpu_s")) is not None:
        yield f"CPU time {duration(seconds)}"
    for what, name in (("memory", "peak_memory_gib"), ("GPU memory", "peak_gpu_memory_gib")):
        if (peak := taken_of(trial, name)) is not None:
            yield f"peak {what} {peak:.3g} GiB"


def _training(provenance: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what callbacks have noted: the best checkpoint, and why trainings ended early."""
    best = provenance.get("checkpoint")
    if isinstance(best, dict) and isinstance(best.get("path"), str):
        yield "best checkpoint", escaped(f"{best['path']} ({best.get('metric')}: {best.get('score')})")
    stops = provenance.get("stopped")
    for stop in stops if isinstance(stops, list) else ():
        if isinstance(stop, dict):
            phase = f" of {stop['phase']}" if stop.get("phase") else ""
            saved = f"; saved {stop['checkpoint']}" if stop.get("checkpoint") else ""
            yield "stopped", one_line(f"step {stop.get('step')}{phase}: {stop.get('reason')}{saved}")


def _claimed(claim: Mapping[str, Any]) -> str:
    when = claim.get("time")
    if not isinstance(when, int | float):
        return ""
    return f"({time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(when))} on {claim.get('host')})"


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    return {name: claim.get(name) for name in ("time", "host", "pid", "job_id")}


def _metrics(trial: Trial, screen: Screen) -> Iterator[str]:
    if trial.metrics:
        yield from heading("metrics", screen)
        rows = [(escaped(name), *_summary(summary)) for name, summary in sorted(trial.metrics.items())]
        yield from _rows(rows, screen)
    if trial.phases.keys() - {"", SYSTEM}:
        yield from heading("metrics by phase", screen)
        rows = [
            (escaped(f"{name}:{name_of(phase)}"), *_summary(summary))
            for phase, metrics in trial.phases.items()
            if phase != SYSTEM  # whose metrics have no other
            for name, summary in sorted(metrics.items())
        ]
        yield from _rows(rows, screen)
    if trial.final:
        yield from heading("final values", screen)
        found = [(escaped(name), _value(value)) for name, value in sorted(trial.final.items())]
        most = most_rows(found, screen)
        yield from pairs(found[:most], screen)
        yield from more_rows(len(found) - most)


def _rows(rows: Sequence[tuple[str, ...]], screen: Screen) -> Iterator[str]:
    most = most_rows(rows, screen)
    yield from table(_STATISTICS, rows[:most], screen, right=range(1, 8))
    yield from more_rows(len(rows) - most)


def _summary(summary: Mapping[str, Any]) -> Iterator[str]:
    for name in ("last", "min", "max"):
        value, step = summary.get(name), summary.get(f"{name}_step")
        yield "" if value is None else measure(value)
        yield "" if step is None else escaped(str(step))
    yield escaped(str(summary.get("nan") or ""))


def _config(trial: Trial, screen: Screen) -> Iterator[str]:
    rest = {name: value for name, value in flat(trial.config).items() if name not in trial.params}
    if rest:
        yield from heading("other config values", screen)
        told = [f"{escaped(name)}={_value(value)}" for name, value in rest.items()]
        yield from wrapped("  " + enough(told, screen, lines=6), screen)


def _provenance(trial: Trial, screen: Screen) -> Iterator[str]:
    found = trial.provenance
    if not found:
        return
    yield from heading("provenance", screen)
    git = found.get("git")
    facts = {name: found.get(name) for name in ("python", "executable", "platform", "cwd")}
    yield from pairs(
        [
            ("code", _git(git) if isinstance(git, dict) else ""),
            *_more_of_git(git if isinstance(git, dict) else {}, trial),
            ("snapshot", escaped(str(found.get("snapshot") or ""))),
            ("script", escaped(trial.script)),
            *((name, escaped(str(value))) for name, value in facts.items() if value),
            *_machine(trial),
            ("packages", _packages(found.get("packages"), screen)),
            ("imported", _packages(found.get("imported"), screen)),
        ],
        screen,
    )


def _git(git: Mapping[str, Any]) -> str:
    changed = " with uncommitted changes" if git.get("dirty") else ""
    return escaped(f"{git.get('commit')}{changed}")


def _more_of_git(git: Mapping[str, Any], trial: Trial) -> Iterator[tuple[str, str]]:
    for name in ("branch", "remote"):
        yield name, escaped(str(git.get(name) or ""))
    submodules = git.get("submodules")
    for path, about in submodules.items() if isinstance(submodules, dict) else ():
        if isinstance(about, dict):
            yield "submodule", f"{escaped(str(path))} {_git(about)}"
    if (diff := kept_diff(trial)) is not None:
        cut = "" if lookup(dict(git), "diff.whole") is True else " (the first MiB)"
        yield "changes", f"{escaped(str(diff))}{cut}"


def _machine(trial: Trial) -> Iterator[tuple[str, str]]:
    machine = trial.provenance.get("machine")
    if isinstance(machine, dict):
        cores = machine.get("cpus")
        yield "CPU", escaped(str(machine.get("cpu") or "")) + (f", {cores} cores" if isinstance(cores, int) else "")
        yield "GPU", escaped(gpus_of(trial) or "")
        yield "driver", escaped(str(machine.get("driver") or ""))


def _packages(packages: Any, screen: Screen) -> str:
    if not isinstance(packages, dict):
        return ""
    return enough([escaped(f"{name}={version}") for name, version in packages.items()], screen)


def _files(trial: Trial, screen: Screen) -> Iterator[str]:
    found = trial.files()
    if not found or trial.dir is None:
        return
    yield from heading("files", screen)
    rows = [(escaped(str(path.relative_to(trial.dir))), _bytes(_size(path))) for path in found[:_SHOWN_FILES]]
    yield from table(("", "size"), rows, screen, right=(1,))
    if len(found) > _SHOWN_FILES:
        yield f"  ... {len(found) - _SHOWN_FILES} more"


def _log(trial: Trial, screen: Screen, lines: int) -> Iterator[str]:
    for stream in ("stdout", "stderr"):
        found = _tail(trial, stream, lines)
        if found:
            yield from heading(f"last lines of {stream}", screen)
            yield from (f"  {line}" for line in found)


def _tail(trial: Trial, stream: str, lines: int) -> list[str]:
    kept = [attempt.logs[stream] for attempt in trial.attempts if stream in attempt.logs]
    if not kept or not lines:
        return []
    return list(map(shown, read_lines(kept[-1], lines)))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _bytes(size: int | None) -> str:
    if size is None:
        return ""
    value, units = float(size), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 1000 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def _value(value: Any) -> str:
    text = setting(value) if isinstance(value, float) else escaped(exact(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
