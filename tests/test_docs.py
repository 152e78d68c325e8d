"""What the documentation tells people to type works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import App

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
    assert "merged 2 equal trials" in done.stdout


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/format.md", "examples/mnist/README.md"]
)
def test_every_link_and_every_file_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for name in re.findall(r"`((?:hyperherd|hydra_plugins|conf|tests|docs)/[\w./]*)`", text):
        assert (ROOT / name).exists() or ((ROOT / page).parent / name).exists(), name
