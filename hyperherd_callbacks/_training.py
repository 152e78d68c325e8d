"""What the records of a trial say about its training beside metrics: model, arguments, checkpoints.

Facts are recorded as plain JSON, each on its own. What is not plain stands as its text, cut; values of keys that look
like secrets are masked.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperherd.masking import masked_dict
from hyperherd.metrics.rows.values import plain
from hyperherd.trial.log import current_trial
from hyperherd.trial.notes import CHECKPOINT, STOPPED, note, noted

if TYPE_CHECKING:
    from hyperherd.trial.phases import RunningPhase

_LONGEST_TEXT = 500
_MOST_FACTS = 300
_MOST_STOPS = 99

log = logging.getLogger("hyperherd")


def facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of any kind as JSON has them."""
    named = {str(name): _fact(value) for name, value in list(values.items())[:_MOST_FACTS]}
    masked: dict[str, Any] = masked_dict(named)
    return masked


def _fact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return facts(value)
    try:
        found = plain(value, "")
    except TypeError:
        has_text = any(
            {"__str__", "__repr__"} & vars(kind).keys() for kind in type(value).__mro__[:-1]
        )  # else it tells its address
        return f"{value!s:.{_LONGEST_TEXT}}" if has_text else type(value).__name__
    return f"{found:.{_LONGEST_TEXT}}" if isinstance(found, str) else found


def model_facts(model: Any) -> dict[str, Any]:
    """Return the class of a torch module, and how many parameters it has, those that are trained included."""
    sizes = []
    for parameter in model.parameters():
        with suppress(ValueError):  # of a lazy module, whose size the first batch decides
            sizes.append((parameter.numel(), parameter.requires_grad))
    return {
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": sum(size for size, _ in sizes),
        "trained": sum(size for size, is_trained in sizes if is_trained),
    }


class Outside:
    """Names, once each, the savers whose checkpoints do not lie in the trial's directory."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def check(self, saver: str, folder: str | Path, remedy: str) -> None:
        """Warn if `folder`, where `saver` puts its checkpoints, is outside of the trial.

        Args:
            saver: what saves, as the user knows it.
            folder: absolute, or relative to the current folder.
            remedy: the line that mends it.
        """
        trial = current_trial()
        if trial is None or saver in self._named:
            return
        place, home = Path(folder).absolute().resolve(), trial.trial_dir.absolute().resolve()
        if place != home and home not in place.parents:
            self._named.add(saver)
            log.warning(
                "%s saves to %s, outside of the trial's directory: other trials may save there as well, and "
                "hyperherd.checkpoint() finds nothing to go on from. Mend it with: %s",
                saver,
                place,
                remedy,
            )


def note_checkpoint(path: str | Path, score: float | None, metric: str | None, direction: str | None) -> None:
    """Record which checkpoint the trainer takes for its best one.

    Args:
        path: of a file or folder; below the trial's directory it is recorded relative to that.
        score: the value of the metric there.
        metric: what it is judged by.
        direction: ``minimize`` or ``maximize``.
    """
    trial = current_trial()
    if trial is not None:
        written = _written(path, trial.trial_dir)
        note(CHECKPOINT, {"path": written, "score": score, "metric": metric, "direction": direction})


def _written(path: str | Path, trial_dir: Path) -> str:
    """Return a path as records have it: below the trial's directory relative to that."""
    # Unlike `Path.resolve` it never raises, on a link that leads to itself.
    place, home = (Path(os.path.realpath(item)) for item in (path, trial_dir))
    return str(place.relative_to(home)) if home in place.parents else str(place)


def note_stop(
    step: int, phase: RunningPhase | None, reason: str, saved: Callable[[], str | None] = lambda: None
) -> None:
    """Record that a training ended before it was done.

    Args:
        step: the last one.
        phase: of the training.
        reason: why, in words.
        saved: returns the checkpoint that was saved because of it, once it has been; it never raises.
    """
    trial = current_trial()
    if trial is None:
        return
    before = noted().get(STOPPED, [])[-_MOST_STOPS:]
    stop = {"step": step, "phase": (phase.name if phase is not None else None) or "", "reason": reason[:_LONGEST_TEXT]}
    home = trial.trial_dir

    def told() -> list[dict[str, Any]]:
        path = saved()
        return [*before, {**stop, "checkpoint": None if path is None else _written(path, home)}]

    note(STOPPED, told)


def settle_stops() -> None:
    """Take what was noted about stops as it is now: another training begins, and saves checkpoints of its own."""
    if stops := noted().get(STOPPED):
        note(STOPPED, stops)
