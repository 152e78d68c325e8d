"""Reads what Hydra itself writes beside a job, so that a multirun that never saw HyperHerd has a table too.

Keys come from `overrides.yaml` and values from `config.yaml`, because an override's text has no type yet. Neither Hydra
nor OmegaConf is imported: nothing in these files calls a resolver.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperherd.errors import FormatError
from hyperherd.masking import masked_dict, masked_params, masked_words
from hyperherd.paths import TrialPaths
from hyperherd.records.config import own_choices
from hyperherd.records.disk import kinds
from hyperherd.records.disk.guarded import read_regular
from hyperherd.records.places import in_place
from hyperherd.results.files.references import followed_value

_ABSENT = object()
_CHOICES = re.compile(r"^    choices:\n((?:      .*\n)+)", re.M)
"""As OmegaConf writes `hydra.runtime.choices`."""


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


_MOST_BYTES = 16 << 20
"""Of a `hydra.yaml`."""


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds (see :func:`hyperherd.results.files.yaml_files.read_yaml`)."""
    from hyperherd.results.files.yaml_files import read_yaml  # Tables of our own trials need no YAML.

    return read_yaml(path)


def parse_yaml(text: str, path: Path) -> Any:
    """Return what some lines of a YAML file hold."""
    from hyperherd.results.files.yaml_files import parse_yaml

    return parse_yaml(text.encode(), path)


def read_job(trial_dir: Path) -> HydraJob:
    """Read `overrides.yaml` and `config.yaml` below the `.hydra` of `trial_dir`.

    Raises:
        OSError: one of them is missing or closed to us.
        FormatError: one of them is not what Hydra writes.
    """
    folder = hydra_folder(trial_dir)
    overrides = read_yaml(in_place(folder / "overrides.yaml", trial_dir))
    if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
        raise FormatError(f"{folder / 'overrides.yaml'} is not a list of overrides")
    config = read_config(trial_dir)
    params = masked_params(dict(_param(override, config) for override in overrides))
    return HydraJob(masked_words(overrides), params)


def read_config(trial_dir: Path) -> dict[str, Any]:
    """Read `config.yaml`, interpolations as text, and values of keys that look like secrets masked.

    Raises:
        OSError: it is missing or closed to us.
        FormatError: it is not what Hydra writes.
    """
    path = hydra_folder(trial_dir) / "config.yaml"
    config = read_yaml(in_place(path, trial_dir))
    if not isinstance(config, dict):
        raise FormatError(f"{path} is not a config (a YAML map)")
    return masked_dict(config)


def fixed_overrides(overrides: Sequence[str], params: Collection[str]) -> list[str]:
    """Return the overrides of a job that set neither one of its parameters nor Hydra's own config."""
    names = ((text, text.lstrip("+").partition("=")[0]) for text in overrides)
    return [text for text, name in names if name not in params and not name.startswith(("hydra.", "hydra/", "~"))]


def hydra_folder(trial_dir: Path) -> Path:
    """Return where Hydra wrote the config of a job: `.hydra`, or what `hydra.output_subdir` says."""
    usual = TrialPaths(trial_dir).hydra
    if usual.is_dir():
        return usual
    try:
        with os.scandir(trial_dir) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return usual
    return next((trial_dir / name for name in names if is_hydra_folder(f"{trial_dir}/{name}")), usual)


def is_hydra_folder(folder: str) -> bool:
    """Return whether a folder is one in which Hydra writes the config of a job."""
    return all(os.path.exists(f"{folder}/{name}.yaml") for name in ("hydra", "overrides", "config"))  # noqa: PTH110


def read_choices(trial_dir: Path) -> dict[str, Any]:
    """Read what was chosen of each of the app's config groups from `hydra.yaml`.

    Raises:
        OSError: it is missing or closed to us.
        FormatError: it is not what Hydra writes.
    """
    path = in_place(hydra_folder(trial_dir) / "hydra.yaml", trial_dir)
    # The whole file takes twenty times as long to read, and there may be thousands.
    block = _CHOICES.search(read_regular(path, _MOST_BYTES).decode("utf-8", "replace"))
    if block:
        choices = parse_yaml(block[1], path)
    else:
        choices = read_yaml(path)
        for key in ("hydra", "runtime", "choices"):
            choices = choices.get(key) if isinstance(choices, dict) else None
    return own_choices(choices) if isinstance(choices, dict) else {}


def read_origin(path: Path) -> HydraOrigin:
    """Read the script and the job number from a `hydra.yaml` or `multirun.yaml`; empty where they are not recorded."""
    try:
        hydra = read_yaml(path)["hydra"]
        number = hydra["job"].get("num")
        return HydraOrigin(_script(hydra), number if kinds.whole(number) else None)
    except (OSError, FormatError, ValueError, KeyError, TypeError, AttributeError):
        return HydraOrigin()


def _param(override: str, config: dict[str, Any]) -> tuple[str, Any]:
    name, _, text = override.lstrip("+").partition("=")
    value = _lookup(config, name)
    # A group's choice is a whole mapping in the config, or lies elsewhere; people know it by its name.
    if value is _ABSENT or (isinstance(value, dict) and not text.startswith("{")):
        return name, _unquoted(text)
    return name, followed_value(config, name.split("."))


def _lookup(config: dict[str, Any], name: str) -> Any:
    node: Any = config
    for part in name.split("."):
        if not isinstance(node, dict) or part not in node:
            return _ABSENT
        node = node[part]
    return node


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
