"""A locale of ASCII: what a trial says in other letters hides nothing."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from conftest import App

from hyperherd.escape import escape_what_is_lacking
from hyperherd.sweep.streams import escaping_streams

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_an_error_in_other_letters_is_told_in_escapes(app: App) -> None:
    app.write(r"""
        if cfg.lr == 2: raise ValueError("zu gro\u00df \u2717")
    """)
    # By an interpreter of its own: one that is forked has the encoding of its parent.
    done = subprocess.run(
        app.command("-m", "hydra/sweeper=herd", "hydra.sweep.dir=s", "lr=1,2"),
        cwd=app.folder,
        env={**{key: value for key, value in os.environ.items() if not key.startswith("PYTHONIO")}, **ASCII},
        capture_output=True,
    )
    assert done.returncode == 1
    told = done.stdout.decode("ascii")
    assert r"ValueError: zu gro\xdf \u2717" in told
    assert "1 completed, 1 failed" in told
    assert "go on: the same command" in told
    assert b"Logging error" not in done.stdout + done.stderr
    assert rb"zu gro\xdf" in (app.folder / "s/1/app.log").read_bytes()


def test_a_stream_is_as_strict_afterwards_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    with escaping_streams():
        print("ß")
    with pytest.raises(UnicodeEncodeError):
        print("ß")
    assert written.getvalue() == b"\\xdf\n"


def test_bytes_that_are_no_utf_8_stay_what_they_are() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    escape_what_is_lacking(stream)
    assert stream.errors == "surrogateescape"
