"""The values every trial starts from, by dotted name: what conditions may ask about beside the parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_MISSING = object()


class BaseConfig(Mapping[str, Any]):
    """Chosen config groups first, then what `static` fixes, then the composed config without `hydra`.

    Looked up one by one, and remembered: a config may have thousands of values, and conditions ask about few.
    """

    def __init__(self, config: DictConfig, static: Mapping[str, Any]) -> None:
        self._config = config
        chosen = {group: choice for group, choice in group_choices(config).items() if choice != UNCHOSEN}
        self._known = {**static, **chosen}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._select(name)
        if self._known[name] is _MISSING:
            raise KeyError(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        plain = OmegaConf.to_container(self._config)
        assert isinstance(plain, dict)
        names = (name for name, value in self._known.items() if value is not _MISSING)
        yield from dict.fromkeys((*names, *_dotted({key: plain[key] for key in plain if key != "hydra"})))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _select(self, name: str) -> Any:
        if name.split(".")[0] == "hydra":
            return _MISSING
        try:
            value = OmegaConf.select(self._config, name, default=_MISSING)
            return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        except OmegaConfBaseException:  # no such name, a value that is still missing, or one that cannot be resolved
            return _MISSING


UNCHOSEN = "???"


def group_choices(config: DictConfig) -> dict[str, Any]:
    """Return the app's config groups that are in the defaults list, and what is chosen of each, if anything is."""
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    return {group: choice for group, choice in choices.items() if not str(group).startswith("hydra/")}


def where_written(config: DictConfig, key: str) -> str:
    """Return ``, in conf/experiment/wide.yaml`` for the file `hydra.sweeper.<key>` comes from; empty if none is found.

    The files that were composed are searched, the last one first, because a later one wins.
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
    names = [
        str(config.hydra.job.config_name),
        *(f"{group}/{choice}" for group, choice in config.hydra.runtime.choices.items()),
    ]
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


def _dotted(node: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
