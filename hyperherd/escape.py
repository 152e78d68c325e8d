"""Text that comes from runs (names, messages, tracebacks), made unable to steer a terminal."""

from __future__ import annotations


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
