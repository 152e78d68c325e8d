"""Reads what Hydra itself writes beside a job, so that a multirun that never saw HyperHerd has a table too.

Keys come from `overrides.yaml` and values from `config.yaml`, because an override's text has no type yet. Hydra is
never imported, and OmegaConf only for a value that is an interpolation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

import yaml

from hyperherd.errors import FormatError
from hyperherd.paths import TrialPaths

_ABSENT = object()
_FAST_BYTES = 10_000_000
_FAST_OPENERS = 5_000
_FLOAT = re.compile(
    # From omegaconf._utils.get_yaml_loader.
    r"""^(?:
     [-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)
    |\.[0-9]+(?:_[0-9]+)*(?:[eE][-+][0-9]+)?
    |[-+]?[0-9]+(?:_[0-9]+)*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.X,
)


@dataclass(frozen=True)
class HydraJob:
    """The overrides of one job, and the typed values they led to."""

    overrides: tuple[str, ...]
    params: dict[str, Any]


@dataclass(frozen=True)
class HydraOrigin:
    """Where a job came from, as far as `hydra.yaml` or `multirun.yaml` tells."""

    script: str = ""
    number: int | None = None


def read_job(trial_dir: Path) -> HydraJob:
    """Read `overrides.yaml` and `config.yaml` below the `.hydra` of `trial_dir`.

    Raises:
        OSError: one of them is missing or closed to us.
        FormatError: one of them is not what Hydra writes.
    """
    folder = TrialPaths(trial_dir).hydra
    overrides = read_yaml(folder / "overrides.yaml")
    if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
        raise FormatError(f"{folder / 'overrides.yaml'} holds no list of overrides")
    config = read_config(trial_dir)
    return HydraJob(tuple(overrides), dict(_param(override, config) for override in overrides))


def read_config(trial_dir: Path) -> dict[str, Any]:
    """Read `config.yaml`, interpolations as text.

    Raises:
        OSError: it is missing or closed to us.
        FormatError: it is not what Hydra writes.
    """
    path = TrialPaths(trial_dir).hydra / "config.yaml"
    config = read_yaml(path)
    if not isinstance(config, dict):
        raise FormatError(f"{path} holds no config")
    return config


def read_origin(path: Path) -> HydraOrigin:
    """Read the script and the job number from a `hydra.yaml` or `multirun.yaml`; empty where they are not told."""
    try:
        hydra = read_yaml(path)["hydra"]
        number = hydra["job"].get("num")
        return HydraOrigin(_script(hydra), number if isinstance(number, int) else None)
    except (OSError, FormatError, KeyError, TypeError, AttributeError):
        return HydraOrigin()


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, read as OmegaConf reads it (``1e-4`` is a float), interpolations as text.

    Raises:
        OSError: it cannot be read.
        FormatError: it is no YAML.
    """
    try:
        text = path.read_bytes()
        return yaml.load(text, _loader(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise FormatError(f"{path} is not valid YAML: {first_line}") from None


def _param(override: str, config: dict[str, Any]) -> tuple[str, Any]:
    name, _, text = override.lstrip("+").partition("=")
    value = _lookup(config, name)
    # A group's choice is a whole mapping in the config, or lies elsewhere; people know it by its name.
    if value is _ABSENT or (isinstance(value, dict) and not text.startswith("{")):
        return name, _unquoted(text)
    return name, _resolved(config, name, value)


def _lookup(config: dict[str, Any], name: str) -> Any:
    node: Any = config
    for part in name.split("."):
        if not isinstance(node, dict) or part not in node:
            return _ABSENT
        node = node[part]
    return node


def _resolved(config: dict[str, Any], name: str, value: Any) -> Any:
    """Return the value an interpolation points at; one that calls a resolver stays as written: its moment is gone."""
    if not isinstance(value, str) or "${" not in value or ":" in value:
        return value
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.select(OmegaConf.create(config), name)
        return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found
    except OmegaConfBaseException:
        return value


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _script(hydra: dict[str, Any]) -> str:
    """Return the script the job most likely ran: Hydra keeps its name, but not its place."""
    name = f"{hydra['job']['name']}.py"
    return next((str(folder / name) for folder in _script_folders(hydra) if (folder / name).is_file()), "")


def _script_folders(hydra: dict[str, Any]) -> Iterator[Path]:
    yield Path(hydra["runtime"]["cwd"])
    for source in hydra["runtime"]["config_sources"]:
        if source["provider"] == "main" and source["schema"] == "file":
            yield Path(source["path"])
            yield Path(source["path"]).parent


def _untagged(loader: Any, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        items = loader.construct_sequence(node, deep=True)
        return str(PurePath(*map(str, items))) if "pathlib" in tag else items
    return node.value


def _like_omegaconf(base: Any) -> Any:
    """Return a loader with OmegaConf's rules: more spellings are floats, none is a date; an unknown tag is ignored."""

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    Loader.add_multi_constructor("", _untagged)
    return Loader


_SAFE = _like_omegaconf(yaml.SafeLoader)
_FAST = _like_omegaconf(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _loader(text: bytes) -> Any:
    """Return the fast loader, or the slow one for a text that might nest deep enough to overflow the C stack."""
    deep = len(text) > _FAST_BYTES or sum(text.count(opener) for opener in b"[{-?") > _FAST_OPENERS
    return _SAFE if deep else _FAST
