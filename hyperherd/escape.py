"""Text that comes from runs (names, messages, tracebacks), made unable to steer a terminal."""

from __future__ import annotations

from contextlib import suppress
from io import TextIOWrapper


def escaped(text: str) -> str:
    r"""Return `text` with every character that is not printable spelled as an escape: ``\x1b``, ``\n``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """Return `text` with runs of white space as one blank, made inert."""
    return escaped(" ".join(text.split()))


def escaped_lines(text: str) -> str:
    """Return `text` made inert line by line; its lines stay lines."""
    return "\n".join(escaped(line.replace("\t", "    ")) for line in text.splitlines())


def escape_what_is_lacking(stream: object) -> None:
    """Let a text stream write the letters that its encoding lacks as escapes; what is no text stream stays as it is.

    It would raise otherwise, and logging would print a traceback of its own in place of the message.
    """
    if not isinstance(stream, TextIOWrapper):
        return
    # Of UTF-8 it lacks halves of surrogates alone, by which Python stands for bytes that are none.
    if stream.errors == "strict" or (stream.errors == "surrogateescape" and "utf" not in stream.encoding.lower()):
        with suppress(ValueError, OSError):  # closed, or its disk is full
            stream.reconfigure(errors="backslashreplace")
