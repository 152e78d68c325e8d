"""What the callbacks of all frameworks share: a hook of ours never breaks the training that calls it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from hyperherd_callbacks._stream import Stream
from hyperherd_callbacks._training import Outside

Hook = TypeVar("Hook", bound=Callable[..., None])

log = logging.getLogger("hyperherd")


class Hooks:
    """The mix-in under every callback: where its metrics go, and whether it has warned.

    Args:
        every_n_steps: keep training values each time this many steps have passed.
        prefix: names the phases of the trainer where a trial has several (``fold0/``); without it they are numbered.
        include: patterns of the metrics to keep, as in a shell (``val/*``); None for all.
        exclude: patterns of metrics to leave out, also of those that `include` names.
        arrays: whether arrays and tensors of several elements are kept, as by :func:`hyperherd.log_array`.
        objective: the metric by which the trial is judged, unless its sweep says.
        direction: ``minimize`` or ``maximize``; an objective needs one.

    Raises:
        ValueError: `every_n_steps` is less than 1, or `direction` is missing or another word.
        TypeError: a pattern is not text.
    """

    _warned = False

    def __init__(
        self,
        every_n_steps: int = 1,
        prefix: str = "",
        *,
        include: str | Iterable[str] | None = None,
        exclude: str | Iterable[str] = (),
        arrays: bool = False,
        objective: str | None = None,
        direction: str | None = None,
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        super().__init__()
        self.every_n_steps = every_n_steps
        self.prefix = prefix
        self._stream = Stream(include=include, exclude=exclude, arrays=arrays, objective=objective, direction=direction)
        self._outside = Outside()


def harmless(hook: Hook) -> Hook:
    """Make a failure inside `hook`, a method of `Hooks`, one warning instead of the end of a training run."""

    @functools.wraps(hook)
    def guarded(self: Hooks, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception:  # The boundary to the user's training: an error of ours must not end it.
            if not self._warned:
                self._warned = True
                # Logged, for under `-W error` warnings.warn would raise.
                log.warning(
                    "Metrics of this trial are incomplete; training continues. Further warnings are suppressed.",
                    exc_info=True,
                )

    return cast(Hook, guarded)


def build(name: str, module: str, hooks: type[Hooks], base: type[Any]) -> type[Any]:
    """Return the callback class `module.name`: our hooks over the framework's base class, picklable by that name."""
    return type(name, (hooks, base), {"__module__": module, "__qualname__": name, "__doc__": hooks.__doc__})
