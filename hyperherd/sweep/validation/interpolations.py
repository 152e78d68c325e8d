"""What an interpolation in a composed config may read, found without resolving anything.

The answer errs on one side only: it may name more than is read, and it is None as soon as it is not certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import Container, DictConfig, Node

from hyperherd.compat.omegaconf import content_of, is_interpolated

ConfigPath = tuple[str, ...]

_NAME = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*"
_UNDERSTOOD = re.compile(
    rf"\$\{{\s*(?:(?P<node>{_NAME})"
    rf"|hydra\s*:\s*(?P<hydra>{_NAME})"
    r"|(?P<dirname>hydra_override_dirname)\s*:\s*"
    r"|(?:now|oc\.env|python_version)\s*:[^{}$]*"
    r")\s*\}"
)
"""One interpolation that holds no other: of a node by its full name, or by a resolver that reads what it says."""

_OF_DIRNAME: tuple[ConfigPath, ...] = (("hydra", "overrides", "task"), ("hydra", "job", "config"))


def related(left: ConfigPath, right: ConfigPath) -> bool:
    """Whether one of two paths leads to a part of the other."""
    shorter = min(len(left), len(right))
    return left[:shorter] == right[:shorter]


def plain_dict(config: DictConfig, path: ConfigPath) -> DictConfig | None:
    """Return the dict at `path` if every step to it, itself included, is a dict with content and no interpolation."""
    node: Node | None = config
    for name in (None, *path):
        if name is not None:
            node = entry(node, name)
        if not isinstance(node, DictConfig) or not isinstance(content_of(node), dict):
            return None
    assert isinstance(node, DictConfig)
    return node


def entry(parent: Node | None, name: str) -> Node | None:
    """Return what a dict with content holds under `name`, unresolved; None if it holds nothing."""
    assert isinstance(parent, DictConfig)
    found: Node | None = content_of(parent).get(name)
    return found


def references(config: DictConfig, roots: Iterable[ConfigPath]) -> frozenset[ConfigPath] | None:
    """Return the paths that resolving everything at `roots` may read, `roots` included; None if that is not certain."""
    found: set[ConfigPath] = set()
    pending = list(roots)
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        parent = plain_dict(config, path[:-1])
        if parent is None:
            return None
        for text in interpolations(entry(parent, path[-1])):
            read = _read_by(text)
            if read is None:
                return None
            pending += read
    return frozenset(found)


def interpolations(node: object) -> Iterator[str]:
    """Yield the texts with an interpolation at `node` and below it."""
    content = content_of(node) if isinstance(node, Node) else node
    if isinstance(content, str):
        if "${" in content:
            yield content
    elif isinstance(content, Node):  # the value of a Union
        yield from interpolations(content)
    else:
        for child in _children(content):
            yield from interpolations(child)


def has_interpolated_container(node: Node | None) -> bool:
    """Whether `node`, or a container below it, is an interpolation: writing into it writes elsewhere."""
    if not isinstance(node, Container):
        return False
    return is_interpolated(node) or any(map(has_interpolated_container, _children(content_of(node))))


def _children(content: object) -> Iterable[Any]:
    if isinstance(content, dict):
        return content.values()
    return content if isinstance(content, list | tuple) else ()


def _read_by(text: str) -> list[ConfigPath] | None:
    read: list[ConfigPath] = []
    for match in _UNDERSTOOD.finditer(text):
        if match["node"]:
            read.append(tuple(match["node"].split(".")))
        elif match["hydra"]:
            read.append(("hydra", *match["hydra"].split(".")))
        elif match["dirname"]:
            read += _OF_DIRNAME
    return None if "${" in _UNDERSTOOD.sub("", text) else read
