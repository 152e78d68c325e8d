"""What became of the values of some runs."""

from __future__ import annotations

from dataclasses import dataclass

from hyperherd.plural import counted


@dataclass(frozen=True)
class Sent:
    """How many values of some runs a tracker got, and how many it did not."""

    runs: int = 0
    delivered: int = 0
    already: int = 0
    """It had them from an earlier time."""
    left_out: int = 0
    """It takes numbers only, and these are not."""
    failed: int = 0
    """Refused, or not answered, however often they were offered."""
    problems: tuple[str, ...] = ()
    """Why some failed, one for each run."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Names that the tracker does not take, and what they are called there."""

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.runs + other.runs,
            self.delivered + other.delivered,
            self.already + other.already,
            self.left_out + other.left_out,
            self.failed + other.failed,
            self.problems + other.problems,
            tuple(dict.fromkeys(self.renamed + other.renamed)),
        )

    def __str__(self) -> str:
        parts = [f"{counted(self.delivered, 'value')} delivered", f"{self.already:,} there already"]
        if self.left_out:
            parts.append(f"{self.left_out:,} that are not numbers left out")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        return f"{counted(self.runs, 'run')}: {', '.join(parts)}"
