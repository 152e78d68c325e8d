"""What a sweep does about failures: try a few trials first, retry a failed one, stop after too many failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hyperherd.errors import SweepError, nearest
from hyperherd.launch.base import TrialJob, TrialLauncher
from hyperherd.launch.options import note_once
from hyperherd.plural import counted
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.records.status import TrialStatus
from hyperherd.records.trial import TrialError

CAUSES = (*(cause.value for cause in FailureCause), TrialState.LOST.value)
"""What may be written under `hydra.sweeper.retry`."""

_FACTORS = {
    "oom": ("mem_factor", "mem_gb"),
    "timeout": ("time_factor", "timeout_min"),
}
"""Cause -> the factor that may stand beside `times`, and the resource it multiplies."""


@dataclass(frozen=True)
class Retry:
    """How often a trial is run again after failures of one cause, with how much more of the resource it ran out of."""

    times: int
    factor: float = 1.0


@dataclass(frozen=True)
class Policy:
    """`retry`, `canary`, `stop_after_failures` and `stop_after_same_error` of `hydra.sweeper`.

    Attributes:
        retry: cause -> what is done about it.
        canary: this many trials run alone first; the others start if none of these failed.
        failures: stop at this many failed trials; below 1 it is a share of those that are to run or awaited.
        same_error: stop at this many trials that failed with the same exception at the same place.
    """

    retry: Mapping[str, Retry] = field(default_factory=dict)
    canary: int | None = None
    failures: float | None = None
    same_error: int | None = None


def read_policy(raw: Mapping[str, Any]) -> Policy:
    """Read the four keys of `hydra.sweeper`.

    Raises:
        SweepError: a value that is not valid; the message names its key.
    """
    for key in ("canary", "stop_after_same_error"):
        if raw.get(key) is not None and not _is_count(raw[key]):
            raise SweepError(
                f"hydra.sweeper.{key} is {raw[key]!r}; expected a positive whole number, or null for never"
            )
    return Policy(
        _read_retry(raw.get("retry")),
        raw.get("canary"),
        _read_failures(raw.get("stop_after_failures")),
        raw.get("stop_after_same_error"),
    )


def _read_retry(raw: Any) -> dict[str, Retry]:
    if raw is None:
        return {}
    if _is_count(raw, at_least=0):
        return {cause: Retry(raw) for cause in CAUSES}
    if not isinstance(raw, dict):
        raise SweepError(
            f"hydra.sweeper.retry is {raw!r}; expected a number, or a map such as "
            f"{{oom: {{times: 2, mem_factor: 1.5}}, node_failure: 3}}"
        )
    for cause in raw:
        if cause not in CAUSES:
            raise SweepError(
                f"hydra.sweeper.retry.{cause} is not a failure cause{nearest(str(cause), CAUSES)}; "
                f"expected one of {', '.join(CAUSES)}"
            )
    return {cause: _read_rule(cause, rule) for cause, rule in raw.items()}


def _read_rule(cause: str, raw: Any) -> Retry:
    rule = raw if isinstance(raw, dict) else {"times": raw}
    factor_key = _FACTORS.get(cause, (None,))[0]
    allowed = ("times", factor_key) if factor_key else ("times",)
    for key in rule:
        if key not in allowed:
            raise SweepError(f"hydra.sweeper.retry.{cause}.{key} is not a known key; expected {' or '.join(allowed)}")
    factor = rule.get(factor_key, 1.0) if factor_key else 1.0
    if not _is_count(rule.get("times"), at_least=0):
        raise SweepError(f"hydra.sweeper.retry.{cause} is {raw!r}; expected a count, e.g. {cause}: {{times: 2}}")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1 <= factor < math.inf:
        raise SweepError(f"hydra.sweeper.retry.{cause}.{factor_key} is {factor!r}; it must be a number >= 1")
    return Retry(rule["times"], factor)


def _read_failures(raw: Any) -> float | None:
    if raw is None:
        return None
    if _is_count(raw):
        return float(raw)
    text = str(raw).strip()
    if text.endswith("%"):
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = 0.0
        if 0 < share < 1:
            return share
    raise SweepError(
        f"hydra.sweeper.stop_after_failures is {raw!r}; expected a number of trials, or a share such as 20%"
    )


def _is_count(value: Any, at_least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def check_policy(policy: Policy, launcher: TrialLauncher) -> None:
    """Refuse what cannot be enforced with `launcher`; a factor of what only clusters give is noted elsewhere.

    Raises:
        SweepError: nobody would wait to do it, or there is nothing that a factor could multiply.
    """
    if not launcher.waits and policy != Policy():
        raise SweepError(
            "hydra.launcher.wait=false exits after submitting, so hydra.sweeper.retry, canary, stop_after_failures and "
            "stop_after_same_error cannot be enforced; remove them or set hydra.launcher.wait=true"
        )
    for cause, rule in policy.retry.items():
        if rule.factor == 1:
            continue
        key, resource = _FACTORS[cause]
        if resource not in launcher.resources:
            note_once(
                f"hydra.sweeper.retry.{cause}.{key}: {launcher.name} cannot set {resource} per trial, so a retry has "
                f"what the first attempt had"
            )
        elif launcher.resources[resource] is None and launcher.has_queue:
            raise SweepError(
                f"hydra.sweeper.retry.{cause}.{key} has no value to multiply; set hydra.launcher.{resource}"
            )


class FailureTracker:
    """Counts the failures of one launch, and decides what follows from them.

    Args:
        policy: what was asked for.
        launcher: whose resources are multiplied.
        trials: how many are to run or awaited.
    """

    def __init__(self, policy: Policy, launcher: TrialLauncher, trials: int) -> None:
        self.policy = policy
        self._resources = launcher.resources
        self._trials = trials
        self._retried: Counter[tuple[int, str]] = Counter()
        self._failed: set[int] = set()
        self._errors: Counter[str] = Counter()

    def again(self, job: TrialJob, status: TrialStatus, attempt: int) -> TrialJob | None:
        """Return the job that runs a failed trial again as `attempt`, or None if it has failed for good."""
        cause = _cause(status)
        rule = self.policy.retry.get(cause or "")
        if cause is None or rule is None or self._retried[job.number, cause] >= rule.times:
            return None
        # By cause: running out of memory does not use up the retries after a timeout.
        self._retried[job.number, cause] += 1
        return replace(job, attempt=attempt, resources=self._more(job.resources, cause, rule.factor))

    def failed(self, number: int, error: TrialError | None) -> None:
        """Note that a trial has failed for good."""
        self._failed.add(number)
        if error is not None:
            self._errors[signature(error)] += 1

    @property
    def failed_for_good(self) -> frozenset[int]:
        """The numbers of the trials that have failed and are not run again."""
        return frozenset(self._failed)

    @property
    def verdict(self) -> str:
        """Why the sweep is to stop; empty if it is to continue."""
        failures, limit = len(self._failed), self.policy.failures
        if limit is not None and failures >= (limit if limit >= 1 else limit * self._trials):
            return f"{counted(failures, 'trial')} failed (hydra.sweeper.stop_after_failures)"
        if self.policy.same_error is not None and self._errors:
            error, times = self._errors.most_common(1)[0]
            if times >= self.policy.same_error:
                failed = counted(times, "trial")
                return f"{failed} failed with the same error (hydra.sweeper.stop_after_same_error): {error}"
        return ""

    def canary_verdict(self, canary: Iterable[int]) -> str:
        """Why the trials behind the canary are not to start; empty if they are."""
        return "a canary trial failed (hydra.sweeper.canary)" if self._failed.intersection(canary) else ""

    def _more(self, resources: Mapping[str, Any], cause: str, factor: float) -> Mapping[str, Any]:
        if factor == 1:
            return resources
        resource = _FACTORS[cause][1]
        # From what the last attempt had, so the factors of several retries multiply.
        before = resources.get(resource, self._resources.get(resource))
        can_have_more = before is not None and resource in self._resources
        return {**resources, resource: before * factor} if can_have_more else resources


def _cause(status: TrialStatus) -> str | None:
    # A state of its own without a cause, which can be retried like one.
    if status.state is TrialState.LOST:
        return str(status.state)
    return str(status.cause) if status.state is TrialState.FAILED and status.cause else None


def signature(error: TrialError) -> str:
    """Return what makes two errors the same one: type and place. Messages contain values, which differ."""
    lines = [line.strip() for line in error.traceback.splitlines() if line.strip().startswith("File ")]
    return f"{error.type} at {lines[-1]}" if lines else error.type
