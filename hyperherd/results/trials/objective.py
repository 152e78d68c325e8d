"""A metric as what trials are judged by, and what its name tells: which way is better, and whether it is worth seeing.

Only a finite value of a finished trial is ever ranked. Plain data: it knows no more of a trial than that it has a state
and values, so that a sweep can hold the objective that it was given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from hyperherd.records.disk.files import number
from hyperherd.records.states import TrialState
from hyperherd.results.files.trainer_files import RETURN_VALUE

MAXIMIZE = "maximize"
MINIMIZE = "minimize"
DIRECTIONS = {"max": MAXIMIZE, "min": MINIMIZE}

_VALIDATION = re.compile("val|valid|validation|dev|eval|evaluation")
_LESS_IS_BETTER = re.compile(
    "loss|losses|error|errors|err|mse|rmse|mae|mape|ppl|perplexity|nll|wer|cer|fid|kl|regret|cost|bpc|bpb|ece|brier|"
    "crossentropy|ce|bce|logloss"
)
_MORE_IS_BETTER = re.compile(
    "acc|accuracy|auc|auroc|auprc|ap|map|f1|fscore|fbeta|dice|iou|miou|jaccard|precision|recall|rewards?|rews?|returns?|"
    "score|r2|bleu|rouge|psnr|ssim|success|hits|top1|top5|likelihood|elbo|kappa|mcc|corr|correlation|spearman|pearson|"
    "winrate|ndcg|mrr|sensitivity|specificity"
)
_OF_ANOTHER = re.compile("std|stdev|stddev|sd|sem|stderr|var|variance|iqr|ci|spread|gap|diff|difference|delta")
"""Words for how far values lie apart: that of an accuracy is not an accuracy."""
_STATISTICS = re.compile(r"(?:.*/)?(?:.*_per_second|.*_runtime|total_flos)|system/.*|epoch")
"""What trainers log about the machine and the clock of a training, not about the model."""


class Judged(Protocol):
    """What an objective asks of a trial."""

    @property
    def state(self) -> TrialState:
        """How it stands."""

    def value(self, name: str, aggregate: str | None = None) -> Any:
        """Return the value of a metric."""


@dataclass(frozen=True)
class Objective:
    """A metric and which way is better."""

    metric: str
    direction: str
    """``maximize`` or ``minimize``."""
    aggregate: str | None = None
    """One of :mod:`hyperherd.results.trials.aggregates` as it was written; None: the final value, else the last."""
    source: str = "asked"
    """``asked``, ``saved`` (with the sweep, or by a callback in its trials) or ``guessed`` (from the metric's name)."""

    @property
    def label(self) -> str:
        """The metric with its aggregate, as one types it."""
        return f"{self.metric}:{self.aggregate}" if self.aggregate else self.metric

    @property
    def verdict(self) -> str:
        """``val/acc, higher is better``."""
        return f"{self.label}, {'higher' if self.direction == MAXIMIZE else 'lower'} is better"

    @property
    def spec(self) -> dict[str, str]:
        """The metric and the direction, as a trial's own records have them."""
        return {"metric": self.metric, "direction": self.direction}

    def value(self, trial: Judged) -> float | None:
        """Return what `trial` achieved, finished or not, NaN included; None if it has no such number."""
        return number(trial.value(self.metric, self.aggregate))

    def ranks(self, trial: Judged) -> bool:
        """Return whether `trial` may be compared at all."""
        value = self.value(trial)
        return trial.state.finished and value is not None and math.isfinite(value)

    def order(self, trial: Judged) -> tuple[int, float]:
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


def direction_of(name: str) -> str | None:
    """Return ``maximize`` or ``minimize`` if the words in a metric's name tell, else None."""
    if name.partition(".")[0] == RETURN_VALUE:
        return None
    words = _words(name)
    if _any(_OF_ANOTHER, words):
        return None
    if _any(_LESS_IS_BETTER, words):
        better = MINIMIZE
    elif _any(_MORE_IS_BETTER, words):
        better = MAXIMIZE
    else:
        return None
    if words.isdisjoint({"neg", "negative"}):
        return better
    return MAXIMIZE if better == MINIMIZE else MINIMIZE


def interest(name: str) -> tuple[bool, bool, int, str]:
    """Return a sort key that puts metrics worth seeing first: those that judge, on validation data before others."""
    direction = direction_of(name)
    return is_statistic(name), direction is None, preference(name, direction or MINIMIZE)[0], name


def is_statistic(name: str) -> bool:
    """Return whether a metric is about the run (``eval_runtime``, ``epoch``), which tables show if asked to."""
    return _STATISTICS.fullmatch(name) is not None


def preference(name: str, direction: str) -> tuple[int, bool]:
    """Return a sort key: a choice rests on validation data if it can, and never on test data if it need not.

    What `main` returns may be of any data, but says more of a trial than its training does.
    """
    words = _words(name)
    if name == RETURN_VALUE:
        split = 3
    elif _any(_VALIDATION, words):
        split = 0
    elif "test" in words:
        split = 2
    else:
        split = 4 if "train" in words or "training" in words else 1
    return split, direction == MINIMIZE


def _any(pattern: re.Pattern[str], words: Iterable[str]) -> bool:
    return any(pattern.fullmatch(word) for word in words)


def _words(name: str) -> frozenset[str]:
    """Return the words of a name in lower case, each also without digits at its end: ``valLoss_2`` has val and loss."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    words = re.split(r"[^a-z0-9]+", spaced)
    return frozenset({*words, *(word.rstrip("0123456789") for word in words)})
