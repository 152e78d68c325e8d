"""The config that trials with the same config groups start from.

Why that is enough is explained in :mod:`hyperherd.sweep.validation.shortcut`.

Trial changes are undone: between calls it is as Hydra composed it, except the job's number, id and overrides.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import AnyNode, DictConfig, ListConfig, Node, OmegaConf, ValueNode
from omegaconf.errors import OmegaConfBaseException

from hyperherd.compat.hydra import apply_override, config_loader_impl
from hyperherd.compat.omegaconf import content_of, is_interpolated, key_type_of, nodes_of, put_nodes
from hyperherd.sweep.app import HydraApp, hydra_config
from hyperherd.sweep.validation.interpolations import ConfigPath, entry, plain_dict, references, related
from hyperherd.sweep.validation.override_parts import Part, Step

JOB_ID = "{job-id}"
"""Stands for the id a launcher will give; a directory that depends on it cannot be known before."""

NO_COMPOSITION = (
    HydraException,
    OmegaConfBaseException,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    TypeError,
)
"""What Hydra raises when a config cannot be composed; all but the first two by mistakes that it does not check."""

_SUBDIR: ConfigPath = ("hydra", "sweep", "subdir")
_NUMBER: ConfigPath = ("hydra", "job", "num")
_DIRNAME: ConfigPath = ("hydra", "job", "override_dirname")
_TASK: ConfigPath = ("hydra", "overrides", "task")
_RESOLVED_BY_HYDRA: tuple[ConfigPath, ...] = (
    ("hydra", "job", "name"),
    ("hydra", "job", "env_copy"),
    ("hydra", "job", "config"),
)
_PIECE = re.compile(r"\$\{(?:hydra:(?=[a-z]))?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}|([\w./=,+@-]+)", re.ASCII)
_NO_NAMES = {"null", "true", "false", "inf", "nan"}
_REFUSED = object()
_Kind = tuple[ConfigPath, OverrideType, type]
"""An entry, what a step does there, and the type of its value."""

_dirname: Any = getattr(config_loader_impl, "get_overrides_dirname", None)
"""How Hydra 1.3 makes `hydra.job.override_dirname`; in 1.4 that is an interpolation."""


@dataclass(frozen=True)
class ConfigPlace:
    """Where a trial that composes will run; None if only the launcher can know."""

    dir: str | None

    @classmethod
    def of(cls, subdir: str) -> ConfigPlace:
        """Return the place that a resolved `hydra.sweep.subdir` means."""
        return cls(None if JOB_ID in subdir else subdir)


class Template:
    """A composed config, and what is known of the steps from it and of the directories they lead to."""

    def __init__(self, app: HydraApp, config: DictConfig) -> None:
        self._app = app
        self._config = config
        self._reserved = references(config, _RESOLVED_BY_HYDRA)
        self._reached = references(config, [_SUBDIR])
        self._pattern = _pattern(self._entry(_SUBDIR))
        self._left: dict[str, object] = {}
        self._untyped: set[_Kind] = set()
        self._dirname_options: dict[str, Any] = {}

    @property
    def config(self) -> DictConfig:
        """The config as Hydra composed it; not to be changed."""
        return self._config

    @contextmanager
    def changed(self, steps: Sequence[Step]) -> Iterator[DictConfig]:
        """Apply `steps`, each of which is admitted, while the block runs."""
        with ExitStack() as stack:
            for step in steps:
                stack.enter_context(self._applied(step))
            yield self._config

    def admits(self, step: Step) -> bool:
        """Whether `step` is one here, and Hydra applies it without an error."""
        return self._leaves(step) is not _REFUSED

    def place(self, number: int, parts: Sequence[Part | None]) -> ConfigPlace | None:
        """Return where the trial with this number and these overrides runs; None if that is not certain."""
        if self._reached is None:
            return None
        subdir = self._filled(number, parts)
        return ConfigPlace.of(subdir) if subdir is not None else self._resolved(number, parts, self._reached)

    def _entry(self, path: ConfigPath) -> Node | None:
        parent = plain_dict(self._config, path[:-1])
        return None if parent is None else entry(parent, path[-1])

    def _leaves(self, step: Step) -> object:
        """Return what `step` leaves in its entry (None unless that is a leaf), or `_REFUSED`."""
        if step.text not in self._left:
            value = step.override.value()
            kind = step.path, step.override.type, type(value)
            if kind in self._untyped:
                return value
            self._left[step.text] = self._tried(step, kind) if self._is_confined(step) else _REFUSED
        return self._left[step.text]

    def _is_confined(self, step: Step) -> bool:
        """Whether applying `step` can read and write nothing but the one entry it names, and the way to it."""
        if self._reserved is None or any(related(step.path, path) for path in self._reserved):
            return False
        parent = plain_dict(self._config, step.path[:-1])
        if parent is None or key_type_of(parent) not in (Any, str):  # other keys have several spellings
            return False
        node = entry(parent, step.path[-1])
        kind = step.override.type
        if kind is OverrideType.DEL:
            return node is not None and not is_interpolated(node)
        # To add what is there, or to change what is not, is an error that composing the trial reports.
        if kind is OverrideType.ADD or node is None:
            return kind is not OverrideType.CHANGE and node is None
        # A dict is merged into, which may reach further than this entry.
        return isinstance(node, ValueNode) or (type(node) is ListConfig and isinstance(content_of(node), list))

    def _tried(self, step: Step, kind: _Kind) -> object:
        try:
            with self._applied(step):
                node = self._entry(step.path)
                left = content_of(node) if isinstance(node, ValueNode) else None
        except NO_COMPOSITION:
            return _REFUSED
        # A leaf without a declared type takes every scalar as it is: the next number there need not be tried.
        if type(node) is AnyNode and type(left) is kind[2]:
            self._untyped.add(kind)
        return left

    @contextmanager
    def _applied(self, step: Step) -> Iterator[None]:
        """Apply `step` while the block runs: on a copy of its entry in a copy of its dict, put back afterwards."""
        parent = plain_dict(self._config, step.path[:-1])
        assert parent is not None
        content = nodes_of(parent)
        scratch = dict(content)
        if step.path[-1] in content:
            scratch[step.path[-1]] = copy.deepcopy(content[step.path[-1]])
        put_nodes(parent, scratch)
        try:
            apply_override(step.override, self._config)
            yield
        finally:
            put_nodes(parent, content)

    def _filled(self, number: int, parts: Sequence[Part | None]) -> str | None:
        """Return the directory if it is put together from leaves that hold plain values, without asking OmegaConf."""
        if self._pattern is None:
            return None
        filled = ""
        for piece in self._pattern:
            value = piece if isinstance(piece, str) else self._leaf(piece, number, parts)
            if type(value) not in (str, int, float, bool) or "${" in str(value) or value == "???":
                return None
            filled += str(value)
        return filled

    def _leaf(self, path: ConfigPath, number: int, parts: Sequence[Part | None]) -> object:
        """Return the value at `path` in the config of a trial; None if it is not a leaf, or that is not certain."""
        if path == _NUMBER:
            return number
        if path == _DIRNAME:
            return self._override_dirname(parts)
        # Steps are in no other's way, so at most one leads here.
        for part in parts:
            if isinstance(part, Step) and related(part.path, path):
                return self._leaves(part) if part.path == path else None
        node = self._entry(path)
        return content_of(node) if isinstance(node, ValueNode) else None

    def _override_dirname(self, parts: Sequence[Part | None]) -> str | None:
        if _dirname is None:
            return None
        if not self._dirname_options:
            options = self._config.hydra.job.config.override_dirname
            self._dirname_options = {
                "kv_sep": options.kv_sep,
                "item_sep": options.item_sep,
                "exclude_keys": list(options.exclude_keys),
            }
        made: str = _dirname(overrides=_overrides(parts), **self._dirname_options)
        return made

    def _resolved(
        self, number: int, parts: Sequence[Part | None], reached: frozenset[ConfigPath]
    ) -> ConfigPlace | None:
        """Return what OmegaConf resolves the directory to after the steps that `reached` shows it may read."""
        looked_at = [
            part for part in parts if isinstance(part, Step) and any(related(part.path, path) for path in reached)
        ]
        if not all(map(self.admits, looked_at)):
            return None
        with ExitStack() as stack:
            try:
                for step in looked_at:
                    stack.enter_context(self._applied(step))
                self._write_job(number, parts, reached)
                # A resolver with a cache, such as Hydra's `now`, gives one answer for the whole sweep.
                OmegaConf.copy_cache(self._app.config, self._config)
                stack.enter_context(hydra_config(self._config))
                return ConfigPlace.of(str(OmegaConf.select(self._config, "hydra.sweep.subdir")))
            except NO_COMPOSITION:
                return None

    def _write_job(self, number: int, parts: Sequence[Part | None], reached: frozenset[ConfigPath]) -> None:
        """Write into the config what Hydra and a launcher write there about one job."""
        job = self._config.hydra.job
        job.num = number
        if any(related(_TASK, path) or related(_DIRNAME, path) for path in reached):
            self._config.hydra.overrides.task = [override.input_line for override in _overrides(parts)]
            if _dirname is not None:
                job.override_dirname = self._override_dirname(parts)


def _overrides(parts: Sequence[Part | None]) -> list[Any]:
    return [part.override for part in parts if part is not None]


def _pattern(subdir: Node | None) -> list[str | ConfigPath] | None:
    """Return the pieces of a directory made of plain text and full names of nodes; None if it is anything else."""
    text = content_of(subdir) if isinstance(subdir, ValueNode) else None
    # Whatever is left over, such as an interpolation inside of another, is for OmegaConf to read.
    if not isinstance(text, str) or _PIECE.sub("", text):
        return None
    pieces: list[str | ConfigPath] = []
    for match in _PIECE.finditer(text):
        if match[2]:
            pieces.append(match[2])
            continue
        path = tuple(match[1].split("."))
        if not _NO_NAMES.isdisjoint(name.lower() for name in path):
            return None
        pieces.append(("hydra", *path) if match[0].startswith("${hydra:") else path)
    return pieces
