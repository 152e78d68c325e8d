"""Offering something to a tracker that may be away for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try."""
_MOST_IN_A_ROW = 20
"""Failures one after the other, after which no more is offered of a run: the tracker is away."""


class Retries:
    """Calls what may fail, again after pauses; once something has failed for good, others get one try each.

    Args:
        pauses: seconds before each further try.
        sleep: waits.
    """

    def __init__(self, pauses: Sequence[float] = PAUSES, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pauses = pauses
        self._sleep = sleep
        self._in_a_row = 0

    @property
    def has_given_up(self) -> bool:
        """Whether so much has failed in a row that the tracker must be away."""
        return self._in_a_row >= _MOST_IN_A_ROW

    def begin(self) -> None:
        """Start with another run, which gets a few tries even so."""
        self._in_a_row = min(self._in_a_row, _MOST_IN_A_ROW - 1)

    def offer(self, call: Callable[[], object], is_final: Callable[[Exception], bool] = lambda _: False) -> str:
        """Call until it works; return the last error in words, or an empty string.

        Args:
            call: what to do.
            is_final: whether an error will come again however often one tries.
        """
        error: Exception | None = None
        for pause in (0.0, *(() if self._in_a_row else self._pauses)):
            if pause:
                self._sleep(pause)
            try:
                call()
            except Exception as found:  # noqa: BLE001 - another program's store or server, which may raise anything
                error = found
                if is_final(found):  # It has answered, so it is not away.
                    self._in_a_row = 0
                    return f"{type(error).__name__}: {error}"
            else:
                self._in_a_row = 0
                return ""
        self._in_a_row += 1
        return f"{type(error).__name__}: {error}"
