"""Whole pages of one sweep of 24 trials, as people and programs get them; times and silences are set, not measured."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from cli.test_main import pipe, terminal
from results.builder import sweep24

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return sweep24(tmp_path / "multirun" / "lr_model_seed").dir


def same(name: str, page: str, sweep: Path) -> None:
    """Compare with the kept page; ``GOLDEN=write`` keeps this one."""
    page = page.replace(str(sweep.parent.parent), "ROOT")
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(page)
    assert page == path.read_text()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_on_terminals(sweep: Path, width: int) -> None:
    page = terminal(width, sweep, NO_COLOR="1")
    same(f"terminal-{width}.txt", page, sweep)
    table = page.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= width


def test_in_colour(sweep: Path) -> None:
    same("colour.txt", terminal(120, sweep), sweep)


def test_in_ascii(sweep: Path) -> None:
    page = terminal(120, sweep, NO_COLOR="1", PYTHONIOENCODING="ascii")
    assert page.isascii()
    same("ascii.txt", page, sweep)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("trials.tsv", []),
        ("seeds.tsv", ["--seeds"]),
        ("trials.txt", ["-f", "table", "--trials"]),
        ("seeds.md", ["-f", "md", "--err", "ci"]),
        ("seeds.tex", ["-f", "latex", "--err", "sem", "--precision", "3"]),
        ("pivot.txt", ["-f", "table", "--pivot", "lr", "model"]),
        ("pivot-pooled.txt", ["-f", "table", "--pivot", "lr", "seed", "--err", "ci"]),
        ("pivot-best.txt", ["-f", "table", "--pivot", "lr", "epochs", "--rest", "best", "--err", "ci"]),
        ("pivot.csv", ["-f", "csv", "--pivot", "model", "lr", "-m", "train/loss:min"]),
        ("columns.tsv", ["-c", "number,lr,train/loss@val/acc:max,state", "-s", "lr:desc", "-n", "5"]),
        ("filtered.txt", ["-f", "table", "lr=0.1", "model=mlp", "seed!=1"]),
    ],
)
def test_in_a_pipe(sweep: Path, name: str, arguments: list[str]) -> None:
    done = pipe(*arguments, sweep, NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    same(name, done.stdout, sweep)


@pytest.mark.parametrize("command", ["", "show", "cancel", "clean", "note", "tag", "help", "completion"])
def test_help(sweep: Path, command: str) -> None:
    page = pipe("help", *command.split(), COLUMNS="100").stdout
    path = GOLDEN / f"help-{command or 'all'}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(page)
    assert words_of(page) == words_of(path.read_text())


def words_of(page: str) -> list[str]:
    """Return the words of a help page; from Python 3.13 on a value is named once for all spellings of an option."""
    return re.sub(r"(-\w) (\S+), (--[\w-]+) \2", r"\1, \3 \2", page).split()
