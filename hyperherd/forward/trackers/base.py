"""What every tracker answers, and how a package that is missing is named."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hyperherd.errors import ResultsError
from hyperherd.forward.runs import Run
from hyperherd.forward.sent import Sent

if TYPE_CHECKING:
    from typing_extensions import Self


class Tracker(ABC):
    """Takes runs. Sending one again sends what is new, and nothing twice, whatever killed an earlier call.

    In a ``with`` statement it is closed at the end.
    """

    @abstractmethod
    def send(self, run: Run) -> Sent:
        """Send what it does not have of a run yet.

        Raises:
            OSError: it cannot be written to, or its ledger cannot.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what it holds."""


def needed(module: str, extra: str) -> Any:
    """Import a module of a tracker's package.

    Raises:
        ResultsError: it is not installed, or does not go with what is installed beside it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What their packages warn about themselves.
            return import_module(module)
    except ModuleNotFoundError as error:
        raise ResultsError(f"{extra} is not installed ({error}): pip install 'hydra-hyperherd[{extra}]'") from None
    except (ImportError, AttributeError) as error:  # An old one with a new numpy, for example.
        raise ResultsError(f"{extra} cannot be used as it is installed ({error}); upgrade it") from None
