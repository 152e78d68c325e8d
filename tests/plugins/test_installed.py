"""The built wheel in an empty virtual environment, as a new user gets it; and beside the first HyperHerd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import hydra
from hyperherd import log_result

@hydra.main(version_base=None)
def main(cfg):
    for step in range(5):
        log_result("val/acc", cfg.lr * step, step=step)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_a_new_user_installs_the_wheel_and_sweeps_a_script_of_their_own(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", wheel]  # what is imported is compiled then
    subprocess.run(install, check=True, capture_output=True)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*command: object) -> str:
        done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told = run(python, "script.py", "-m", "+lr=0.01,0.1", "hydra/sweeper=herd")
    assert "2 completed" in told
    table = run(tmp_path / "venv" / "bin" / "herd-results", "multirun/")
    header, best, other = (line.split("\t") for line in table.splitlines())
    assert header[:3] == ["number", "state", "lr"]
    assert (best[0], other[0]) == ("1", "0")


def test_the_first_hyperherd_in_the_same_place_is_named_at_once(tmp_path: Path) -> None:
    """Its distribution installs a package of the same name; whichever came last has overwritten a part of the other."""
    shutil.copytree(ROOT / "hyperherd", tmp_path / "hyperherd")
    (tmp_path / "hyperherd" / "manifest.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import hyperherd"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert "ImportError: the distributions `hyperherd` and `hydra-hyperherd` are both installed" in done.stderr
    assert "pip uninstall" in done.stderr
