"""The metric that trials are judged by: asked for, saved with the sweep, or guessed, and then said to be guessed.

Only a finite value of a finished trial is ever ranked.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperherd.errors import ResultsError, nearest
from hyperherd.records.files import number
from hyperherd.results.trials.trial import Trial

MAXIMIZE = "maximize"
MINIMIZE = "minimize"
RETURN_VALUE = "return_value"
"""What we call what a job of Hydra returned: no word of the user's, so it tells nothing."""
DIRECTIONS = {"max": MAXIMIZE, "min": MINIMIZE}
AGGREGATES = "last|max|min|mean:K|@STEP"
_AGGREGATE = re.compile(r"last|max|min|mean(:[1-9]\d*)?|@-?\d+")

_VALIDATION = re.compile("val|valid|validation|dev|eval|evaluation")
_LESS_IS_BETTER = re.compile(
    "loss|losses|error|errors|err|mse|rmse|mae|mape|ppl|perplexity|nll|wer|cer|fid|kl|regret|cost|bpc|bpb|ece|brier|"
    "crossentropy|ce|bce|logloss"
)
_MORE_IS_BETTER = re.compile(
    "acc|accuracy|auc|auroc|auprc|ap|map|f1|fscore|fbeta|dice|iou|miou|jaccard|precision|recall|rewards?|returns?|score|"
    "r2|bleu|rouge|psnr|ssim|success|hits|top1|top5|likelihood|elbo|kappa|mcc|corr|correlation|spearman|pearson|winrate|"
    "ndcg|mrr|sensitivity|specificity"
)


@dataclass(frozen=True)
class Objective:
    """A metric and which way is better."""

    metric: str
    direction: str
    """``maximize`` or ``minimize``."""
    aggregate: str | None = None
    """``last``, ``max``, ``min``, ``mean:K`` (of the last K) or ``@STEP``; None: the final value, else the last."""
    source: str = "asked"
    """``asked``, ``saved`` (with the sweep) or ``guessed`` (from the metric's name)."""

    @property
    def label(self) -> str:
        """The metric with its aggregate, as one types it."""
        return f"{self.metric}:{self.aggregate}" if self.aggregate else self.metric

    def value(self, trial: Trial) -> float | None:
        """Return what `trial` achieved, finished or not, NaN included; None if it has no such number."""
        return number(trial.value(self.metric, self.aggregate))

    def ranks(self, trial: Trial) -> bool:
        """Return whether `trial` may be compared at all."""
        value = self.value(trial)
        return trial.state.finished and value is not None and math.isfinite(value)

    def order(self, trial: Trial) -> tuple[int, float]:
        """Return a sort key: ranked trials best first, then finished ones without a value, then the others."""
        if not trial.state.finished:
            return 2, 0.0
        value = self.value(trial)
        if value is None or not math.isfinite(value):
            return 1, 0.0
        return 0, -value if self.direction == MAXIMIZE else value


def saved_objective(raw: Any) -> Objective | None:
    """Return the objective that a `sweep.json` names; None if it names none, or none that can be followed."""
    if not isinstance(raw, dict) or raw.get("direction") not in DIRECTIONS.values():
        return None
    metric = raw.get("metric")
    return Objective(metric, raw["direction"], source="saved") if isinstance(metric, str) else None


def needed(objective: Objective | None, trials: Iterable[Trial]) -> Objective:
    """Return the objective.

    Raises:
        ResultsError: there is none, so the question that needs one has no answer.
    """
    if objective is None:
        known = ", ".join(metric_names(trials)) or "none"
        raise ResultsError(
            f"nothing says what these trials are judged by: choose one of their metrics, and max or min "
            f"(-m METRIC --direction max); there are: {known}"
        )
    return objective


def choose_objective(trials: Sequence[Trial]) -> Objective | None:
    """Return what `trials` are judged by when nobody asked: the sweep's own objective, else a guess, else None."""
    saved = saved_objectives(trials)
    if saved:
        return saved[0] if len(saved) == 1 else None
    held = Counter(name for trial in trials for name in metric_names([trial]) if number(trial.value(name)) is not None)
    candidates = [(name, better) for name in held if (better := direction_of(name))]
    if not candidates:
        return None
    metric, better = min(candidates, key=lambda pair: (*_preference(*pair), -held[pair[0]], len(pair[0]), pair[0]))
    return Objective(metric, better, source="guessed")


def saved_objectives(trials: Iterable[Trial]) -> list[Objective]:
    """Return the different objectives that the sweeps of `trials` were given."""
    return list(dict.fromkeys(trial.sweep.objective for trial in trials if trial.sweep.objective))


def ask_objective(trials: Sequence[Trial], asked: str, direction: str | None = None) -> Objective:
    """Return the objective a person asked for.

    Args:
        trials: what is to be judged.
        asked: ``METRIC`` or ``METRIC:last|max|min|mean:K|@STEP``.
        direction: ``max`` or ``min``; without it that of the sweep, else by the metric's name, else the aggregate.

    Raises:
        ResultsError: no trial has the metric, or nothing tells which way is better.
    """
    known = metric_names(trials)
    found = split_metric(asked, known) or split_metric(asked.removeprefix("metric."), known)
    if found is None:
        raise unknown_metric(asked, known)
    metric, aggregate = found
    saved = {objective.metric: objective.direction for objective in saved_objectives(trials)}
    better = _asked_direction(direction) if direction else saved.get(metric) or direction_of(metric)
    better = better or DIRECTIONS.get(aggregate or "")
    if better is None:
        raise ResultsError(f"whether a high or a low {metric!r} is better is not known: add --direction max or min")
    return Objective(metric, better, aggregate)


def turned(objective: Objective, direction: str) -> Objective:
    """Return `objective` with the direction (``max`` or ``min``) a person asked for."""
    return replace(objective, direction=_asked_direction(direction), source="asked")


def metric_names(trials: Iterable[Trial]) -> list[str]:
    """Return the names of all metrics and final values of `trials`, sorted."""
    kinds = dict.fromkeys((trial.metric_names, tuple(trial.final)) for trial in trials)
    return sorted({name for metrics, final in kinds for name in (*metrics, *final)})


def direction_of(name: str) -> str | None:
    """Return ``maximize`` or ``minimize`` if the words in a metric's name tell, else None."""
    if name == RETURN_VALUE:
        return None
    words = _words(name)
    if _any(_LESS_IS_BETTER, words):
        better = MINIMIZE
    elif _any(_MORE_IS_BETTER, words):
        better = MAXIMIZE
    else:
        return None
    if words.isdisjoint({"neg", "negative"}):
        return better
    return MAXIMIZE if better == MINIMIZE else MINIMIZE


def interest(name: str) -> tuple[bool, int, str]:
    """Return a sort key that puts metrics worth seeing first: those that judge, on validation data before others."""
    direction = direction_of(name)
    return direction is None, _preference(name, direction or MINIMIZE)[0], name


def _preference(name: str, direction: str) -> tuple[int, bool]:
    """Return a sort key: a choice rests on validation data if it can, and never on test data if it need not."""
    words = _words(name)
    if _any(_VALIDATION, words):
        split = 0
    elif "test" in words:
        split = 2
    else:
        split = 3 if "train" in words or "training" in words else 1
    return split, direction == MINIMIZE


def _any(pattern: re.Pattern[str], words: Iterable[str]) -> bool:
    return any(pattern.fullmatch(word) for word in words)


def _words(name: str) -> frozenset[str]:
    """Return the words of a name in lower case, each also without digits at its end: ``valLoss_2`` has val and loss."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    words = re.split(r"[^a-z0-9]+", spaced)
    return frozenset({*words, *(word.rstrip("0123456789") for word in words)})


def _asked_direction(text: str) -> str:
    if text not in (*DIRECTIONS, *DIRECTIONS.values()):
        raise ResultsError(f"{text!r} is no direction: use max or min")
    return DIRECTIONS.get(text, text)


def split_metric(text: str, known: Collection[str]) -> tuple[str, str | None] | None:
    """Return the metric and the aggregate in ``METRIC[:AGG]``, or None if there is no such metric.

    A metric's own name may hold colons, and is understood before an aggregate is.

    Raises:
        ResultsError: there is the metric, but no such aggregate.
    """
    if text in known:
        return text, None
    ends = [place for place, char in enumerate(text) if char == ":"]
    for end in reversed(ends):
        if text[:end] in known and _AGGREGATE.fullmatch(text[end + 1 :]):
            return text[:end], text[end + 1 :]
    for end in ends:
        if text[:end] in known:
            raise ResultsError(f"{text[end + 1 :]!r} is no aggregate: use {text[:end]}:{AGGREGATES}")
    return None


def unknown_metric(text: str, known: Collection[str]) -> ResultsError:
    """Return the error for a metric that nobody logged; an aggregate behind its name is no part of it."""
    name, _, aggregate = text.partition(":")
    name = name if _AGGREGATE.fullmatch(aggregate) else text
    return ResultsError(
        f"no trial has a metric {name!r}{nearest(name, known)}; there are: {', '.join(known) or 'none'}"
    )
