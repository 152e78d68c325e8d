"""A project whose every part says which text it has, and edits of all of them, for tests of snapshots of code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TRAIN = """
import json, os, sys
from pathlib import Path
import hydra
{imports}
MARK = "before"

@hydra.main(version_base=None, config_path="{conf}", config_name="config")
def main(cfg):
    {late}
    told = {{"width": cfg.width, "script": MARK, "early": early.MARK, "late": late.MARK, "config": cfg.model.mark,
            "data": Path(__file__).with_name("data.txt").read_text(), "file": __file__, "argv": sys.argv[0],
            "module": early.__file__, "cwd": os.getcwd()}}
    with open(os.environ["TOLD"], "a") as file:
        file.write(json.dumps(told) + "\\n")
    if cfg.width == 9:
        raise ValueError("boom")

if __name__ == "__main__":
    main()
"""
EDITING = """
from pathlib import Path
import logging
from hydra.experimental.callback import Callback
class Handler(logging.Handler):
    def emit(self, record):
        if "to run" in record.getMessage():
            for path in Path({root!r}).rglob("*"):
                if path.suffix in (".py", ".yaml", ".txt") and ".hyperherd" not in path.parts:
                    path.write_text(path.read_text().replace("before", "after"))
class Edits(Callback):
    def __init__(self):
        logging.getLogger("hyperherd").addHandler(Handler())
"""
EDITS = "+hydra.callbacks.edits={_target_: editing.Edits}"
"""Has the project edited after the snapshot was taken, and before any trial begins; see `write_editing`."""
MARKS = ("script", "early", "late", "config", "data")


def write_project(root: Path, place: str = ".", conf: str = "conf", imports: tuple[str, str] | None = None) -> Path:
    """Write a project of a script, two modules and configs, and return the script.

    Args:
        root: its folder.
        place: where script and modules lie in it.
        conf: the folder of configs, relative to the script.
        imports: how the modules are imported, at once and late; None for modules beside the script.
    """
    code = root / place
    early, late = imports or ("import early", "import late")
    (code / conf / "model").mkdir(parents=True)
    (code / "train.py").write_text(TRAIN.format(imports=early, late=late, conf=conf))
    (code / conf / "config.yaml").write_text("defaults: [_self_, model: cnn]\nwidth: 1\n")
    (code / conf / "model/cnn.yaml").write_text("mark: before\n")
    for name in ("early", "late"):
        (code / f"{name}.py").write_text('MARK = "before"\n')
    (code / "data.txt").write_text("before")
    return code / "train.py"


def write_editing(folder: Path, root: Path) -> None:
    """Write the module of `EDITS` into a folder, for a project."""
    (folder / "editing.py").write_text(EDITING.format(root=str(root)))


def edit(root: Path) -> None:
    """Change every file of the project but what is in a sweep."""
    for path in root.rglob("*"):
        if path.suffix in (".py", ".yaml", ".txt") and not {"s", "multirun", ".hyperherd"}.intersection(path.parts):
            path.write_text(path.read_text().replace("before", "after"))


def told(root: Path) -> list[dict[str, Any]]:
    """Return what trials have said of what they ran, by width."""
    path = root / "told"
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted(map(json.loads, lines), key=lambda one: one["width"])


def marks(one: dict[str, Any]) -> set[str]:
    """Return which texts a trial has seen."""
    return {one[name] for name in MARKS}


def commit(root: Path, ignored: str = "") -> None:
    """Make a repository of the project."""
    (root / ".gitignore").write_text(ignored)
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "--allow-empty", "-m", "all")):
        subprocess.run(["git", "-C", str(root), *words], check=True)


def lines_of(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below a folder with its content."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()
