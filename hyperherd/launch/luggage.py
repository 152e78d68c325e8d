"""What an interpreter needs that runs a job of a script it was not started with: what it unpickles, and its looks."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import Any

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import setup_globals


@dataclass(frozen=True)
class Luggage:
    """Something pickled in the script's process, with what has to be known before it can be unpickled in another."""

    path: list[str]
    argv: list[str]
    file: str | None
    module: str | None
    content: bytes

    @classmethod
    def pack(cls, content: Any) -> Luggage:
        """Pack `content` together with Hydra's state; whatever pickling it raises goes on."""
        script = sys.modules["__main__"]
        spec = getattr(script, "__spec__", None)
        file = getattr(script, "__file__", None)
        pickled = cloudpickle.dumps((content, Singleton.get_state()), pickle.HIGHEST_PROTOCOL)
        return cls(list(sys.path), list(sys.argv), file, spec and spec.name, pickled)

    def unpack(self) -> Any:
        """Look like the script from here on, and return the content.

        Those who start the script again (Lightning's further ranks) or name themselves by it look at its looks.
        """
        sys.path[:], sys.argv[:] = self.path, self.argv
        script: Any = sys.modules["__main__"]
        script.__file__ = self.file
        script.__spec__ = ModuleSpec(self.module, None) if self.module else None
        setup_globals()
        content, singletons = cloudpickle.loads(self.content)
        Singleton.set_state(singletons)
        return content
