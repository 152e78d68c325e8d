"""`hydra.sweeper.notify`: where notifications go, and what about; addresses are secrets, which no config may hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf

from hyperherd.errors import SweepError, nearest

FINISHED = "finished"
FIRST_FAILURE = "first_failure"
STOPPED = "stopped"
STALLED = "stalled"
ALERT = "alert"
NEW_BEST = "new_best"
EVENTS = (FINISHED, FIRST_FAILURE, STOPPED, STALLED, ALERT, NEW_BEST)
USUAL = frozenset(EVENTS) - {NEW_BEST}

_KEY = "hydra.sweeper.notify"
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*([A-Za-z_]\w*)\s*(,\s*(null|''|\"\")\s*)?\}")
_OPEN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
"""Kinds of addresses that work without a credential; in the path of most others one stands."""
_DESKTOP = frozenset({"dbus", "gnome", "macosx", "windows"})
_LARGEST_FILE = 100_000
_EXAMPLE = "export NOTIFY_URL='...' and hydra.sweeper.notify='${oc.env:NOTIFY_URL}', or the path of a file with it"


@dataclass(frozen=True)
class NotifySettings:
    """What is asked for; addresses are as they are written, references to where they are."""

    urls: tuple[str, ...]
    on: frozenset[str] = USUAL


@dataclass(frozen=True)
class Address:
    """One address to send to.

    Attributes:
        name: what it is called in messages: where it was given, and its kind.
        url: what apprise sends to; it may hold a credential, and appears in no message, record or command line.
    """

    name: str
    url: str = field(repr=False)


def read_notify(sweeper: DictConfig) -> NotifySettings | None:
    """Read the key; None if nothing is to be sent.

    Raises:
        SweepError: it is not what it may be, or an address stands there that may hold a credential. Hydra would write
            it into `multirun.yaml` and the config of every trial.
    """
    if "notify" not in sweeper:
        return None
    plain: Any = OmegaConf.to_container(OmegaConf.masked_copy(sweeper, ["notify"]), resolve=False)
    written = plain["notify"]
    on = USUAL
    if isinstance(written, dict):
        if unknown := written.keys() - {"urls", "on"}:
            raise SweepError(f"{_KEY} has no key {min(map(str, unknown))!r}; expected urls and on")
        on = _events(written.get("on"))
        written = written.get("urls")
    urls = [written] if isinstance(written, str) else written
    if urls is None or urls == []:
        return None
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise SweepError(f"{_KEY} holds something that is not text; expected addresses: {_EXAMPLE}")
    for place, url in enumerate(urls):
        _check_written(url.strip(), f"{_KEY}[{place}]")
    return NotifySettings(tuple(url.strip() for url in urls), on)


def _events(written: Any) -> frozenset[str]:
    if written is None:
        return USUAL
    if written == "all":
        return frozenset(EVENTS)
    names = [written] if isinstance(written, str) else written
    if not isinstance(names, list):
        raise SweepError(f"{_KEY}.on is {names!r}; expected a list of {', '.join(EVENTS)}")
    for name in names:
        if name not in EVENTS:
            raise SweepError(
                f"{_KEY}.on has {name!r}{nearest(str(name), EVENTS)}; expected some of {', '.join(EVENTS)}"
            )
    return frozenset(names)


def _check_written(url: str, where: str) -> None:
    """Refuse what is or may hold a credential; the message does not repeat it, because it may be kept."""
    if "${" in url and not _VARIABLE.fullmatch(url) and ("://" in url or "${" in _VARIABLE.sub("", url)):
        raise SweepError(
            f"{where} is put together of references; expected one variable that holds the whole address: {_EXAMPLE}"
        )
    if "://" in url and not _is_harmless(url):
        kind = url.partition("://")[0]
        kind = f"{kind}://" if kind.isalnum() else "an address"
        raise SweepError(
            f"{where} is the address itself ({kind}), which may hold a credential, and Hydra would write it into "
            f"multirun.yaml and the config of every trial; use {_EXAMPLE}"
        )


def _is_harmless(url: str) -> bool:
    """Return whether an address says where to send to, and nothing that only its owner should know."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme.lower() in _DESKTOP:
        return not (parts.netloc or parts.path.strip("/") or parts.query or parts.fragment)
    bare = not (parts.path.strip("/") or parts.query or parts.fragment) and "@" not in parts.netloc
    return bare and parts.scheme.lower() in _OPEN


def addresses(settings: NotifySettings, environment: Mapping[str, str] = os.environ) -> list[Address]:
    """Return what the references in the settings refer to.

    Raises:
        SweepError: a variable is not set, or a file cannot be read or holds no addresses.
    """
    found = []
    for place, written in enumerate(settings.urls):
        where = f"{_KEY}[{place}]"
        urls = list(_referred_to(written, where, environment))
        for number, url in enumerate(urls, 1):
            kind, colon, _ = url.partition("://")
            if not colon or not kind.isalnum():
                raise SweepError(f"{where} leads to a text, number {number} there, that is not like KIND://...")
            which = f"address {number}, " if len(urls) > 1 else ""
            found.append(Address(f"{where} ({which}{kind})", url))
    return found


def address_files(settings: NotifySettings, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the absolute paths of the files that hold addresses."""
    paths = (_path(url, environment) for url in settings.urls if "://" not in url and not _VARIABLE.fullmatch(url))
    return [os.path.abspath(path.expanduser()) for path in paths]  # noqa: PTH100 - links are kept


def _path(written: str, environment: Mapping[str, str]) -> Path:
    return Path(_VARIABLE.sub(lambda found: environment.get(found[1], ""), written))


def _referred_to(written: str, where: str, environment: Mapping[str, str]) -> Iterator[str]:
    if variable := _VARIABLE.fullmatch(written):
        value = environment.get(variable[1])
        if value is None and variable[2] is None:
            raise SweepError(f"{where}: the environment variable {variable[1]} is not set")
        yield from (value or "").split()
    elif "://" in written:
        yield written
    else:
        yield from _in_file(_path(written, environment), where)


def _in_file(path: Path, where: str) -> Iterator[str]:
    try:
        with path.expanduser().open(encoding="utf-8") as stream:
            text = stream.read(_LARGEST_FILE)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SweepError(f"{where} is neither an address nor a file that can be read: {path}: {why}") from None
    lines = [line.strip() for line in text.splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    if not urls:
        raise SweepError(f"{where}: {path} holds no address; expected one a line")
    yield from urls
