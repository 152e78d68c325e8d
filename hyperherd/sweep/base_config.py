"""What a composed config contains about itself: which groups were chosen, and which file a setting comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

UNCHOSEN = "???"


def group_choices(config: DictConfig) -> dict[str, Any]:
    """Return the app's config groups that are in the defaults list, and what is chosen of each, if anything is."""
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    return {group: choice for group, choice in choices.items() if not str(group).startswith("hydra/")}


def where_written(config: DictConfig, key: str) -> str:
    """Return ``, in conf/experiment/wide.yaml`` for the file `hydra.sweeper.<key>` comes from; empty if none is found.

    The files that were composed are searched, the last one first, because a later one takes precedence.
    """
    # Unresolved: an override may be an interpolation that only a job can resolve, such as ${hydra.job.id}.
    given: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    if any(f"hydra.sweeper.{key}" in text for text in given):
        return ", on the command line"
    for path in reversed(list(_composed_files(config))):
        if _has(path, key):
            near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return f", in {near}"
    return ""


def _composed_files(config: DictConfig) -> Iterator[Path]:
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)  # one that must still be made is ???
    names = [str(config.hydra.job.config_name), *(f"{group}/{choice}" for group, choice in choices.items())]
    for source in config.hydra.runtime.config_sources:
        if source.schema != "file" or source.provider == "hydra-hyperherd":
            continue
        for name in names:
            path = Path(source.path, name if name.endswith(".yaml") else f"{name}.yaml")
            if path.exists():
                yield path


def _has(path: Path, key: str) -> bool:
    try:
        loaded = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return False
    for node in ("hydra", "sweeper"):
        if isinstance(loaded, dict) and isinstance(loaded.get(node), dict):
            loaded = loaded[node]
    return isinstance(loaded, dict) and bool(loaded.get(key))


def names_of(config: DictConfig) -> Iterator[str]:
    """Yield the dotted names of everything in a composed config but Hydra's own, for messages."""
    plain: Any = OmegaConf.to_container(config)
    yield from _dotted({key: value for key, value in plain.items() if key != "hydra"})


def _dotted(node: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
