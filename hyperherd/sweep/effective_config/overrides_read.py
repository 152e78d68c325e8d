"""The overrides of one trial, sorted by how their effect on the config can be known.

Choices of config groups and all that is not a step (a dict, an interpolation, a deletion with a value) are left to
Hydra: they are *baked* into a template that it composes. The steps of :mod:`hyperherd.sweep.validation.override_parts`
are then tried on the template; they have the same effect there as in their place among the others, because nothing
else that the trial overrides leads to their entry or lies below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hyperherd.overrides import split_key
from hyperherd.sweep.app import HydraApp
from hyperherd.sweep.validation.interpolations import ConfigPath, related
from hyperherd.sweep.validation.override_parts import Choice, PartReader, Step


@dataclass(frozen=True)
class SortedOverrides:
    """The overrides of a trial: those baked into a template, in their order, and steps on it with their paths."""

    baked: tuple[str, ...]
    steps: tuple[Step, ...]
    paths: tuple[ConfigPath, ...]


class OverrideSorter:
    """Sorts the overrides of trials of one app."""

    def __init__(self, app: HydraApp) -> None:
        self._reader = PartReader(app)
        self._parser = OverridesParser.create()
        self._paths: dict[str, ConfigPath | None] = {}
        self._apart: dict[tuple[ConfigPath | None, ...], bool] = {}

    def sort(self, texts: Sequence[str]) -> SortedOverrides | None:
        """Return the overrides sorted; None if the effect of one may depend on another."""
        baked: list[str] = []
        steps: list[Step] = []
        paths: list[ConfigPath | None] = []
        for text in texts:
            part = self._reader.read(text)
            if isinstance(part, Step):
                steps.append(part)
                paths.append(part.path)
            else:
                baked.append(text)
                if not isinstance(part, Choice):
                    paths.append(self._path(text))
        if not self._are_apart(tuple(paths)):
            return None
        return SortedOverrides(tuple(baked), tuple(steps), tuple([step.path for step in steps]))

    def _path(self, text: str) -> ConfigPath | None:
        """Return the entry that an override writes to; None if that is not certain."""
        if text not in self._paths:
            try:
                [override] = self._parser.parse_overrides([text])
            except HydraException:
                self._paths[text] = None
            else:
                # A key with brackets, escapes or a package is left to Hydra.
                name = split_key(override.get_key_element())[1]
                self._paths[text] = tuple(name.split(".")) if name.replace(".", "").isidentifier() else None
        return self._paths[text]

    def _are_apart(self, paths: tuple[ConfigPath | None, ...]) -> bool:
        if paths not in self._apart:
            self._apart[paths] = None not in paths and not any(
                related(left, right) for left, right in combinations(paths, 2) if left is not None and right is not None
            )
        return self._apart[paths]
