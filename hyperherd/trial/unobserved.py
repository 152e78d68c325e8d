"""Whether a trial has trained with Lightning or a Hugging Face Trainer and told us nothing of it."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from typing import Any

FRAMEWORKS = {"lightning": "Lightning", "transformers": "the Trainer of transformers"}

_CALLBACKS = "hyperherd_callbacks."


def unobserved_trainer() -> str | None:
    """Return which framework has trained in this process without a callback of ours; None if none has."""
    if any(name.startswith(_CALLBACKS) for name in list(sys.modules)):
        return None
    if _has_lightning_trained():
        return "lightning"
    # Transformers loads this module when somebody names its Trainer; the object itself is gone with its last reference.
    return "transformers" if "transformers.trainer" in sys.modules else None


def _has_lightning_trained() -> bool:
    """Return whether a trainer of Lightning that has done a step is among all objects.

    It refers to itself in circles, so it is still there when the task function has returned. To look takes some
    milliseconds, and only in a process that has imported Lightning, which people do for other reasons as well.
    """
    modules = (sys.modules.get(f"{name}.trainer.trainer") for name in ("lightning.pytorch", "pytorch_lightning"))
    kinds = tuple(kind for module in modules if isinstance(kind := getattr(module, "Trainer", None), type))
    # By type: `isinstance` asks an object for its `__class__`, which in a class of the user's may raise.
    return bool(kinds) and any(issubclass(type(item), kinds) and _steps(item) > 0 for item in gc.get_objects())


def _steps(trainer: Any) -> int:
    with suppress(Exception):  # user code: it may be of a class of theirs
        return int(trainer.global_step)
    return 0
