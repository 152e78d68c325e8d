"""What `herd-results work` hands to the script it starts, in the environment: sweep nothing, work in this folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperherd.errors import SweepError

VARIABLE = "HYPERHERD_WORK"


@dataclass(frozen=True)
class Order:
    """An order to work.

    Attributes:
        folder: the sweep's, absolute.
        at_once: how many trials run side by side.
        ignore_policy: whether to work although nobody enforces the policy on failures of the sweep.
    """

    folder: str
    at_once: int
    ignore_policy: bool

    @property
    def sweep_dir(self) -> Path:
        """The sweep's folder."""
        return Path(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """The variable that hands it over."""
        return {VARIABLE: json.dumps(asdict(self))}


def take_order() -> Order | None:
    """Return the order that this process was started with; once, so that what its trials start gets none."""
    text = os.environ.pop(VARIABLE, None)
    if text is None:
        return None
    try:
        return Order(**json.loads(text))
    except (ValueError, TypeError):
        raise SweepError(f"{VARIABLE} is set by herd-results work alone; unset it") from None
