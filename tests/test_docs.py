"""What the documentation tells people to type works as written."""

from __future__ import annotations

import dataclasses
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from conftest import App

import hyperherd
from hyperherd.cli.command_names import COMMANDS
from hyperherd.records.states import FailureCause, TrialState
from hyperherd.schemas import HerdLocalLauncherConf, HerdLsfLauncherConf, HerdSlurmLauncherConf, HerdSweeperConf

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


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/*.md")]
MADE = ("reference/", "guide.md")
"""Pages that docs/generate.py makes when the site is built."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_file_named_exists(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / target).exists() or target.removeprefix("../").startswith(MADE), target
    for name in re.findall(r"`((?:hyperherd|hydra_plugins|conf|tests|docs)/[\w./]*)`", text):
        assert (ROOT / name).exists() or (page.parent / name).exists(), name


def test_the_words_are_those_of_the_code() -> None:
    words = (ROOT / "docs/glossary.md").read_text()
    assert all(f"| `{state}` |" in words for state in TrialState)
    assert all(f"`{cause}`" in words for cause in FailureCause)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_yaml_is_yaml(page: Path) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        yaml.safe_load(block)


def _commands_written() -> list[tuple[str, str]]:
    """Return every `herd-results` line of a block on a page, with the page; other programs behind it are cut off."""
    lines = []
    for page in [*PAGES, ROOT / "hyperherd/guide.md"]:
        text = re.sub(r"\\\n +", "", page.read_text())  # a command of several lines
        for line in re.findall(r"^(?:    |\$ )(herd-results\b.*)$", text, re.MULTILINE):
            lines.append((page.name, re.split(r" +# | \| | > | {4,}|\$\(", line)[0].removesuffix(" ...")))
    return lines


@pytest.mark.parametrize(("page", "line"), _commands_written())
def test_every_command_that_a_page_names_is_one(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command = words.pop(0) if words and words[0] in COMMANDS else "table"
    if words[:1] == ["COMMAND"]:
        return
    import_module(f"hyperherd.cli.commands.{command}").make_parser().parse_args(words)


def test_every_setting_that_a_page_names_is_one() -> None:
    ours = (HerdLocalLauncherConf, HerdSlurmLauncherConf, HerdLsfLauncherConf)
    launchers = {key for schema in ours for key in _keys(schema)}
    known = {"sweeper": _keys(HerdSweeperConf), "launcher": launchers}
    for page in [*PAGES, ROOT / "hyperherd/guide.md"]:
        for group, key in re.findall(r"hydra\.(sweeper|launcher)\.([a-z_]+)", page.read_text()):
            assert key in known[group] or (page.name, key) in OF_OTHERS, (page.name, group, key)


OF_OTHERS = {("results.md", "direction"), ("faq.md", "sampel")}
"""Settings of other sweepers, and a slip."""


def _keys(schema: type) -> set[str]:
    return {field.name for field in dataclasses.fields(schema)}
