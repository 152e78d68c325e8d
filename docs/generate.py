"""What mkdocs runs to build the site: it makes pages of reference from the code, and lets nothing load from afar."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import hyperherd
from hyperherd.cli.command_names import COMMANDS
from hyperherd.cli.commands.guide import guide

ROOT = Path(__file__).resolve().parents[1]
LOADED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")
REPOSITORY = re.compile(r"\[([^\]]*)\]\((?:\.\./)+(?:tests|examples|benchmarks|[A-Z]+\.md)[^)]*\)")
"""A link to a file that is in the repository and not on the site; tests/test_docs.py sees to it that it exists."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    pages = {
        "guide.md": ["This page comes with the package: `python -m hyperherd guide`.\n", guide()],
        "reference/commands.md": _commands(),
        "reference/presets.md": _presets(),
        "reference/python.md": _names(),
        "reference/schemas.md": _schemas(),
    }
    for path, parts in pages.items():
        files.append(File.generated(config, path, content="\n".join(parts)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files that are not on the site into plain text."""
    return REPOSITORY.sub(r"\1", markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that loads something from the network."""
    if found := LOADED.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from elsewhere: {output[found.start() :][:200]}")
    return output


def _text(path: str) -> str:
    return (ROOT / path).read_text()


def _commands() -> Iterator[str]:
    os.environ["COLUMNS"] = "100"
    yield "# Commands\n\nWhat `--help` of each command prints."
    for name in ("table", *COMMANDS):
        page = import_module(f"hyperherd.cli.commands.{name}").make_parser().format_help()
        yield f"\n## herd-results{'' if name == 'table' else ' ' + name}\n\n```text\n{page}```"


def _presets() -> Iterator[str]:
    yield "# Presets\n\nEvery key of what `hydra/sweeper=`, `hydra/launcher=` and `hydra/callbacks=` select."
    for path in sorted((ROOT / "conf").rglob("*.yaml"), reverse=True):
        group = path.parent.relative_to(ROOT / "conf")
        yield f"\n## {group}={path.stem}\n\n```yaml\n{path.read_text()}```"


def _names() -> Iterator[str]:
    yield "# Python\n\nWhat `hyperherd` and `hyperherd.forward` offer."
    for name in sorted(hyperherd.__all__, key=lambda name: (name[0].isupper(), name)):  # functions first
        yield f"\n::: hyperherd.{name}"
    for name in ("import_metrics", "forward_step_metrics", "forward", "tracker", "Sent", "RowCount"):
        yield f"\n::: hyperherd.forward.{name}"


def _schemas() -> Iterator[str]:
    yield "# JSON schemas\n\nOf what `herd-results` and its commands print with `-f json`; installed with the package."
    for path in ("hyperherd/results/schema.json", "hyperherd/results/pages/commands.schema.json"):
        yield f"\n## {path}\n\n```json\n{_text(path)}```"
