"""Whole pages of one sweep of 24 trials, as people and programs get them; times and silences are set, not measured."""

from __future__ import annotations

import itertools
import math
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_main import pipe, terminal
from results.builder import SweepBuilder, sweep24

from hyperherd import load
from hyperherd.results.pages.effects import effects_page
from hyperherd.results.pages.effects_line import effects_line
from hyperherd.results.pages.failures import failures_page
from hyperherd.results.text.layout import Screen

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
        ("compare.txt", ["compare", "model=cnn", "model=mlp"]),
        ("compare-by.txt", ["compare", "model=cnn", "model=mlp", "-m", "val/acc", "-m", "train/loss", "--by", "lr"]),
        ("pivot.csv", ["-f", "csv", "--pivot", "model", "lr", "-m", "train/loss:min"]),
        ("columns.tsv", ["-c", "number,lr,train/loss@val/acc:max,state", "-s", "lr:desc", "-n", "5"]),
        ("filtered.txt", ["-f", "table", "lr=0.1", "model=mlp", "seed!=1"]),
    ],
)
def test_in_a_pipe(sweep: Path, name: str, arguments: list[str]) -> None:
    done = pipe(*arguments, sweep, NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    same(name, done.stdout, sweep)


@pytest.mark.parametrize(
    ("name", "second", "arguments"),
    [
        ("compare-better.txt", {"shift": 0.1}, []),
        ("compare-close.txt", {"shift": 0.0}, []),
        ("compare-unpaired.txt", {"shift": 0.1, "first": 10}, []),
        ("compare-blocks.txt", {"shift": 0.0, "block": 0.2}, []),
        ("compare-guessed.txt", {"shift": 0.1, "objective": None}, ["-m", "val/acc", "-m", "val/loss:min"]),
    ],
)
def test_what_a_comparison_claims(tmp_path: Path, name: str, second: dict[str, Any], arguments: list[str]) -> None:
    """Two sweeps of 3 lr and 5 seeds, of which the second one is better by `shift`, if at all."""
    folders = [
        noisy(tmp_path / "old", objective=second.get("objective", ("val/acc", "maximize"))),
        noisy(tmp_path / "new", **second),
    ]
    done = pipe("compare", *folders, *arguments, NO_COLOR="1")
    assert (done.returncode, done.stderr) == (0, "")
    same(name, done.stdout.replace(str(tmp_path), "ROOT"), folders[0])


def noisy(
    root: Path,
    shift: float = 0.0,
    first: int = 0,
    block: float = 0.0,
    objective: tuple[str, str] | None = ("val/acc", "maximize"),
) -> Path:
    rng = random.Random(root.name)
    sweep = SweepBuilder(root, objective, seed_key="seed")
    moves = [block * rng.gauss(0, 1) for _ in range(5)]
    for lr in (0.1, 0.2, 0.3):
        for seed, move in enumerate(moves, first):
            acc = 0.5 + lr / 2 + shift + move + rng.gauss(0, 0.05)
            sweep.trial({"val/acc": acc, "val/loss": 1 - acc + rng.gauss(0, 0.1)}, params={"lr": lr, "seed": seed})
    return sweep.dir


@pytest.mark.parametrize(
    "command", ["", "show", "cancel", "stop", "work", "clean", "note", "tag", "help", "completion", "compare"]
)
def test_help(sweep: Path, command: str) -> None:
    page = pipe("help", *command.split(), COLUMNS="100").stdout
    path = GOLDEN / f"help-{command or 'all'}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(page)
    assert words_of(page) == words_of(path.read_text())


def words_of(page: str) -> list[str]:
    """Return the words of a help page; from Python 3.13 on a value is named once for all spellings of an option."""
    return re.sub(r"(-\w) (\S+), (--[\w-]+) \2", r"\1, \3 \2", page).split()


def claims(root: Path) -> Path:
    """Write a sweep in which two parameters act together, one does nothing, two cannot be told apart, and some die."""
    sweep = SweepBuilder(root)
    draw = random.Random(7)
    for lr, model, act, seed in itertools.product((1e-4, 1e-3, 1e-2, 1e-1), ("cnn", "mlp"), ("relu", "gelu"), range(4)):
        acc = 0.5 + 0.1 * math.log10(lr) * (model == "cnn") + draw.gauss(0, 0.02)
        params = {"lr": lr, "model": model, "width": {"cnn": 32, "mlp": 256}[model], "act": act, "seed": seed}
        if lr == 0.1 and draw.random() < 0.6:
            sweep.failed({}, params=params)
        else:
            sweep.trial({"val/acc": acc}, params=params)
    return sweep.dir


def noise(root: Path, count: int, *, failing: bool = False) -> Path:
    """Write a random search in which nothing matters."""
    sweep = SweepBuilder(root)
    draw = random.Random(2)
    for place in range(count):
        params = {"lr": 10 ** draw.uniform(-5, -1), "opt": draw.choice(("sgd", "adam")), "wd": draw.random()}
        if failing and place % 7 == 0:
            sweep.failed({}, params=params)
        else:
            sweep.trial({"val/acc": draw.gauss(0.5, 0.1)}, params=params)
    return sweep.dir


def unpaired(root: Path) -> Path:
    """Write a sweep of which no two trials share a seed, with a parameter too many for its pairs."""
    sweep = SweepBuilder(root)
    draw = random.Random(3)
    for place, (opt, _) in enumerate(itertools.product(("sgd", "adam", "lion"), range(5))):
        value = {"sgd": 0.5, "adam": 0.7, "lion": 0.71}[opt] + draw.gauss(0, 0.02)
        sweep.trial({"val/acc": value}, params={"opt": opt, "seed": place})
    return sweep.dir


def far_out(root: Path) -> Path:
    """Write a sweep in which a trial diverged to a number that is finite."""
    sweep = SweepBuilder(root, ("val/loss", "minimize"))
    draw = random.Random(4)
    for lr, seed in itertools.product((1e-3, 1e-2, 1e-1), range(5)):
        value = 1e8 if (lr, seed) == (1e-1, 3) else 10 * lr + draw.gauss(0, 0.1)
        sweep.trial({"val/loss": value}, params={"lr": lr, "seed": seed})
    return sweep.dir


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("sweep24", lambda root: sweep24(root).dir),
        ("claims", claims),
        ("noise", lambda root: noise(root, 40)),
        ("few", lambda root: noise(root, 5)),
        ("unpaired", unpaired),
        ("far-out", far_out),
    ],
)
def test_what_effects_claim(tmp_path: Path, name: str, write: Callable[[Path], Path]) -> None:
    trials = load(write(tmp_path / "s"))
    below = "\n".join(effects_line(trials, Screen(width=120)))
    same(f"effects-{name}.txt", f"{effects_page(trials.effects(), Screen(width=120))}\n{below}\n", tmp_path / "s" / "s")


@pytest.mark.parametrize(("name", "write"), [("claims", claims), ("noise", lambda root: noise(root, 40, failing=True))])
def test_what_failures_claim(tmp_path: Path, name: str, write: Callable[[Path], Path]) -> None:
    found = load(write(tmp_path / "s")).failures()
    same(f"failures-{name}.txt", failures_page(found, Screen(width=120)).split("\n\n")[0] + "\n", tmp_path / "s" / "s")
