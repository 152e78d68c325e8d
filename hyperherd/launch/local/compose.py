"""Composing the config of each trial by Hydra, but for the part that is the same in many of them.

Hydra makes the defaults list of a config and merges the files in it; only then does it apply the overrides of values,
in their order, to what it has. The first part takes most of the time and depends only on overrides of config
groups (and `hydra.searchpath`). So the server has it done once for each choice of groups and remembers the outcome;
every trial, being a fork, finds it in its memory as a copy of its own, and Hydra's own code goes on from there. A trial
whose choice is not remembered is composed in full: what is remembered saves time and changes nothing else. Where the
config files lie is remembered, too; Hydra finds that out anew for each job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict

from hyperherd.compat.hydra import config_loader_impl, defaults_list
from hyperherd.launch.base import TrialJob

_Key = tuple[Any, ...]
_Overrides: Any = getattr(defaults_list, "Overrides", None)
_create_defaults_list: Any = getattr(config_loader_impl, "create_defaults_list", None)
_Repository: Any = getattr(config_loader_impl, "CachingConfigRepository", None)
_Loader: Any = config_loader_impl.ConfigLoaderImpl
_merge: Any = getattr(_Loader, "_compose_config_from_defaults_list", None)
_parse: Any = getattr(_Loader, "_parse_overrides_and_create_caching_repo", None)
_search: Any = getattr(_Loader, "_process_config_searchpath", None)
_IS_KNOWN = None not in (_Overrides, _create_defaults_list, _Repository, _merge, _parse, _search)
"""Whether this Hydra composes in the two steps that are remembered here; if not, each trial is composed in full."""


class _Remembered(Exception):
    """Everything to remember is remembered; the rest of composing is not needed."""


class Composer:
    """Composes the configs of trials; `prepare` is called in the server, `compose` in the trial's process."""

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader = loader
        self._config = config
        self._prepared: set[_Key] = set()
        self._repositories: dict[_Key, Any] = {}
        self._own_repository: Any = None
        self._lists: dict[_Key, Any] = {}
        self._merged: dict[_Key, DictConfig] = {}
        self._key: _Key = ()
        self._is_group: dict[str, bool] = {}

    def prepare(self, job: TrialJob) -> None:
        """Remember what other trials with the same config groups can start from; do nothing if that was done."""
        with suppress(Exception):  # composing the trial raises the same error, and reports it
            choices = tuple(text for text in job.overrides if self._chooses(text))
            if choices not in self._prepared and _IS_KNOWN:
                self._prepared.add(choices)
                with self._remembering(preparing=True):
                    self._loader.load_sweep_config(self._config, list(job.overrides))

    def compose(self, job: TrialJob) -> DictConfig:
        """Return the config of a trial, exactly as Hydra composes it; called once in a process."""
        with self._remembering(preparing=False):
            config = self._loader.load_sweep_config(self._config, list(job.overrides))
        with open_dict(config):
            config.hydra.job.id = str(job.number)
            config.hydra.job.num = job.number
        return config

    def _chooses(self, text: str) -> bool:
        """Whether an override seems to choose from a config group; a wrong answer costs time and nothing else."""
        name = text.partition("=")[0].lstrip("+~").partition("@")[0]
        if name not in self._is_group:
            self._is_group[name] = "." not in name and bool(self._loader.get_group_options(name))
        return self._is_group[name]

    @contextmanager
    def _remembering(self, *, preparing: bool) -> Iterator[None]:
        """Let Hydra use what is remembered while the block runs; it ends with `_Remembered` if that was all."""

        def merged(loader: Any, defaults: Any, repo: Any) -> DictConfig:
            found = self._recall_merged(lambda: _merge(loader, defaults, self._own_repository or repo))
            if preparing:
                raise _Remembered
            del self._merged[self._key]  # Hydra writes into it
            return found

        def parsed(loader: Any, config_name: str | None, *overrides: Any) -> tuple[list[Any], Any]:
            return self._recall_repository(lambda: _parse(loader, config_name, *overrides), config_name)

        with (
            _replaced(_Loader, "_parse_overrides_and_create_caching_repo", parsed),
            _replaced(config_loader_impl, "create_defaults_list", self._recall_list),
            _replaced(_Loader, "_compose_config_from_defaults_list", merged),
        ):
            yield

    def _recall_repository(
        self, parse: Callable[[], tuple[list[Any], Any]], config_name: str | None
    ) -> tuple[list[Any], Any]:
        with (  # the overrides alone: copying the repository and searching it take ten times as long
            _replaced(config_loader_impl, "CachingConfigRepository", lambda delegate: delegate),
            _replaced(_Loader, "_process_config_searchpath", lambda *_: None),
        ):
            overrides, _ = parse()
        key = (config_name, *(item.input_line for item in overrides if item.key_or_group == "hydra.searchpath"))
        if key not in self._repositories:
            _, self._repositories[key] = parse()
        return overrides, self._repositories[key]

    def _recall_list(self, repo: Any, config_name: str | None, overrides_list: list[Any], **how: bool) -> Any:
        # Which configs are merged follows from choices of groups and the search path; values are set afterwards.
        values = _Overrides(repo=repo, overrides_list=overrides_list).config_overrides
        applied_later = {id(override) for override in values if override.key_or_group != "hydra.searchpath"}
        choices = [override.input_line for override in overrides_list if id(override) not in applied_later]
        self._key = (config_name, tuple(sorted(how.items())), *choices)
        self._own_repository = None
        if self._key not in self._lists:
            # Of its own: merging changes the configs that a repository holds.
            self._own_repository = _Repository(repo.delegate)
            self._lists[self._key] = _create_defaults_list(self._own_repository, config_name, overrides_list, **how)
        found = self._lists[self._key]
        # The remembered list has the values of another trial.
        found.config_overrides = values
        return found

    def _recall_merged(self, merge: Callable[[], DictConfig]) -> DictConfig:
        if self._key not in self._merged:
            self._merged[self._key] = merge()
        return self._merged[self._key]


@contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    if not _IS_KNOWN:
        yield
        return
    before = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, before)
