"""Statistics as plain data over the places of trials: configurations, effects, failures."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from hyperherd.records.alerts import LEVELS
from hyperherd.results.pages.effects import effect_verdict
from hyperherd.results.pages.failures import split_text
from hyperherd.results.pages.verdict import interval_text, verdict
from hyperherd.results.report.lookups import typed
from hyperherd.results.statistics.configurations import AnyGroup, GroupCollection, seed_keys
from hyperherd.results.statistics.endings import ended_badly
from hyperherd.results.statistics.failure_rates import Split
from hyperherd.results.statistics.failures import FailureGroup, failures
from hyperherd.results.statistics.importance.contrasts import Contrast
from hyperherd.results.statistics.importance.effects import Effects, ParameterEffect, effects
from hyperherd.results.text.format import setting
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.commands import Command, from_here, run_again
from hyperherd.results.trials.trial import Trial
from hyperherd.results.values import Gap

_MOST_GROUPS = 50
_MOST_CONTRASTS = 12
_MOST_COMMANDS = 3
_MOST_ALERTS = 200
_LONGEST_MESSAGE = 500
_LONGEST_TRACEBACK = 20_000

Places = Mapping[Trial, int]


def configurations(trials: TrialCollection, places: Places) -> list[dict[str, Any]]:
    """Return the configurations with the spread of the objective over their seeds, best first."""
    objective = trials.objective
    if objective is None:
        return []
    groups = GroupCollection.by_configuration(trials)
    ranks = {id(group): rank for rank, group in enumerate(groups.ranked, 1)}
    scores = {} if groups.by_mean else {id(group): one for group, one in zip(groups.ranked, groups.scores, strict=True)}
    found = []
    for group in groups:
        spread = group.judged(objective)
        low, high = spread.bounds("ci")
        found.append(
            {
                "params": {name: text(value) for name, value in group.settings.items() if value != Gap.NOT_APPLICABLE},
                "trials": [places[trial] for trial in group.trials],
                "seeds": _codes(group.seeds),
                "rank": ranks.get(id(group)),
                "score": scores.get(id(group)),
                "n": spread.n,
                "planned": group.planned,
                "mean": spread.mean,
                "std": spread.std,
                "low": low,
                "high": high,
                "values": list(spread.values),
                "twice": [places[trial] for trial in group.superseded],
                "flag": _flag(group),
            }
        )
    return found


def _codes(seeds: Iterable[Hashable]) -> list[int]:
    known: dict[Hashable, int] = {}
    return [known.setdefault(seed, len(known)) for seed in seeds]


def what_ranks(trials: TrialCollection) -> dict[str, Any]:
    """Return what a part of the trials is ranked by beside values and seeds, for the selection of a reader."""
    objective = trials.objective
    bad = [place for place, trial in enumerate(trials) if objective is not None and ended_badly(trial, objective)]
    when = [trial.ended or trial.started or 0.0 for trial in trials]
    return {"seeded": bool(seed_keys(trials)), "bad": bad, "when": when}


def what_is_sure(trials: TrialCollection) -> dict[str, Any]:
    """Return how sure the best configuration is, and where its mean lies."""
    groups = GroupCollection.by_configuration(trials)
    return {"text": verdict(groups), "interval": interval_text(groups)}


def _flag(group: AnyGroup) -> str:
    """Return the problems with the seeds of a configuration."""
    missing = [f"{trial.label} ({trial.state})" for trial in group.missing]
    twice = [trial.label for trial in group.superseded]
    parts = [f"no value: {', '.join(missing)}" if missing else "", f"duplicates: {', '.join(twice)}" if twice else ""]
    return "; ".join(part for part in parts if part)


def what_matters(trials: TrialCollection) -> dict[str, Any] | None:
    """Return the share of variance and the matched pairs of each parameter; None if nothing can be said."""
    if trials.objective is None or len(trials.ranked) < 3:
        return None
    return told_effects(effects(trials))


def told_effects(found: Effects) -> dict[str, Any]:
    """Return effects as the report tells them."""
    return {
        "trials": found.trials,
        "left_out": found.left_out,
        "noise": None if found.noise is None else {"std": found.noise.std, "share": found.noise.share},
        "parameters": [_effect(effect, found.trials) for effect in found.parameters],
        "ranks": found.ranks,
        "joint": [{"names": list(item.parameters), "share": item.share, "p": item.p} for item in found.interactions],
        "survivors": [_split(split) for split in found.survivors.splits],
        "looked": found.survivors.looked,
    }


def _effect(effect: ParameterEffect, trials: int) -> dict[str, Any]:
    best = effect.levels[0]
    return {
        "name": effect.parameter,
        "verdict": effect_verdict(effect, trials),
        "matters": effect.matters,
        "share": effect.share if effect.matters or effect.telling else None,
        "best": {"value": _typed(best.value), "upto": _typed(best.upto), "mean": best.mean, "trials": best.trials},
        "p": effect.p,
        "unique": effect.unique,
        "chance": effect.chance,
        "over": effect.over,
        "contrasts": [_contrast(contrast) for contrast in effect.contrasts[:_MOST_CONTRASTS]],
        "more": max(0, len(effect.contrasts) - _MOST_CONTRASTS),
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    return {
        "value": typed(contrast.value),
        "against": typed(contrast.against),
        "pairs": contrast.pairs,
        "wins": contrast.wins,
        "ties": contrast.ties,
        "paired": contrast.paired,
        "mean": contrast.mean,
        "low": contrast.low,
        "high": contrast.high,
        "sure": contrast.sure,
    }


def _split(split: Split) -> dict[str, Any]:
    return {**asdict(split), "value": typed(split.value)}


def _typed(value: Any) -> str | None:
    return None if value is None or isinstance(value, Gap) else typed(value)


def what_failed(trials: TrialCollection, places: Places) -> dict[str, Any] | None:
    """Return the failures in groups; None if there are none."""
    found = failures(trials)
    if not found.groups:
        return None
    return {
        "total": len(found.trials),
        "groups": [_failure(group, places) for group in found.groups[:_MOST_GROUPS]],
        "more": max(0, len(found.groups) - _MOST_GROUPS),
        "shared": _settings(found.shared.settings) if found.shared else {},
        "rates": [split_text(split, found.rates.looked) for split in found.rates.splits],
        "again": [command.shell() for command in found.again[:_MOST_COMMANDS]],
        "more_again": max(0, len(found.again) - _MOST_COMMANDS),
    }


def _failure(group: FailureGroup, places: Places) -> dict[str, Any]:
    shared = group.shared
    return {
        "kind": group.kind,
        "where": group.where,
        "message": group.message[:_LONGEST_MESSAGE],
        "trials": [places[trial] for trial in group.trials],
        "shared": _settings(shared.settings) if shared else {},
        "finished": shared.finished if shared else None,
        "traceback": group.traceback[-_LONGEST_TRACEBACK:],
        "command": command_of(group.trials[0]),
    }


def what_was_alerted(trials: TrialCollection, places: Places) -> dict[str, Any] | None:
    """Return the alerts of all trials, the worst and newest first; None if there are none."""
    found = [(trial, alert) for trial in trials if trial.alert_counts for alert in trial.alerts]
    if not found:
        return None
    found.sort(key=lambda one: (LEVELS.index(one[1].level), one[1].time), reverse=True)
    shown = [
        {
            "trial": places[trial],
            "time": alert.time,
            "level": alert.level,
            "text": alert.text[:_LONGEST_MESSAGE],
            "rank": alert.rank,
        }
        for trial, alert in found[:_MOST_ALERTS]
    ]
    return {"total": len(found), "shown": shown}


def command_of(trial: Trial) -> str:
    """Return what to type to run the trial alone; its overrides if its script is not known."""
    found = run_again(trial)
    if found is None or found.cwd is None:
        argv: Iterable[str] = trial.command or trial.overrides
        return Command(tuple(from_here(part) if part == trial.script else part for part in argv)).shell()
    return found.shell(anywhere=True)


def text(value: Any) -> str:
    """Return the value of a parameter for people."""
    return value.value if isinstance(value, Gap) else setting(value)


def _settings(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: text(value) for name, value in values.items()}
