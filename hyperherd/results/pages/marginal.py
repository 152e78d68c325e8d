"""What a mean of a table is taken over, and how many trials: the sentence below the table."""

from __future__ import annotations

from hyperherd.results.statistics.configurations import AnyGroups
from hyperherd.results.statistics.marginal import is_pooled, is_selection, pooled_over
from hyperherd.results.text.format import escaped

_ERRORS = {
    "std": "mean ± std (n−1)",
    "sem": "mean ± standard error",
    "ci": "mean ± 95 % confidence (t)",
    "range": "mean and range",
}
_POOLED = {**_ERRORS, "sem": "mean ± std/sqrt(n)", "ci": "mean ± t·std/sqrt(n)"}
"""Of trials that differ in more than their seed: these have no error that seeds alone make."""


def spread_line(groups: AnyGroups, *, what: str = "group") -> str:
    """Return what the numbers are, over what they are taken, and of how many trials.

    Args:
        groups: those of the table.
        what: the word for one of them.
    """
    if groups.keys and not is_selection(groups):
        return f"{_ERRORS[groups.err]}, finished trials only"
    over = ", ".join(map(escaped, pooled_over(groups)))
    if is_pooled(groups):
        told = f"{_POOLED[groups.err]} over {over}: {_count(groups)} {what}, finished trials only"
        rest = " (--rest best: the best configuration instead of the mean of all)" if groups.objective else ""
        return f"{told}; this spread is not one over seeds{rest}"
    if is_selection(groups):
        seeds = f" over {over}" if over else ""
        return (
            f"the best configuration of each {what}, {_ERRORS[groups.err]}{seeds}, finished trials only; it was chosen "
            "by this mean, which is therefore too good on average"
        )
    if not over:
        return f"{_ERRORS[groups.err]}, finished trials only"
    return f"{_ERRORS[groups.err]} over {over}: {_count(groups)} {what}, finished trials only"


def _count(groups: AnyGroups) -> str:
    judges = [groups.objective] if groups.objective else groups.trials.objectives
    counts = [count for group in groups for objective in judges if (count := group.judged(objective).n)]
    least, most = min(counts, default=0), max(counts, default=0)
    return f"n={most} per" if least == most else f"n={least} to {most} per"
