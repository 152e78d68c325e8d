"""What the page of questions says a message is, is one: each is provoked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import App

import hyperherd

PAGE = (Path(__file__).resolve().parents[2] / "docs/faq.md").read_text()
OURS = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", PAGE, re.MULTILINE)
HYDRAS = PAGE[: PAGE.index("## Messages of ours")]
SWEPT = "lr=0.1,0.2"


def words(text: str) -> str:
    return re.sub(r"[\s`]+", " ", text)


@pytest.mark.parametrize(("written", "message"), OURS)
def test_what_is_refused_before_anything_runs(written: str, message: str, app: App) -> None:
    app.write("pass", "{lr: 0.1, model: cnn, seed: 0}")
    overrides = re.split(r" (?=hydra\.)", written)
    with pytest.raises(hyperherd.HyperherdError) as refused:
        hyperherd.plan([SWEPT, *overrides], config_dir=app.folder / "conf")
    assert message in words(str(refused.value))


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "hydra/sweeper=herd", "lrr=0.1"],
        ["-m", "hydra/sweeper=herd", "hydra.sweeper.sampel=3", SWEPT],
        ["-m", "hydra.sweeper.conditions=[]", SWEPT],
        ["-m", "hydra/sweeper=herd", "hydra.sweeper.sample=abc", SWEPT],
        ["-m", "hydra/sweeper=herd", "lr=}"],
        ["lr=1,2"],
    ],
    ids=" ".join,
)
def test_what_hydra_says_first(arguments: list[str], app: App) -> None:
    app.write("pass", "{lr: 0.1, model: cnn, seed: 0}")
    done = app.run(*arguments)
    assert done.returncode != 0
    quoted = re.findall(r"`([^`]+)`", " ".join(re.findall(r"\*\*(.*?)\*\*", HYDRAS, re.DOTALL)))
    said = words(done.stdout + done.stderr)
    assert any(words(message) in said for message in quoted if " " in message), said
