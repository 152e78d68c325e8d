"""What every tracker answers, and how a package that is missing is named."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any

from hyperherd.errors import ResultsError
from hyperherd.forward.runs import Run
from hyperherd.forward.sent import Sent


class Tracker(ABC):
    """Takes runs. Sending one again sends what is new, and nothing twice, whatever killed an earlier call."""

    @abstractmethod
    def send(self, run: Run) -> Sent:
        """Send what it does not have of a run yet.

        Raises:
            OSError: it cannot be written to, or its ledger cannot.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what it holds."""


def needed(module: str, extra: str) -> Any:
    """Import a module of a tracker's package.

    Raises:
        ResultsError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What their packages warn about themselves.
            return import_module(module)
    except ImportError as error:
        raise ResultsError(f"{extra} is not installed ({error}): pip install 'hydra-hyperherd[{extra}]'") from None
