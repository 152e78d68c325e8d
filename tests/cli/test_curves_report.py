from __future__ import annotations

from pathlib import Path

import pytest
from cli.test_main import pipe, terminal
from results.showcase import showcase


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return showcase(tmp_path_factory.mktemp("cli") / "multirun" / "s")


def test_curves_on_a_terminal(sweep: Path) -> None:
    page = terminal(90, "curves", "val/acc", sweep, "--hue", "lr")
    assert "\x1b[34m⠀" not in page
    assert "lr=0.01" in page
    assert "n=6" in page


def test_curves_in_a_pipe_of_some_trials(sweep: Path) -> None:
    done = pipe("curves", "val/acc", sweep, "lr=0.01", "--smooth", "0.5", "--log-y", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert [line.split()[1] for line in done.stdout.splitlines() if "n=3" in line] == ["model=cnn", "model=mlp"]


def test_curves_that_cannot_be(sweep: Path) -> None:
    done = pipe("curves", "val/ac", sweep)
    assert done.returncode == 2
    assert "did you mean 'val/acc'" in done.stderr
    assert pipe("curves", "val/acc", sweep, "lr=9").returncode == 3


@pytest.mark.slow
def test_curves_to_a_file(sweep: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    done = pipe("curves", "val/acc", sweep, "-o", tmp_path / "a.svg", "--right", "train/loss")
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "a.svg").read_text()
    assert first.startswith("<?xml")
    again = ("curves", "train/loss", sweep, "--hue", "lr", "-o", tmp_path / "a.svg", "--range", "0", "1")
    done = pipe(*again)
    assert (done.returncode, (tmp_path / "a.svg").read_text()) == (2, first)
    assert "exists" in done.stderr
    assert pipe(*again, "--force").returncode == 0
    assert (tmp_path / "a.svg").read_text() != first
    done = pipe("curves", "val/acc", sweep, "-o", tmp_path / "a.jpg")
    assert done.returncode == 2
    assert "must end in .png" in done.stderr


@pytest.mark.slow
def test_a_report_of_some_trials(sweep: Path, tmp_path: Path) -> None:
    done = pipe("report", sweep, "lr=0.01", "-m", "train/loss:min", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "report.html\n"), done.stderr
    text = (tmp_path / "report.html").read_text()
    assert '"label":"train/loss:min"' in text
    assert '"counts":{"completed":6}' in text
    again = pipe("report", sweep, cwd=tmp_path)
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert (tmp_path / "report.html").read_text() == text
    assert pipe("report", sweep, "--force", cwd=tmp_path).returncode == 0
