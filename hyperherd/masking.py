"""Which keys look like secrets, and texts in which the values of such keys are masked.

Of a value the name of its key counts; in command lines and texts well-known tokens and passwords in URLs, too. A secret
of another shape under another name, in a message or in a log is not recognised (docs/security.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

MASK = "<masked>"
"""Hydra refuses it as a value, so a command that is printed with it does not run by mistake."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALWAYS = _words(
    "secret secrets password passwords passwd passphrase pwd credential credentials apikey apikeys accesskey secretkey "
    "privatekey authtoken accesstoken refreshtoken bearertoken apitoken hftoken bearer authorization"
)
_OWNERS = _words(
    "api access auth private secret signing encryption account service client ssh master deploy wandb openai anthropic "
    "huggingface hf comet neptune mlflow clearml azure aws gcp github gitlab slack bot session refresh bearer jwt "
    "oauth personal"
)
"""What stands before ``key``, ``keys`` or ``tokens`` if these open something."""
_PIECES = _words(
    "pad eos bos unk mask sep cls start end stop begin image video audio text special additional decoder encoder word "
    "per next last first prefix suffix prompt new dist distillation register extra class time target source query eot "
    "sot sos eod bpe byte char sub input output vocab separator padding unknown blank tool think thinking"
)
"""What stands before ``token`` in a model's config, where it is a piece of text."""
_ABOUT = _words("file files path paths dir directory env url name length len size limit count type policy")
"""At the end of a name: the value describes a secret (where it is, how long), and is not one."""
_WORDS = {"null": None, "true": True, "false": False, "": None}
_FLAT = frozenset({int, float, bool, str, type(None)})
_ENTRY = re.compile(r"""(?<![\w.-])(?P<name>[A-Za-z_][\w.-]*)["']?\s*:\s*""")
_OF_ENTRY = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{\[].*|(?:\\.|[^,}\]\\])*""", re.DOTALL)
"""Key and value in a dict of Hydra's grammar, or of JSON; what is nested below a secret goes with all that follows."""

_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|xox[abeprs]-[\w-]{10,}|sk-[\w-]{16,}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
"""Tokens of GitHub, GitLab, Hugging Face, AWS, Slack, OpenAI and Google, and web tokens."""
_URL = re.compile(r"(?<![\w+.-])(?P<scheme>[A-Za-z][\w+.-]{0,30}://)(?P<who>[^\s/'\"<>]+)@")
_SETTING = re.compile(
    r"""(?<![\w.-])-*(?P<name>[A-Za-z_][\w.-]*)(?:["']?\]?[ \t]*[:=]|["'][ \t]*,)[ \t]*"""
    r"""|(?<![\w.-])--(?P<option>[A-Za-z][\w-]*)[ \t]+(?=[^\s-])"""
)
"""A name before a value, in code, YAML, JSON or a shell: ``x = f(token="..."``, ``e["TOKEN"] = ``, ``--token ...``."""
_OF_SETTING = re.compile(r"""(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')(?=[ \t]*(?:[,;)}\]\n]|\Z))|[^\n]*""")
"""A text in quotes; anything else goes up to the end of the line, because passwords may hold any character."""
_QUIET = re.compile(
    r"""["']?(?:null|none|true|false|\?\?\?|<masked>|\$\{[^{}\n]*\})?["']?[ \t]*(?=[,;)}\]\n]|\Z)""", re.IGNORECASE
)
"""A value that tells nothing: see :func:`_is_telling`."""
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*-----|\Z)", re.DOTALL)
_LOGINS = ("git", "hg", "ssh")
"""Before the host of an address with which one logs in by a key: no secrets."""


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether the value of a key (``wandb.api_key``, ``HF_TOKEN``) is likely a secret.

    ``max_tokens``, ``tokenizer``, ``pad_token`` and ``token_id`` are not: they belong to models.
    """
    words = [word.lower() for word in _WORD.findall(re.split(r"[./]", name)[-1])]
    if not words or words[-1] in _ABOUT:
        return False
    if not _ALWAYS.isdisjoint(words):
        return True
    if any(owner in _OWNERS and word in ("key", "keys") for owner, word in pairwise(words)):
        return True
    if words[-1] == "token":
        return len(words) == 1 or words[-2] not in _PIECES
    return words[-1] == "tokens" and len(words) > 1 and words[-2] in _OWNERS


def masked(name: str, value: Any) -> Any:
    """Return the value of a key, or the mask where that key looks like a secret; truth values and null stay."""
    if isinstance(value, dict):
        return masked_dict(value, within=name)
    if isinstance(value, list | tuple):
        return [masked(name, item) for item in value]
    return MASK if is_secret(name) and _is_telling(value) else value


def _is_telling(value: Any) -> bool:
    """Return whether a value may be a secret: not a reference to it, such as ``${oc.env:HF_TOKEN}``."""
    if isinstance(value, str):
        return bool(value) and value not in ("???", MASK) and not (value.startswith("${") and value.endswith("}"))
    return value is not None and not isinstance(value, bool)


def masked_dict(values: Mapping[Any, Any], within: str = "") -> dict[Any, Any]:
    """Return values by key, at any depth, with the mask in place of secrets; below a secret's key all are."""
    inherited = within if within and is_secret(within) else ""
    return {key: masked(inherited or str(key), value) for key, value in values.items()}


def masked_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with the mask in place of secrets; the same object if there are none."""
    if not _any_secret(tuple(params)) and _FLAT.issuperset(map(type, params.values())):  # The usual case.
        return params
    return {name: masked(name, value) for name, value in params.items()}


@lru_cache(maxsize=1024)
def _any_secret(names: tuple[str, ...]) -> bool:
    return any(map(is_secret, names))


def masked_word(word: str) -> str:
    """Return one argument of a command (``+wandb.api_key=...``, ``--token=...``) with the mask in place of secrets."""
    word = masked_shapes(word)
    if word.startswith(("{", "[")):
        return _masked_values(word, _ENTRY, _OF_ENTRY)
    start, equals, value = word.partition("=")
    if not equals:
        return word
    if is_secret(start.lstrip("+-~")):
        return f"{start}={MASK}" if _is_telling(_WORDS.get(value.lower(), value)) else word
    return f"{start}={_masked_values(value, _ENTRY, _OF_ENTRY)}" if value.startswith(("{", "[")) else word


def masked_words(words: Iterable[str]) -> tuple[str, ...]:
    """Return the arguments of a command with the mask in place of secrets, ``--token VALUE`` too."""
    result: list[str] = []
    before = ""
    for word in words:
        is_value = before.startswith("--") and "=" not in before and is_secret(before) and not word.startswith("-")
        result.append(MASK if is_value else masked_word(word))
        before = word
    return tuple(result)


def masked_shapes(text: str) -> str:
    """Return a text with the mask in place of well-known tokens, and of passwords in URLs."""
    text = _SHAPE.sub(MASK, text)
    return _URL.sub(_masked_url, text) if "://" in text else text


def masked_text(text: str) -> str:
    """Return a text of any kind (a diff, an address) with the mask in place of what looks like a secret.

    Values of names that look like secrets are masked wherever a colon or an equals sign follows the name, up to the end
    of the line if they are not in quotes: rather a line of code too many than a password.
    """
    text = _PRIVATE_KEY.sub(rf"\1 {MASK} \2", text)
    return masked_shapes(_masked_values(text, _SETTING, _OF_SETTING))


def masked_name(name: str, overrides: Iterable[str]) -> str:
    """Return the name of a trial, which is made of its overrides, with the mask in place of secrets."""
    for word in overrides:
        hidden = masked_word(word)
        if hidden != word:
            name = name.replace(f"={word.partition('=')[2]}", f"={hidden.partition('=')[2]}")
    return name


def _masked_values(text: str, before: re.Pattern[str], value: re.Pattern[str]) -> str:
    """Return a text with the mask in place of each value before which a name stands that looks like a secret."""
    parts: list[str] = []
    end = 0
    for found in before.finditer(text):
        # A name within another one's value counts by itself: `client = Client(api_key="...")`.
        is_own = found.start() >= end and is_secret(next(filter(None, found.groups())))
        if is_own and not _QUIET.match(text, found.end()) and (hidden := value.match(text, found.end())):
            parts += text[end : found.end()], MASK
            end = hidden.end()
    return "".join((*parts, text[end:]))


def _masked_url(found: re.Match[str]) -> str:
    user, colon, _ = found["who"].partition(":")
    if colon:
        return f"{found['scheme']}{user}:{MASK}@"
    return found[0] if user in _LOGINS or not found["scheme"].startswith("http") else f"{found['scheme']}{MASK}@"
