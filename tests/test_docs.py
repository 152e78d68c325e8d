"""What the documentation tells people to type works as written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from conftest import App

import hyperherd

ROOT = Path(__file__).resolve().parents[1]
SPACE = (ROOT / "docs/search_space.md").read_text()
BASE, *_ = re.findall(r"```yaml\n(.*?)```", SPACE, re.S)
EXAMPLES = re.findall(r"```yaml\n((?:(?!```).)*)```\n```\n(.*?)```", SPACE, re.S)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[0].splitlines()[0])
def test_every_example_of_a_search_space_gives_the_trials_below_it(app: App, example: tuple[str, str]) -> None:
    written, trials = example
    config = yaml.safe_load(BASE)
    config["defaults"] = ["_self_", {"override hydra/sweeper": "herd"}]
    config["hydra"] = {"sweeper": yaml.safe_load(written)}
    app.write("pass", yaml.safe_dump(config, sort_keys=False))
    preview = hyperherd.plan([], config_dir=app.folder / "conf")
    assert [" ".join(trial.overrides) for trial in preview.trials] == trials.splitlines()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/callbacks.md",
        "docs/format.md",
        "docs/faq.md",
        "docs/forward.md",
        "docs/results.md",
        "docs/search_space.md",
        "docs/launching.md",
        "docs/pruning.md",
        "docs/sites.md",
        "examples/mnist/README.md",
    ],
)
def test_every_link_and_every_file_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for name in re.findall(r"`((?:hyperherd|hydra_plugins|conf|tests|docs)/[\w./]*)`", text):
        assert (ROOT / name).exists() or ((ROOT / page).parent / name).exists(), name
