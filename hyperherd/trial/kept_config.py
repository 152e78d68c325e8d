"""The config that a trial keeps: resolved as the trial would, without any effect on the trial.

Invariant: nothing that is done here can be noticed by the task function. References between keys are followed on a
copy; resolvers of the user's own are called in a child process, for they may draw random numbers, count or print. What
another call, or another environment, would answer differently is not a fact about the config and stays as written.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import select
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from hyperherd.compat.omegaconf import put_content, registered_resolvers
from hyperherd.masking import is_secret
from hyperherd.records.config import KeptConfig, interpolations, own_choices
from hyperherd.records.disk.files import dumps

MOST_BYTES = 1 << 20
"""A larger config is kept without its largest entries."""
CHILD_SECONDS = 10.0
"""How long resolvers may take; after that everything stays as written."""
_MOST_VALUES = 100_000
_DEEPEST = 100
_HARMLESS = frozenset(
    {"hydra", "now", "oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.env", "oc.select"}
)
_REFUSED = ("oc.env", "now")
"""What these answer belongs to the machine or the moment; so does everything that is made of it."""
_CALL = re.compile(r"\$\{\s*([^\W\d][\w-]*(?:\.[^\W\d][\w-]*)*)\s*:|(\}\s*:)")

log = logging.getLogger("hyperherd")


class _Unresolvable(Exception):
    """What is not to be resolved; OmegaConf wraps it, and the text stays as it is written."""


def written_config(config: DictConfig) -> dict[str, Any]:
    """Return a config as plain data, interpolations as text."""
    plain = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key != "hydra"}


def chosen_groups() -> dict[str, Any]:
    """Return the config groups of the job that runs in this process, and what is chosen of each."""
    choices = OmegaConf.to_container(HydraConfig.get().runtime.choices, resolve=False)
    return own_choices(choices) if isinstance(choices, dict) else {}


def keep_config(config: DictConfig, trial_dir: Path) -> None:
    """Write the `config.json` of a trial; an error in that does not affect the trial."""
    try:
        written = written_config(config)
        _capped(KeptConfig(chosen_groups(), _resolved(config, written), dict(interpolations(written)))).write(trial_dir)
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the config of the trial in %s cannot be saved: %s", trial_dir, error)


def _resolved(config: DictConfig, written: dict[str, Any]) -> dict[str, Any]:
    """Return a config with what can be resolved in it resolved."""
    if "${" not in (text := dumps(written)):
        return written
    calls = _calls(text)
    if "hydra" in calls:  # which reads Hydra's own config, and that may call others
        calls |= _calls(OmegaConf.to_yaml(HydraConfig.get()))
    if calls <= _HARMLESS:
        return _resolved_once(config, written)
    answer = _in_child(lambda: dumps(_resolved_twice(config, written)).encode("utf-8", "surrogatepass"))
    found = json.loads(answer) if answer else written
    return found if isinstance(found, dict) else written


def _calls(text: str) -> set[str]:
    """Return the resolvers that some texts call; one whose name is put together counts as unknown."""
    return {found[1] or "?" for found in _CALL.finditer(text)}


def _resolved_twice(config: DictConfig, written: dict[str, Any]) -> Any:
    """Return what resolves to the same value twice, the second time in another environment; for a child process."""
    first = _resolved_once(config, written)
    os.environ.clear()
    return _agreed(written, first, _resolved_once(config, written))


def _agreed(written: Any, first: Any, second: Any) -> Any:
    if dumps(first) == dumps(second):
        return first
    parts = (written, first, second)
    if all(isinstance(part, dict) for part in parts) and written.keys() == first.keys() == second.keys():
        return {key: _agreed(written[key], first[key], second[key]) for key in written}
    if all(isinstance(part, list) for part in parts) and len(written) == len(first) == len(second):
        return [_agreed(*items) for items in zip(written, first, second, strict=True)]
    return written


def _resolved_once(config: DictConfig, written: dict[str, Any]) -> dict[str, Any]:
    # A copy without the cache: the trial's own answers of resolvers are neither used nor added to.
    own = copy.deepcopy(config)
    OmegaConf.clear_cache(own)
    OmegaConf.set_readonly(own, False)
    hidden: dict[str, str] = {}
    _hide_secrets(own, hidden, "")
    with _refusing():
        found: dict[str, Any] = _Walk(hidden).container(own, written, 0)
        return found


def _hide_secrets(node: Any, hidden: dict[str, str], prefix: str) -> None:
    """Let what leads to a secret, as what comes from the environment, not be resolved."""
    content = node.__dict__["_content"]
    if not isinstance(content, dict | list):  # None, ??? or an interpolation
        return
    for key, child in list(content.items() if isinstance(content, dict) else enumerate(content)):
        name = f"{prefix}{key}"
        if isinstance(content, dict) and is_secret(str(key)):
            text = f"${{oc.env:secret_{len(hidden)}}}"
            hidden[text] = f"${{{name}}}"
            with suppress(Exception):  # a type of the user's own that takes no text; then it is not walked either
                put_content(child, text)
        elif isinstance(child, BaseContainer):
            _hide_secrets(child, hidden, f"{name}.")


class _Walk:
    """Makes plain data of a config, each value on its own: one that cannot be resolved does not affect the others."""

    def __init__(self, hidden: dict[str, str]) -> None:
        self._hidden = hidden
        self._left = _MOST_VALUES

    def container(self, node: Any, written: Any, depth: int) -> Any:
        """Return a dict or list of a config whose texts are `written`."""
        if depth > _DEEPEST:
            raise _Unresolvable
        content = node.__dict__["_content"]
        if isinstance(written, dict):
            pairs = zip(content.items(), written.items(), strict=True)
            return {
                str(name): self._value(node, key, child, item, depth, secret=is_secret(str(name)))
                for (key, child), (name, item) in pairs
            }
        return [
            self._value(node, place, child, item, depth)
            for place, (child, item) in enumerate(zip(content, written, strict=True))
        ]

    def _value(self, node: Any, key: Any, child: Any, written: Any, depth: int, *, secret: bool = False) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _Unresolvable
        if isinstance(written, str):
            if written in self._hidden:
                return self._hidden[written]
            return self._followed(node, key, written, depth) if "${" in written and not secret else written
        if secret or not isinstance(written, dict | list):
            return _plain(written, str(written))
        return self.container(child, written, depth + 1)

    def _followed(self, node: Any, key: Any, written: str, depth: int) -> Any:
        try:
            found = node[key]
            if not OmegaConf.is_config(found):
                return _plain(found, written)
            inner = OmegaConf.to_container(found, resolve=False, enum_to_str=True)
            return self.container(found, inner, depth + 1) if isinstance(inner, dict | list) else written
        except (Exception, SystemExit):  # noqa: BLE001 - user code: a resolver may raise anything
            return written


def _plain(value: Any, written: str) -> Any:
    """Return a value as JSON has it; an object that JSON does not know as it is written."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item, str(item)) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, str(item)) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else written


@contextmanager
def _refusing() -> Iterator[None]:
    """Let resolvers whose answers belong to the machine or the moment answer nothing while the block runs."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise _Unresolvable

    resolvers = registered_resolvers()
    before = {name: resolvers[name] for name in _REFUSED if name in resolvers}
    resolvers.update(dict.fromkeys(before, refuse))
    try:
        yield
    finally:
        resolvers.update(before)


def _in_child(work: Callable[[], bytes]) -> bytes:
    """Return what `work` returns in a child process; nothing if it fails or takes too long."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child does nothing but this
        child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(int(CHILD_SECONDS) + 1)  # if the parent is killed meanwhile
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            with open(writer, "wb") as stream:
                stream.write(work())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        return _received(reader)
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _received(reader: int) -> bytes:
    pieces: list[bytes] = []
    deadline = time.monotonic() + CHILD_SECONDS
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(reader, 1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    return b""


def _capped(kept: KeptConfig) -> KeptConfig:
    """Return a config without its largest entries if it is too large as a whole."""
    sizes = {name: len(dumps(value)) for name, value in kept.config.items()}
    total, config, left_out = sum(sizes.values()), dict(kept.config), []
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= MOST_BYTES:
            break
        total -= sizes[name]
        del config[name]
        left_out.append(name)
    if not left_out:
        return kept
    texts = {name: text for name, text in kept.interpolations.items() if name.split(".")[0] in config}
    return KeptConfig(kept.choices, config, texts, sorted(left_out))
