"""Reads YAML as OmegaConf does, but fast: more spellings are floats, none is a date, and an unknown tag is ignored."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, ClassVar

import yaml

from hyperherd.errors import FormatError
from hyperherd.records.disk.guarded import DEPTH, read_regular

_MOST_BYTES = 16 << 20
_SHALLOW_BYTES = 1 << 14
_MOST_NODES = 1_000_000
_LONGEST_INTEGER = 1_000
"""Digits; Python refuses to print an integer of more than 4300, which hexadecimal ones reach unnoticed."""
_BROKEN = (yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What PyYAML raises for what is not YAML, or has a tag that does not fit its value."""
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
        FormatError: it is not YAML, or too large, too deep, or would become too large by its aliases.
    """
    return parse_yaml(read_regular(path, _MOST_BYTES), path)


def parse_yaml(text: bytes, path: Path) -> Any:
    """Return what the text of a YAML file holds (see :func:`read_yaml`)."""
    try:
        # By indentation alone, so few bytes do not get deep.
        if len(text) > _SHALLOW_BYTES or sum(map(text.count, b"[{?-")) > DEPTH:
            _check_depth(text, path)
        return _loaded(text, path)
    except _BROKEN as error:
        first_line = str(error).partition("\n")[0]
        raise FormatError(f"{path} is not valid YAML: {first_line}") from None


def _check_depth(text: bytes, path: Path) -> None:
    """Refuse a deep document before it is composed, which calls itself for each level; this does not."""
    depth = 0
    for event in yaml.parse(text, Loader=_FAST):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH:
            raise FormatError(f"{path} nests lists or maps more than {DEPTH} levels deep")


def _loaded(text: bytes, path: Path) -> Any:
    loader = _FAST(text)
    try:
        node = loader.get_single_node()
        if b"*" in text and _size(node, {}) > _MOST_NODES:
            raise FormatError(f"{path} would expand to more than {_MOST_NODES:,} values through its aliases")
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node expands to, its aliases counted as often as they occur; a circle is endless."""
    if id(node) in known:
        return known[id(node)]
    if not isinstance(node, yaml.CollectionNode):
        return 1
    known[id(node)] = _MOST_NODES + 1  # Until it is known: what meets itself never ends.
    inner = (item for pair in node.value for item in (pair if isinstance(pair, tuple) else (pair,)))
    known[id(node)] = 1 + sum(_size(item, known) for item in inner)
    return known[id(node)]


def _untagged(loader: Any, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        items = loader.construct_sequence(node, deep=True)
        return str(PurePath(*map(str, items))) if "pathlib" in tag else items
    return node.value


def _integer(loader: Any, node: Any) -> Any:
    return node.value if len(node.value) > _LONGEST_INTEGER else loader.construct_yaml_int(node)


def _like_omegaconf(base: Any) -> Any:
    """Return a loader with OmegaConf's rules: more spellings are floats, none is a date; an unknown tag is ignored."""

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
            for first, resolvers in base.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    Loader.add_multi_constructor("", _untagged)
    Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    return Loader


_FAST = _like_omegaconf(getattr(yaml, "CSafeLoader", yaml.SafeLoader))
