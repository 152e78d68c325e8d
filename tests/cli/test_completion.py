"""Completion as it is typed: a real shell on a terminal, and what stands on its line after the Tab key."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.test_main import environment, pipe
from waiting import PATIENCE

from hyperherd.cli.main import main

SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; eval \"$(herd-results completion bash)\"",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        'unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; eval "$(herd-results completion zsh)"',
    ),
    "fish": (["fish", "--no-config", "-i"], "herd-results completion fish | source"),
}
TYPED = [
    ("fai", "failures"),
    ("mul", "multirun/"),
    ("--fail-on los", "lost"),
    ("--err se", "sem"),
    ("best --dire", "--direction"),
    ("best --direction ma", "max"),
    ("show --color alw", "always"),
    ("show multirun/s/0/la", "multirun/s/0/last.ckpt"),
    ("help eff", "effects"),
    ("completion fi", "fish"),
    ("cancel multirun/s --only pen", "pending"),
    ("multirun/s --ful", "--full"),
]
"""What is typed after the command's name, and what its last word becomes."""


class Terminal:
    """A shell on a terminal, with a prompt of its own."""

    def __init__(self, shell: str, folder: Path) -> None:
        argv, setup = SHELLS[shell]
        self._ours, theirs = pty.openpty()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        home = folder / "home"
        home.mkdir()
        changes = {"PATH": path, "HOME": str(home), "TERM": "dumb", "PS1": "", "XDG_CONFIG_HOME": str(home)}
        self._process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=environment(**changes),
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""
        self.type(f"{setup}; echo rea''dy\n")
        self.wait_for("ready")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` is there."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                pytest.fail(f"no {text!r} on the terminal: {self.seen!r}")
            read = os.read(self._ours, 65536).decode("utf-8", "replace")
            self.seen += re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>])|[\r\b]", "", read)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trial = tmp_path / "multirun/s/0"
    trial.mkdir(parents=True)
    (trial / "last.ckpt").write_bytes(b"")
    return tmp_path


@pytest.fixture(params=["bash", "zsh"])
def typing(request: pytest.FixtureRequest, folder: Path) -> Iterator[Terminal]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    terminal = Terminal(request.param, folder)
    yield terminal
    terminal.close()


def test_words_are_completed_in_a_terminal(typing: Terminal) -> None:
    for text, word in TYPED:
        typing.seen = ""
        typing.type(f"herd-results {text}\t")
        typing.wait_for(text.rpartition(" ")[0] + " " * (" " in text) + word)
        typing.type("\x15")  # the line is emptied


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_words_are_completed_in_fish(folder: Path) -> None:
    """Fish prints what it would offer."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    lines = [f"complete -C 'herd-results {text}'; echo" for text, _ in TYPED]
    program = "herd-results completion fish | source; " + "; ".join(lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        cwd=folder,
        env=environment(PATH=path, HOME=str(folder)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    offered = [block.split("\n") for block in done.stdout.split("\n\n")]
    for (text, word), found in zip(TYPED, offered, strict=False):
        assert word in [line.partition("\t")[0] for line in found], (text, found, done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(shell: str) -> None:
    script = pipe("completion", shell).stdout
    for name in ("cancel", "compact", "--escape-formulas", "--seed-key", "--follow"):
        assert name.removeprefix("--") in script


def test_completion_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == (
        "herd-results: error: completion needs shtab: pip install 'hydra-hyperherd[completion]'\n"
    )
