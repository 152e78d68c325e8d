"""`config.json`: the config that a trial ran with, resolved, and what was chosen of each config group.

Invariant: what differs between two trials of one choice of groups, beyond their parameters and what belongs to one
trial alone, differs in their hashes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.paths import FORMAT, TrialPaths
from hyperherd.records.disk.files import dumps, read_json, replace_bytes

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T_ /-]{1,3}\d\d[-:.]\d\d")
_SHORTEST_PATH = 4


@dataclass(frozen=True)
class KeptSettings:
    """What a trial ran with beside its parameters, in short."""

    choices: dict[str, Any]
    """Config group -> what was chosen of it."""
    config_hash: str
    """Of its config without its parameters (docs/format.md)."""
    versions: dict[str, Any] = field(default_factory=dict)
    """Of its code, and of the packages that train."""


@dataclass(frozen=True)
class KeptConfig:
    """The content of `config.json`; docs/format.md explains each field."""

    choices: dict[str, Any]
    config: dict[str, Any]
    interpolations: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def written_values(self) -> dict[str, Any]:
        """The values by dotted name; where they follow from others, the text of the interpolation."""
        values: dict[str, Any] = {}
        pending = [("", self.config)]
        while pending:
            prefix, node = pending.pop()
            for key, value in node.items():
                name = f"{prefix}{key}"
                if name in self.interpolations:
                    values[name] = self.interpolations[name]
                elif isinstance(value, dict) and value:
                    pending.append((f"{name}.", value))
                elif isinstance(value, list):
                    values[name] = self._written_list(name, value)
                else:
                    values[name] = value
        return values

    def _written_list(self, name: str, value: list[Any]) -> Any:
        texts = [text for place, text in self.interpolations.items() if place.startswith(f"{name}.")]
        return ", ".join(texts) if texts else value

    def write(self, trial_dir: Path) -> None:
        """Replace the `config.json` of `trial_dir`."""
        data = dumps({"format": FORMAT, **asdict(self)}) + "\n"
        replace_bytes(TrialPaths(trial_dir).config, data.encode("utf-8", "surrogatepass"), durable=False)

    @classmethod
    def read(cls, trial_dir: Path) -> KeptConfig:
        """Read the `config.json` of `trial_dir`.

        Raises:
            OSError: there is none, or it may not be read.
            FormatError: it is broken, or of a newer format; the message names the file.
        """
        path = TrialPaths(trial_dir).config
        raw = read_json(path)
        kept = cls(
            raw.get("choices", {}), raw.get("config", {}), raw.get("interpolations", {}), raw.get("left_out", [])
        )
        maps = all(isinstance(item, dict) for item in (kept.choices, kept.config, kept.interpolations))
        if not maps or not isinstance(kept.left_out, list):
            raise FormatError(f"{path} does not hold the config of a trial")
        return kept


def interpolations(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts with interpolations by dotted name."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str) and "${" in value:
            yield f"{prefix}{key}", value
        elif isinstance(value, dict | list):
            yield from interpolations(value, f"{prefix}{key}.")


def own_choices(choices: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what is chosen of the app's config groups, without Hydra's own."""
    return {str(group): choice for group, choice in choices.items() if not str(group).startswith("hydra/")}


def is_of_one_trial(value: Any, places: Collection[str]) -> bool:
    """Return whether a value of a config belongs to one trial alone: a time, or a text with one of `places` in it."""
    if not isinstance(value, str):
        return False
    # A short one, such as "/" or "s", is part of many texts.
    return any(place in value for place in places if len(place) >= _SHORTEST_PATH) or bool(_TIME.search(value))


def config_hash(config: Mapping[Any, Any], params: Collection[str], places: Collection[str]) -> str:
    """Return a hash of a config as it is written, without parameters and without what belongs to one trial alone.

    Args:
        config: unresolved, without `hydra`.
        params: dotted names to leave out, with what is below them.
        places: the directories of the trial and its sweep, and its name.
    """
    kept = _without(config, frozenset(params), places, "")
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _without(node: Any, names: Collection[str], places: Collection[str], prefix: str) -> Any:
    if isinstance(node, Mapping):
        return {
            str(key): _without(value, names, places, f"{prefix}{key}.")
            for key, value in node.items()
            if f"{prefix}{key}" not in names
        }
    if isinstance(node, list | tuple):
        # No parameter's name leads into a list.
        return [_without(value, (), places, "") for value in node]
    return None if is_of_one_trial(node, places) else node
