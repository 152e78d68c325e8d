"""OmegaConf, seen in 2.3.0 and 2.3.1: nodes as they are written. Public access resolves interpolations, or raises."""

from __future__ import annotations

from typing import Any

from omegaconf import Container, DictConfig, Node
from omegaconf.basecontainer import BaseContainer


def content_of(node: Node) -> Any:
    """Return what a node holds as it is written: an interpolation's text, ``???``, or a container's nodes."""
    return node._value()


def child_of(config: DictConfig, key: str) -> Any:
    """Return the node under a key, or None; public access returns its value, resolved."""
    return config._get_node(key)


def is_interpolated(node: Node) -> bool:
    """Return whether a node is an interpolation; ``OmegaConf.is_interpolation`` needs its parent and key."""
    return node._is_interpolation()


def key_type_of(container: Container) -> Any:
    """Return the type that the keys of a container are declared to have."""
    return container._metadata.key_type


def nodes_of(config: DictConfig) -> dict[Any, Any]:
    """Return the nodes of a dict by key, as they are written; the dict itself, not a copy."""
    content: dict[Any, Any] = config.__dict__["_content"]
    return content


def put_nodes(config: DictConfig, nodes: dict[Any, Any]) -> None:
    """Let a dict hold `nodes`: no check, no copy, no change of their parents."""
    config.__dict__["_content"] = nodes


def resolver_of(name: str) -> Any:
    """Return what OmegaConf calls for a resolver: a wrapper around the registered function; None if there is none."""
    return registered_resolvers().get(name)


def registered_resolvers() -> dict[str, Any]:
    """Return the resolvers by name; the registry itself, not a copy."""
    return BaseContainer._resolvers


def put_content(node: Node, value: Any) -> None:
    """Let a node hold a value as it is written, for example the text of an interpolation."""
    node._set_value(value)
