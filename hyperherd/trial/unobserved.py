"""Whether a trial has trained with Lightning or a Hugging Face Trainer and told us nothing of it."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from typing import Any

FRAMEWORKS = {"lightning": "Lightning", "transformers": "the Trainer of transformers"}

_TRAINERS = {
    "lightning.pytorch.trainer.trainer": "lightning",
    "pytorch_lightning.trainer.trainer": "lightning",
    "transformers.trainer": "transformers",
}
_CALLBACKS = "hyperherd_callbacks."


def unobserved_trainer() -> str | None:
    """Return which framework has trained in this process without a callback of ours; None if none has.

    Trainers are looked for among all objects: nothing else knows of them. That takes some milliseconds, and only in a
    process that has imported one. A trainer that is gone already is not found.
    """
    if any(name.startswith(_CALLBACKS) for name in list(sys.modules)):
        return None
    kinds = {
        kind: framework
        for name, framework in _TRAINERS.items()
        if isinstance(kind := getattr(sys.modules.get(name), "Trainer", None), type)
    }
    if not kinds:
        return None
    for item in gc.get_objects():
        for kind, framework in kinds.items():
            # By type: `isinstance` asks an object for its `__class__`, which in a class of the user's may raise.
            if issubclass(type(item), kind) and _steps(item):
                return framework
    return None


def _steps(trainer: Any) -> int:
    """Return how many steps a trainer has done; Lightning's knows itself, the other one's state knows."""
    with suppress(Exception):  # user code: it may be of a class of theirs
        state = trainer.state
        return int(getattr(state, "global_step", 0) or getattr(trainer, "global_step", 0))
    return 0
