"""What the callbacks of all frameworks share: a hook of ours never breaks the training that calls it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

Hook = TypeVar("Hook", bound=Callable[..., None])

log = logging.getLogger("hyperherd")


class Hooks:
    """The mix-in under every callback: remembers whether it has warned."""

    _warned = False


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
