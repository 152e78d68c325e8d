"""What trials are judged by, in words, and on whose word."""

from __future__ import annotations

from hyperherd.results.files.trainer_files import RETURN_VALUE
from hyperherd.results.text.format import escaped
from hyperherd.results.trials.collection import TrialCollection
from hyperherd.results.trials.judging import different_objectives, undecided
from hyperherd.results.trials.metric_names import has_metric
from hyperherd.results.trials.objective import in_words

_NAMED = 8


def ranking(trials: TrialCollection) -> str:
    """Return in words what the trials are ranked by, and on whose word."""
    objective = trials.objective
    if trials.objectives:
        told = f"judged by several objectives: {escaped(in_words(trials.objectives))}"
        saved = all(one.source == "saved" for one in trials.objectives)
        told += " (the sweep's; -m METRIC for one)" if saved else ""
        if unlogged := [one.label for one in trials.objectives if not has_metric(one.metric, trials)]:
            told += f"; no trial has logged {escaped(' and '.join(unlogged))}"
        return told
    if objective is None:
        why = "no metric's name shows whether higher or lower is better"
        if several := different_objectives(trials):
            why = f"these trials have different objectives ({escaped('; '.join(several))})"
        elif tied := undecided(trials):
            return f"not ranked: {escaped(tied)}"
        if not trials.metric_names:
            return "not ranked: no metric was logged"
        return f"not ranked: {why}; choose one with -m METRIC --direction max|min; available: {_available(trials)}"
    if not has_metric(objective.metric, trials):
        text = f"not ranked: no trial has logged {escaped(objective.label)}, the sweep's objective"
        return text + (f"; logged: {_available(trials)} (-m METRIC to choose)" if trials.metric_names else "")
    text = f"ranked by {escaped(objective.verdict)}"
    if objective.source == "guessed":
        told = "what main returned; a guess" if objective.metric == RETURN_VALUE else "guessed from its name"
        text += f" ({told}; -m METRIC to change)"
    if objective.source == "saved":
        text += " (the sweep's objective)"
    return text


def is_unsure(trials: TrialCollection) -> bool:
    """Whether what the trials are judged by is a guess, or several metrics are equally likely to be it."""
    if trials.objectives:
        return False
    return trials.objective.source == "guessed" if trials.objective else bool(undecided(trials))


def _available(trials: TrialCollection) -> str:
    names = trials.metric_names
    more = f", ... {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return escaped(", ".join(names[:_NAMED])) + more
