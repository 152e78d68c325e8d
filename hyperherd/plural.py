"""Numbers of things in messages: ``1 trial``, ``2 trials``."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return e.g. ``1 trial`` or ``5,000 trials``; `noun` is singular and takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
