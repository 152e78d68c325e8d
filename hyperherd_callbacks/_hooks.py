"""What the callbacks of all frameworks share: a hook of ours never breaks the training that calls it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from hyperherd.errors import TrialPruned
from hyperherd_callbacks._stream import Stream
from hyperherd_callbacks._training import Outside

Hook = TypeVar("Hook", bound=Callable[..., None])

log = logging.getLogger("hyperherd")


class Hooks:
    """The mix-in under every callback, logger and tracker: where its metrics go, and whether it has warned.

    Args:
        prefix: names the phases of the trainer where a trial has several (``fold0/``); without it they are numbered.
        options: those of :class:`hyperherd_callbacks._stream.Stream`.

    Raises:
        ValueError, TypeError: an option is not one, or is wrong.
    """

    _warned = False

    def __init__(self, prefix: str = "", **options: Any) -> None:
        super().__init__()
        self.prefix = prefix
        self._stream = Stream(**options)
        self._outside = Outside()


class CallbackHooks(Hooks):
    """The mix-in under a trainer's callback, which may pass steps over.

    Args:
        every_n_steps: keep training values each time this many steps have passed.
        prefix, options: as :class:`Hooks`.

    Raises:
        ValueError: `every_n_steps` is less than 1; and as :class:`Hooks`.
    """

    def __init__(self, every_n_steps: int = 1, prefix: str = "", **options: Any) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        super().__init__(prefix, **options)
        self.every_n_steps = every_n_steps


def harmless(hook: Hook) -> Hook:
    """Make a failure inside `hook`, a method of `Hooks`, one warning instead of the end of a training run.

    `TrialPruned` is no failure: it ends the trial.
    """

    @functools.wraps(hook)
    def guarded(self: Hooks, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except TrialPruned:
            raise
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
