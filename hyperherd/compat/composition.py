"""Composing jobs by Hydra, but for the part that is the same in many of them.

Hydra makes the defaults list of a config and merges the files in it; only then does it apply the overrides of values,
in their order, to what it has. The first part takes most of the time and depends only on overrides of config
groups (and `hydra.searchpath`). So it is done once for each choice of groups and remembered; Hydra's own code goes on
from there. A job whose choice is not remembered is composed in full: what is remembered saves time and changes
nothing else. Where the config files lie is remembered, too; Hydra finds that out anew for each job.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from hyperherd.compat.hydra import config_loader_impl, defaults_list, parse_overrides

_Key = tuple[Any, ...]
_Overrides: Any = getattr(defaults_list, "Overrides", None)
_create_defaults_list: Any = getattr(config_loader_impl, "create_defaults_list", None)
_Loader: Any = config_loader_impl.ConfigLoaderImpl
_merge: Any = getattr(_Loader, "_compose_config_from_defaults_list", None)
_parse: Any = getattr(_Loader, "_parse_overrides_and_create_caching_repo", None)
_search: Any = getattr(_Loader, "_process_config_searchpath", None)
_Repository: Any = getattr(config_loader_impl, "CachingConfigRepository", object)
_IS_KNOWN = None not in (_Overrides, _create_defaults_list, _merge, _parse, _search) and _Repository is not object
"""Whether this Hydra composes in the two steps that are remembered here; if not, each job is composed in full."""

_MOST = 64
"""Choices of groups that a process which composes many jobs holds merged at a time, about 0.2 MB each."""


class _Remembered(Exception):
    """Everything to remember is remembered; the rest of composing is not needed."""


class Composition:
    """Composes the configs of jobs of one app; a forked process begins with what its parent remembers."""

    def __init__(self, loader: ConfigLoader) -> None:
        # Weak, or the table of compositions below would keep the loaders that it is to forget.
        self._loader_ref = weakref.ref(loader)
        self._prepared: set[_Key] = set()
        self._lists: dict[_Key, Any] = {}
        self._merged: dict[_Key, DictConfig] = {}
        self._key: _Key = ()
        self._repositories: dict[_Key, Any] = {}
        self._own_repository: Any = None
        self._groups: Any = None
        self._is_group: dict[str, bool] = {}

    @property
    def _loader(self) -> Any:
        return self._loader_ref()

    def repository(self, config_name: str | None, overrides: Sequence[str]) -> Any:
        """Return what Hydra asks, when it composes a job of `config_name`, which groups and configs there are."""
        with _replaced(config_loader_impl, "CachingConfigRepository", self._repository):
            return parse_overrides(self._loader, config_name, list(overrides))[1]

    def prepare(self, config: DictConfig, overrides: Sequence[str]) -> None:
        """Remember what jobs with the same config groups can start from; do nothing if that was done."""
        with suppress(Exception):  # composing the job raises the same error, and reports it
            choices = self._choices(config, overrides)
            if choices not in self._prepared and _IS_KNOWN:
                self._prepared.add(choices)
                with self._remembering(self._only_remembered):
                    self._loader.load_sweep_config(config, list(overrides))

    def compose(self, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Return the config of a job of the sweep with this config, exactly as Hydra composes it."""
        with self._remembering(self._copied):
            composed: DictConfig = self._loader.load_sweep_config(config, list(overrides))
        self._prepared.add(self._choices(config, overrides))
        return composed

    def compose_last(self, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """Return the same in a process that composes no other job: what is remembered for it is used up."""
        with self._remembering(self._given_up):
            composed: DictConfig = self._loader.load_sweep_config(config, list(overrides))
        return composed

    def _choices(self, config: DictConfig, overrides: Sequence[str]) -> tuple[str, ...]:
        """Return the overrides that seem to choose from a group; a wrong answer costs time and nothing else."""
        if self._groups is None:
            self._groups = self.repository(config.hydra.job.config_name, ())
        return tuple(text for text in overrides if self._chooses(text))

    def _chooses(self, text: str) -> bool:
        name = text.partition("=")[0].lstrip("+~").partition("@")[0]
        if name not in self._is_group:
            self._is_group[name] = "." not in name and bool(self._groups.get_group_options(name))
        return self._is_group[name]

    # What takes the place of Hydra's merging while a job is composed.

    def _only_remembered(self, merge: Callable[[], DictConfig]) -> DictConfig:
        key = self._key
        if key not in self._merged:
            self._merged[key] = merge()
        raise _Remembered

    def _copied(self, merge: Callable[[], DictConfig]) -> DictConfig:
        key = self._key
        # Hydra writes into what it gets.
        if key in self._merged:
            return copy.deepcopy(self._merged[key])
        merged = merge()
        if len(self._merged) >= _MOST:
            self._forget(next(iter(self._merged)))
        self._merged[key] = copy.deepcopy(merged)
        return merged

    def _given_up(self, merge: Callable[[], DictConfig]) -> DictConfig:
        return self._merged.pop(self._key) if self._key in self._merged else merge()

    def _forget(self, key: _Key) -> None:
        del self._merged[key]
        self._lists.pop(key, None)
        self._prepared.clear()

    @contextmanager
    def _remembering(self, instead: Callable[[Callable[[], DictConfig]], DictConfig]) -> Iterator[None]:
        """Let Hydra use what is remembered while the block runs; it ends with `_Remembered` if that was all."""

        def merged(loader: Any, defaults: Any, repo: Any) -> DictConfig:
            if loader is not self._loader:  # a resolver of the user's composes something of its own
                return _merge(loader, defaults, repo)  # type: ignore[no-any-return]
            own = self._own_repository
            return instead(lambda: _merge(loader, defaults, own))

        def parsed(loader: Any, config_name: str | None, *given: Any) -> tuple[list[Any], Any]:
            if loader is not self._loader:
                return _parse(loader, config_name, *given)  # type: ignore[no-any-return]
            return self._recall_repository(config_name, lambda: _parse(loader, config_name, *given))

        with (
            _replaced(config_loader_impl, "CachingConfigRepository", self._repository),
            _replaced(_Loader, "_parse_overrides_and_create_caching_repo", parsed),
            _replaced(config_loader_impl, "create_defaults_list", self._recall_list),
            _replaced(_Loader, "_compose_config_from_defaults_list", merged),
            suppress(_Remembered),
        ):
            yield

    def _repository(self, delegate: Any) -> Any:
        return _Shared(delegate) if delegate is self._loader.repository else _Repository(delegate)

    def _recall_repository(
        self, config_name: str | None, parse: Callable[[], tuple[list[Any], Any]]
    ) -> tuple[list[Any], Any]:
        with (  # the overrides alone
            _replaced(config_loader_impl, "CachingConfigRepository", lambda delegate: delegate),
            _replaced(_Loader, "_process_config_searchpath", lambda *_: None),
        ):
            read, _ = parse()
        key = (config_name, *(item.input_line for item in read if item.key_or_group == "hydra.searchpath"))
        if key not in self._repositories:
            _, self._repositories[key] = parse()
        return read, self._repositories[key]

    def _recall_list(self, repo: Any, config_name: str | None, overrides_list: list[Any], **how: bool) -> Any:
        if not isinstance(repo, _Shared):  # as above
            return _create_defaults_list(repo, config_name, overrides_list, **how)
        # Which configs are merged follows from choices of groups and the search path; values are set afterwards.
        values = _Overrides(repo=repo, overrides_list=overrides_list).config_overrides
        applied_later = {id(override) for override in values if override.key_or_group != "hydra.searchpath"}
        choices = [override.input_line for override in overrides_list if id(override) not in applied_later]
        self._key = (config_name, tuple(sorted(how.items())), *choices)
        if self._key not in self._merged or self._key not in self._lists:
            # Of its own: merging changes the configs that a repository has loaded.
            self._own_repository = _Shared(repo.delegate)
            self._lists[self._key] = _create_defaults_list(self._own_repository, config_name, overrides_list, **how)
        found = self._lists[self._key]
        # The remembered list has the values of another job.
        found.config_overrides = values
        return found


class _Shared(_Repository):  # type: ignore[misc]
    """Hydra's repository of configs for one composition, without a copy of everything that is registered.

    Hydra copies it deep, all of the ConfigStore included, because `hydra.searchpath` changes the list of sources: that
    list alone is copied here.
    """

    def __init__(self, delegate: Any) -> None:
        self.delegate = copy.copy(delegate)
        self.delegate.sources = list(delegate.sources)
        self.cache: dict[str, Any] = {}


_compositions: weakref.WeakKeyDictionary[ConfigLoader, Composition] = weakref.WeakKeyDictionary()


def composition(loader: ConfigLoader) -> Composition:
    """Return what composes jobs of the app that has this loader: one for all who ask in this process."""
    if loader not in _compositions:
        _compositions[loader] = Composition(loader)
    return _compositions[loader]


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
