"""What the value of a name in a composed config is made from, found without resolving anything.

As in :mod:`hyperherd.sweep.validation.interpolations`, the answer may name more than is read, and it is None as soon
as it is not certain. More is certain here: a resolver of the user's own reads its arguments and nothing else of the
config, unless it asks for `_root_`, `_parent_` or `_node_`. What it could read through Hydra's global state is kept
from it when it is called (:mod:`hyperherd.sweep.effective_config.resolution`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, Node

from hyperherd.compat.omegaconf import content_of, is_interpolated, resolver_of
from hyperherd.sweep.validation.interpolations import ConfigPath

_INNERMOST = re.compile(r"\$\{([^${}]*)\}")
_FILLED_IN = "\0"
"""Stands for an interpolation inside of another, whose value is not known here."""
_NODE = re.compile(r"(\.*)([^\W\d][\w-]*(?:\.[\w-]+)*)?(\.?)")
_RESOLVER = re.compile(r"\s*([^\W\d][\w-]*(?:\.[^\W\d][\w-]*)*)\s*:(.*)", re.DOTALL)
_OF_NODE = ("oc.select", "oc.deprecated", "oc.dict.keys", "oc.dict.values")
_SPECIAL = ("_parent_", "_node_", "_root_")


@dataclass(frozen=True)
class Dependencies:
    """What a value is made from.

    Attributes:
        paths: entries of the config that may be read.
        calls: whether a resolver is called that is not one of OmegaConf's and Hydra's own.
    """

    paths: frozenset[ConfigPath]
    calls: bool


@dataclass(frozen=True)
class _Read:
    paths: list[ConfigPath]
    calls: bool


def dependencies(config: DictConfig, root: ConfigPath) -> Dependencies | None:
    """Return what the value at `root` is made from; None if that is not certain."""
    found: set[ConfigPath] = set()
    pending, calls = [root], False
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        for place, text in _on_the_way(config, path):
            read = _read_by(text, place)
            if read is None:
                return None
            calls |= read.calls
            pending += read.paths
    return Dependencies(frozenset(found), calls)


def _on_the_way(config: DictConfig, path: ConfigPath) -> Iterable[tuple[ConfigPath, str]]:
    """Yield the texts with interpolations at `path` and below, with their places; or the one that leads elsewhere."""
    node: Any = config
    for depth, name in enumerate(path):
        if not isinstance(node, DictConfig) or not isinstance(content_of(node), dict):
            return
        node = content_of(node).get(name)
        if isinstance(node, Node) and is_interpolated(node):  # the rest of the path lies behind it
            yield path[: depth + 1], str(content_of(node))
            return
    yield from _texts(node, path)


def _texts(node: Any, place: ConfigPath) -> Iterable[tuple[ConfigPath, str]]:
    content = content_of(node) if isinstance(node, Node) else node
    if isinstance(content, str):
        if "${" in content:
            yield place, content
    elif isinstance(content, Node):  # the value of a Union
        yield from _texts(content, place)
    elif isinstance(content, dict):
        for name, child in content.items():
            yield from _texts(child, (*place, str(name)))
    elif isinstance(content, list | tuple):
        for index, child in enumerate(content):
            yield from _texts(child, (*place, str(index)))


def _read_by(text: str, place: ConfigPath) -> _Read | None:
    """Return what a text with interpolations reads where it stands at `place`."""
    paths: list[ConfigPath] = []
    calls = False
    # From the inside out: what is filled in decides what the interpolation around it reads.
    while match := _INNERMOST.search(text):
        read = _read_by_one(match[1], place)
        if read is None:
            return None
        paths += read.paths
        calls |= read.calls
        text = text[: match.start()] + _FILLED_IN + text[match.end() :]
    return None if "${" in text else _Read(paths, calls)


def _read_by_one(content: str, place: ConfigPath) -> _Read | None:
    called = _RESOLVER.fullmatch(content)
    if called is None:
        path = _path(content.strip(), place)
        return None if path is None else _Read([path], calls=False)
    name, arguments = called.groups()
    if name == "hydra":
        path = _path(arguments.strip(), ())
        return None if path is None else _Read([("hydra", *path)], calls=False)
    if name in _OF_NODE:
        path = _path(arguments.split(",")[0].strip(), place)
        return None if path is None else _Read([path], calls=False)
    if name in ("oc.env", "python_version", "now"):
        return _Read([], calls=False)
    return _Read([], calls=True) if _reads_arguments_only(name) else None


def _path(written: str, place: ConfigPath) -> ConfigPath | None:
    """Return the path that a name of a node means, up to where it is an index or depends on another value."""
    known = re.split(rf"\[|{_FILLED_IN}", written, maxsplit=1)[0]
    follows = written[len(known) : len(known) + 1]
    match = _NODE.fullmatch(known)
    if match is None or (match[3] and not follows):
        return None
    dots, names = len(match[1]), tuple(match[2].split(".")) if match[2] else ()
    if follows == _FILLED_IN and not match[3]:
        names = names[:-1]  # what is filled in continues the last name
    if dots > len(place):
        return None
    return (*place[: len(place) - dots], *names) if dots else names or None


def _reads_arguments_only(name: str) -> bool:
    """Whether a resolver is given nothing but its arguments; OmegaConf keeps that in the closure of a wrapper."""
    wrapper = resolver_of(name)
    cells = getattr(wrapper, "__closure__", None)
    if wrapper is None or cells is None or name.startswith("oc."):
        return False
    kept = dict(zip(wrapper.__code__.co_freevars, (cell.cell_contents for cell in cells), strict=True))
    flags = [kept.get(f"pass{special.rstrip('_')}") for special in _SPECIAL]
    return flags == [False, False, False]
