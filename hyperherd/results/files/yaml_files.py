"""Reads YAML as OmegaConf does, but fast: more spellings are floats, none is a date, and an unknown tag is ignored."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, ClassVar

import yaml

from hyperherd.errors import FormatError

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


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds, read as OmegaConf reads it (``1e-4`` is a float), interpolations as text.

    Raises:
        OSError: it cannot be read.
        FormatError: it is no YAML.
    """
    return parse_yaml(path.read_bytes(), path)


def parse_yaml(text: bytes, path: Path) -> Any:
    """Return what the text of a YAML file holds (see :func:`read_yaml`)."""
    try:
        return yaml.load(text, _loader(text))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise FormatError(f"{path} is not valid YAML: {first_line}") from None


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
