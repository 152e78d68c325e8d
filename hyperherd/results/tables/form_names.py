"""The formats of a table, by name, for who must know them before anything is read: options, suffixes, help.

What writes one stands in `formats`; this module imports nothing, because ``--help`` must be instant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """One format."""

    is_for_people: bool = False
    """Rounded, and a row per configuration where a seed repeats one; else exact, and a row per trial."""
    suffixes: tuple[str, ...] = ()
    """What a file of `-o` may end in, besides the format's name."""


FORMS = {
    "table": Form(is_for_people=True, suffixes=("txt",)),
    "tsv": Form(),
    "csv": Form(),
    "json": Form(),
    "jsonl": Form(),
    "md": Form(is_for_people=True),
    "latex": Form(is_for_people=True, suffixes=("tex",)),
    "html": Form(is_for_people=True, suffixes=("htm",)),
    "parquet": Form(),
}
"""All there are, in the order in which help lists them."""


def form_of_suffix(suffix: str) -> str | None:
    """Return the format that a file's suffix (without the dot) means."""
    return next((name for name, form in FORMS.items() if suffix == name or suffix in form.suffixes), None)
