"""What is built for a registry: a wheel and an sdist with all that belongs in them, and a readable page."""

from __future__ import annotations

import email
import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

import hyperherd

pytest.importorskip("hatchling", reason="hatchling is not installed")

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"hyperherd", "hyperherd_callbacks", "hydra_plugins"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a wheel and an sdist lie."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def source_files(folders: Iterable[str]) -> set[str]:
    """Return the files that git has, or would take, below some folders."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name for name in names if (ROOT / name).exists()}


def test_the_wheel_holds_the_packages_and_presets_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    presets = {f"hyperherd/{name}" for name in source_files(["conf"])}
    assert len(presets) > 7
    assert packed == source_files(PACKAGES) | presets
    assert {"hyperherd/py.typed", "hyperherd_callbacks/py.typed"} <= packed
    assert "hydra_plugins/__init__.py" not in packed
    assert not [name for name in packed if "__pycache__" in name or "test" in PurePosixPath(name).parts]


def test_the_wheel_brings_the_report_with_the_licences_of_others(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assets = "hyperherd/results/report/assets"
    assert len(source_files([assets]) & set(wheel.namelist())) > 15
    licences = metadata.get_all("License-File", [])
    assert set(licences) == {
        "LICENSE",
        *source_files([f"{assets}/echarts/{name}" for name in ("LICENSE", "NOTICE", "licenses")]),
    }
    kept = {name.split("/licenses/", 1)[1] for name in wheel.namelist() if ".dist-info/licenses/" in name}
    assert kept == set(licences)
    assert metadata["License-Expression"] == "MIT AND Apache-2.0 AND BSD-3-Clause"


def test_there_is_one_version(metadata: Message, built: Path) -> None:
    assert metadata["Version"] == hyperherd.__version__
    assert {path.name for path in built.iterdir()} == {
        f"hydra_hyperherd-{hyperherd.__version__}-py3-none-any.whl",
        f"hydra_hyperherd-{hyperherd.__version__}.tar.gz",
    }
    heads = re.findall(
        r"^## (\S+) (?:- \d{4}-\d\d-\d\d|\(unreleased\))$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heads[0] == hyperherd.__version__


def test_the_changelog_keeps_its_form() -> None:
    for version in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]:
        kinds = re.split(r"^### (.+)\n", version, flags=re.MULTILINE)
        assert set(kinds[1::2]) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        assert len(set(kinds[1::2])) == len(kinds[1::2])
        assert all(text.strip() for text in kinds[2::2]), f"an empty section of {kinds[0]}"


def test_the_sdist_holds_what_the_wheel_is_built_and_tested_from(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    folders = [*PACKAGES, "conf", "docs", "tests", "examples", "benchmarks"]
    assert source_files(folders) - names == set()
    others = {name for name in names if name.split("/")[0] not in folders}
    assert others == {
        ".gitignore",
        "PKG-INFO",
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_a_registry_can_show_the_readme(metadata: Message) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown", reason="readme-renderer is not installed")
    assert metadata["Description-Content-Type"] == "text/markdown"
    said = io.StringIO()
    page = markdown.render(metadata.get_payload(), stream=said)
    assert page is not None, said.getvalue()
    assert page.count("<pre") >= 3
    # A registry has none of our files.
    pictures = re.findall(r'<img[^>]* src="([^"]*)"', page)
    assert [source for source in pictures if not source.startswith("https://")] == []
