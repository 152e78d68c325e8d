"""Hydra, seen in 1.3.2 to 1.3.8. Its plugins have no other way to these, and its own plugins use them too."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable
from typing import Any

from hydra import __version__, version
from hydra._internal import config_loader_impl, defaults_list
from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.grammar.utils import escape_special_characters
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn

__all__ = [
    "Callbacks",  # a HydraContext needs some; a rank that joins a trial is to run none
    "Hydra",  # the app that `hydra.main` makes, for sweeps that are started from Python
    "apply_override",
    "config_folders",
    "config_loader_impl",  # composing a job in parts, and once for many jobs
    "create_config_search_path",
    "defaults_list",
    "escape_special_characters",  # what the override grammar cannot read bare
    "get_args_parser",  # the flags of Hydra's own command line
    "move_config_folders",
    "parse_overrides",
    "result_of",
    "set_version_base",
    "unshuffled",
]


def result_of(returned: JobReturn) -> Any:
    """Return what a job returned, or the exception it raised; the public property raises that."""
    return returned._return_value


def apply_override(override: Override, config: Any) -> None:
    """Do to a composed config what an override of a value does to it when Hydra composes."""
    config_loader_impl.ConfigLoaderImpl._apply_overrides_to_config([override], config)


def parse_overrides(loader: Any, config_name: str | None, overrides: Any) -> Any:
    """Return the parsed overrides and the repository of configs that Hydra composes a job of `config_name` from."""
    return loader._parse_overrides_and_create_caching_repo(config_name, overrides)


def unshuffled(override: Override, sweep: Any) -> Override:
    """Return an override that sweeps without ``shuffle``, which Hydra does by the global generator."""
    ordered = copy.copy(override)
    ordered._value = dataclasses.replace(sweep, shuffle=False)
    return ordered


def set_version_base() -> None:
    """Choose the defaults of Hydra's present version, unless `hydra.main` has chosen; 1.3 warns where nobody has."""
    if version.VersionBase.instance().getbase() in (None, version._UNSPECIFIED_):
        is_newer = tuple(int(part) for part in __version__.split(".")[:2]) >= (1, 4)
        version.setbase(version._UNSPECIFIED_ if is_newer else None)


def config_folders(loader: Any) -> list[str]:
    """Return the folders that Hydra reads configs from, without those of `hydra.searchpath`."""
    scheme = FileConfigSource.scheme() + "://"
    paths = [str(element.path) for element in loader.get_search_path().get_path()]
    return [os.path.abspath(path.removeprefix(scheme)) for path in paths if path.startswith(scheme)]  # noqa: PTH100


def move_config_folders(moved: Callable[[str], str]) -> None:
    """Let Hydra read configs from other folders than those that it is told of, in this process from now on.

    A job unpickles the sources of its sweep, and makes new ones for `hydra.searchpath`.
    """
    source: Any = FileConfigSource
    make = source.__init__

    def begin(self: Any, provider: str, path: str) -> None:
        make(self, provider, path)
        self.path = moved(os.path.abspath(self.path))  # noqa: PTH100 - links are kept

    def restore(self: Any, state: dict[str, Any]) -> None:
        vars(self).update(state, path=moved(os.path.abspath(state["path"])))  # noqa: PTH100

    source.__init__, source.__setstate__ = begin, restore
