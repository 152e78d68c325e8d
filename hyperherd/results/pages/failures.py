"""What went wrong, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hyperherd.plural import counted
from hyperherd.results.pages.effects_line import p_text
from hyperherd.results.pages.parts import RED, block, command_record, heading, no_command, shell_line
from hyperherd.results.pages.problems import few
from hyperherd.results.statistics.failure_rates import Rates, Split
from hyperherd.results.statistics.failures import FailureGroup, Failures, Shared
from hyperherd.results.tables.columns import sweep_labels
from hyperherd.results.tables.records import SCHEMA
from hyperherd.results.text.format import escaped, one_line, setting
from hyperherd.results.text.layout import Screen, page, paint, wrapped
from hyperherd.results.trials.trial import Sweep, Trial

_LONGEST_MESSAGE = 300
_SHOWN_TRIALS = 30
_SHOWN_COMMANDS = 20


def failures_page(found: Failures, screen: Screen) -> str:
    """Return what went wrong as a page of text."""
    return page(_lines(found, screen), screen)


def failures_record(found: Failures) -> dict[str, Any]:
    """Return what went wrong as JSON has it."""
    labels = _labels(found.trials)
    return {
        "schema": SCHEMA,
        "total": found.total,
        "failed": len(found.trials),
        "shared": _shared(found.shared),
        "rates": rates_record(found.rates),
        "groups": [_group(group, labels) for group in found.groups],
        "again": [command_record(command) for command in found.again],
    }


def _lines(found: Failures, screen: Screen) -> Iterator[str]:
    if not found.groups:
        yield none_failed(found)
        return
    labels = _labels(found.trials)
    others = f"; {_open(found)}" if found.open else ""
    yield f"{len(found.trials)} of {counted(found.total, 'trial')} did not succeed{others}"
    if found.shared:
        yield from wrapped(f"all of them have {shared_text(found.shared)}", screen)
    yield from _rate_lines(found.rates, screen)
    for group in found.groups:
        yield from _group_lines(group, labels, screen)
    if found.again:
        yield from heading("to run them again (finished trials are kept):", screen)
        yield from (f"  {shell_line(command, screen)}" for command in found.again[:_SHOWN_COMMANDS])
        if len(found.again) > _SHOWN_COMMANDS:
            yield f"  ... {len(found.again) - _SHOWN_COMMANDS} more commands (-f json shows all)"
    for trial in {trial.sweep: trial for trial in found.trials}.values():
        yield from no_command(trial, screen)


def _rate_lines(rates: Rates, screen: Screen) -> Iterator[str]:
    for split in rates.splits:
        yield from wrapped(split_text(split, rates.looked), screen)
    if rates.looked and not rates.splits:
        yield from wrapped(
            f"no setting is shown to fail more often than others ({counted(rates.looked, 'split')} looked at)", screen
        )


def split_text(split: Split, looked: int, what: str = "failed") -> str:
    """Return which settings fail more often than others; the part before the colon is a filter."""
    return (
        f"{escaped(split.parameter)}{split.relation}{setting(split.value)}: {split.failed} of {split.of} {what}, "
        f"else {split.others_failed} of {split.others} ({p_text(split.p)} for all {counted(looked, 'split')})"
    )


def rates_record(rates: Rates) -> dict[str, Any]:
    """Return where trials fail more often as JSON has it."""
    return asdict(rates)


def none_failed(found: Failures) -> str:
    """Return that no trial failed, and about how many of them that is not known, or not yet."""
    if not found.open:
        return f"none of {counted(found.total, 'trial')} failed"
    known = found.total - sum(found.open.values())
    return f"none of the {counted(known, 'trial')} whose end is known failed; {_open(found)}"


def _open(found: Failures) -> str:
    return ", ".join(f"{count} {state}" for state, count in found.open.items())


def _group_lines(group: FailureGroup, labels: dict[Sweep, str], screen: Screen) -> Iterator[str]:
    message = one_line(group.message)
    if len(message) > _LONGEST_MESSAGE:
        message = message[:_LONGEST_MESSAGE] + " ..."
    what = f"{escaped(group.kind)}: {message}" if message and message != group.kind else escaped(group.kind)
    where = f"  ({escaped(group.where)})" if group.where else ""
    yield ""
    yield from wrapped(f"{paint('✗', RED, screen)} {what}{where}", screen, "    ")
    names = [_called(trial, labels) for trial in group.trials]
    more = f" and {len(names) - _SHOWN_TRIALS} more" if len(names) > _SHOWN_TRIALS else ""
    yield from wrapped(
        f"  {len(names)} trial{'s' * (len(names) != 1)}: {', '.join(names[:_SHOWN_TRIALS])}{more}", screen, "    "
    )
    if group.shared:
        yield from wrapped(f"  all have {shared_text(group.shared)}", screen, "    ")
    yield from block(group.traceback)


def shared_text(shared: Shared) -> str:
    """Return what failed trials share, and how many finished ones do."""
    settings = few(shared.settings)
    if not shared.finished:
        return f"{settings}; no finished trial has"
    return f"{settings}; so do {shared.finished} of {counted(shared.of, 'finished trial')}"


def _labels(trials: tuple[Trial, ...]) -> dict[Sweep, str]:
    return sweep_labels(tuple(dict.fromkeys(trial.sweep for trial in trials))) if trials else {}


def _called(trial: Trial, labels: dict[Sweep, str]) -> str:
    return escaped(trial.label if len(labels) == 1 else f"{labels[trial.sweep]}/{trial.label}")


def _shared(shared: Shared | None) -> dict[str, Any] | None:
    if shared is None:
        return None
    return {"settings": dict(shared.settings), "finished": shared.finished, "of": shared.of}


def _group(group: FailureGroup, labels: dict[Sweep, str]) -> dict[str, Any]:
    return {
        "kind": group.kind,
        "where": group.where or None,
        "message": group.message or None,
        "shared": _shared(group.shared),
        "traceback": group.traceback or None,
        "trials": [
            {
                "sweep": labels[trial.sweep],
                "number": trial.number,
                "dir": None if trial.dir is None else str(trial.dir),
                "state": trial.state.value,
                "cause": None if trial.cause is None else trial.cause.value,
                "params": trial.params,
                "command": trial.command,
            }
            for trial in group.trials
        ],
    }
