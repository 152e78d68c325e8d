"""Follows references between the keys of a config that was read from a file: ``${model.width}``, ``${.width}``.

Invariant: nothing is called. ``${oc.env:HOME}`` and every other resolver stay as they are written, and so does what
leads to one: it would tell about the reader's process, not about the trial's. The work is bounded, so that a few
kilobytes of references to references cost no more than a moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

WORK = 100_000
"""Values that are looked at for one config; with all spent, what is left stays as written."""
CHAIN = 50
"""References that lead to one another."""
LONGEST = 1 << 16
"""Characters of a text that is put together."""
_CHARACTERS_PER_WORK = 16
_KEY = r"[^\\{}()\[\]:. \t'\"]+"
_PLACE = re.compile(rf"(?P<dots>\.*)(?P<keys>{_KEY}(?:\.{_KEY}|\[{_KEY}\])*)")  # The grammar of OmegaConf 2.3.
_MARK = re.compile(r"(\\*)\$\{")

Place = tuple[Any, ...]
"""The keys that lead to a value."""


class _Unfollowed(Exception):
    """A text calls a resolver, leads nowhere, or costs too much: it stays as it is written."""


class _Reference(list["str | _Reference"]):
    """What stands between ``${`` and ``}``: text, and references within."""


def followed(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with the references between its keys followed."""
    if not any("${" in text for text in _texts(config)):
        return config
    return dict(_Follower(config).container((), config, 0))


def followed_value(config: dict[str, Any], place: Sequence[str]) -> Any:
    """Return the value at a place of a config, followed; as written where that cannot be."""
    follower = _Follower(config)
    node: Any = config
    for key in place[:-1]:
        node = node[key]
    return follower.value(tuple(place), node[place[-1]], 0)


class _Follower:
    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._left = WORK
        self._open: set[Place] = set()

    def container(self, place: Place, node: Any, depth: int) -> Any:
        """Return a dict or list with everything in it followed."""
        if depth > CHAIN * 4:
            raise _Unfollowed
        if isinstance(node, dict):
            return {key: self.value((*place, key), item, depth + 1) for key, item in node.items()}
        return [self.value((*place, index), item, depth + 1) for index, item in enumerate(node)]

    def value(self, place: Place, written: Any, depth: int) -> Any:
        """Return what stands at a place, followed; what cannot be followed as it is written."""
        self._left -= 1
        try:
            if isinstance(written, dict | list):
                return self.container(place, written, depth)
            if not isinstance(written, str) or "${" not in written:
                return written
            with self._opened(place):
                end, node = self._end(place, written)
                return self.container(end, node, depth) if isinstance(node, dict | list) else node
        except _Unfollowed:
            return written

    def _end(self, place: Place, text: str) -> tuple[Place, Any]:
        """Return where a text leads in the end, and what stands there; a text of several parts is put together."""
        pieces = _parsed(text)
        if len(pieces) == 1 and isinstance(pieces[0], _Reference):
            return self._target(place, pieces[0])
        return place, self._joined(place, pieces)

    def _target(self, place: Place, reference: _Reference) -> tuple[Place, Any]:
        reached: Place = ()
        node: Any = self._config
        for key in self._keys(place, reference):
            reached, node = self._through(reached, node)
            reached, node = (*reached, key), _member(node, key)
        reached, node = self._through(reached, node)
        if node == "???":  # A value that must be given, and was not.
            raise _Unfollowed
        return reached, node

    def _through(self, place: Place, node: Any) -> tuple[Place, Any]:
        """Go on where a reference leads to another."""
        if not isinstance(node, str) or "${" not in node:
            return place, node
        with self._opened(place):
            return self._end(place, node)

    def _keys(self, place: Place, reference: _Reference) -> list[Any]:
        found = _PLACE.fullmatch(self._joined(place, reference).strip())
        up = len(found["dots"]) if found else 0
        if found is None or up > len(place):
            raise _Unfollowed
        return [*(place[: len(place) - up] if up else ()), *re.findall(_KEY, found["keys"])]

    def _joined(self, place: Place, pieces: Sequence[str | _Reference]) -> str:
        text = ""
        for piece in pieces:
            item = piece if isinstance(piece, str) else self._target(place, piece)[1]
            if isinstance(item, dict | list):
                raise _Unfollowed
            text += str(item)
            if len(text) > LONGEST:
                raise _Unfollowed
        self._left -= len(text) // _CHARACTERS_PER_WORK
        return text

    @contextmanager
    def _opened(self, place: Place) -> Iterator[None]:
        """Note that a place is being followed: coming back to it would never end."""
        self._left -= 1
        if place in self._open or len(self._open) >= CHAIN or self._left < 0:
            raise _Unfollowed
        self._open.add(place)
        try:
            yield
        finally:
            self._open.remove(place)


def _member(node: Any, key: Any) -> Any:
    if isinstance(node, dict):
        if key in node:
            return node[key]
        if isinstance(key, str) and key.isdecimal() and len(key) < 10 and int(key) in node:
            return node[int(key)]
    if isinstance(node, list):
        index = int(key) if str(key).isdecimal() and len(str(key)) < 10 else len(node)
        if index < len(node):
            return node[index]
    raise _Unfollowed


def _parsed(text: str) -> list[str | _Reference]:
    """Return the parts of a text; a backslash before ``${`` takes its meaning away, another one that backslash's."""
    parts: list[str | _Reference] = []
    at = 0
    while mark := _MARK.search(text, at):
        slashes = len(mark[1])
        plain = text[at : mark.start()] + "\\" * (slashes // 2)
        at = mark.end()
        if slashes % 2:
            parts.append(plain + "${")
            continue
        reference, at = _inner(text, at, 0)
        parts += [plain, reference] if plain else [reference]
    return [*parts, text[at:]] if at < len(text) else parts


def _inner(text: str, at: int, depth: int) -> tuple[_Reference, int]:
    """Return the text between ``${`` and its ``}``, and the position after it."""
    if depth > CHAIN:
        raise _Unfollowed
    reference, start = _Reference(), at
    while at < len(text):
        if text.startswith("${", at):
            inner, end = _inner(text, at + 2, depth + 1)
            reference += [text[start:at], inner]
            start = at = end
        elif text[at] == "}":
            reference.append(text[start:at])
            return reference, at + 1
        elif text[at] == ":":  # A resolver.
            raise _Unfollowed
        else:
            at += 1
    raise _Unfollowed


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _texts(item)
