"""What the documentation tells people to type works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import App

import hyperherd

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SCRIPT, PYTHON = (
    block
    for block in re.findall(r"```python\n(.*?)```", README, re.S)
    if "import hyperherd\n" in block or "train.py" in block
)
(CONFIG,) = re.findall(r"```yaml\n(.*?)```", README, re.S)


def shell(folder: Path, command: str) -> str:
    """Run a line of the README with this interpreter's commands."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_ten_minutes(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    commands = re.findall(r"^    \$ (.*)$", README, re.M)
    told = [shell(tmp_path, command) for command in commands]
    assert "3 completed" in told[0]
    assert told[1].splitlines()[1].split("\t")[:3] == ["1", "completed", "0.03"]
    shown = shell(tmp_path, f"{sys.executable} -c '{PYTHON}'")
    assert shown.strip() == "{'lr': 0.03} 0.01"


def test_the_config_of_the_readme_plans_what_it_says(app: App) -> None:
    app.write("pass", CONFIG)
    done = app.run("-m", "hydra.sweep.dir=s")
    assert done.returncode == 0, done.stderr
    assert "4 trials, 4 to run" in done.stdout
    assert "merged 2 trials into equal ones" in done.stdout


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
        "docs/format.md",
        "docs/faq.md",
        "docs/results.md",
        "docs/search_space.md",
        "examples/mnist/README.md",
    ],
)
def test_every_link_and_every_file_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for name in re.findall(r"`((?:hyperherd|hydra_plugins|conf|tests|docs)/[\w./]*)`", text):
        assert (ROOT / name).exists() or ((ROOT / page).parent / name).exists(), name
