"""Make the pictures of README anew, from a real sweep: python docs/pictures/make.py (with playwright and Chromium)."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
SWEPT = "multirun/lr_momentum"
SWEEP = ["lr=0.01,0.03,0.1,0.3", "momentum=0.0,0.5,0.9", "hydra.sweeper.seeds=3", f"hydra.sweep.dir={SWEPT}"]
HERD = ["-m", "hydra/sweeper=herd", "hydra/launcher=herd_local", "hydra.launcher.max_parallel=2"]
OBJECTIVE = "hydra.sweeper.objective={metric: val/loss, direction: minimize}"
STYLES = {
    "1": "font-weight:bold",
    "2": "opacity:.6",
    "31": "color:#f47067",
    "32": "color:#57ab5a",
    "33": "color:#c69026",
}
TERMINAL = """<meta charset=utf-8><style>body{margin:0;background:#1c2128;color:#cdd9e5}
pre{display:inline-block;margin:0;max-width:105ch;white-space:pre-wrap;
padding:18px 22px;font:14px/1.35 "DejaVu Sans Mono",monospace}</style><pre>"""


def main() -> None:
    """Sweep in an empty folder, and photograph the table and the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = re.findall(r"```\w+\n(# (\S+\.\w+)\n.*?)```", (HERE.parents[1] / "README.md").read_text(), re.DOTALL)
        for text, path in files:
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text)
        run(folder, sys.executable, "train.py", *HERD, *SWEEP, OBJECTIVE)
        run(folder, "herd-results", "report", SWEPT, "-o", "report.html")
        table = run(folder, "herd-results", SWEPT, "-f", "table", "--color", "always")
        (folder / "table.html").write_text(TERMINAL + coloured("$ herd-results\n" + table))
        photograph(folder)


def run(folder: Path, *command: str) -> str:
    """Run a command to its end, and return what it printed."""
    environment = {**os.environ, "COLUMNS": "110", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def coloured(text: str) -> str:
    """Return a terminal's text as HTML; of its codes those that a table uses."""
    pieces = re.split(r"\x1b\[([\d;]*)m", text)
    marked = [html.escape(pieces[0])]
    for codes, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        style = ";".join(STYLES.get(code, "") for code in codes.split(";"))
        marked.append(f'<span style="{style}">{html.escape(piece)}</span>')
    return "".join(marked)


def photograph(folder: Path) -> None:
    """Write the pictures of both pages."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto((folder / "table.html").as_uri())
        page.locator("pre").screenshot(path=HERE / "table.png")
        page.goto((folder / "report.html").as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(1500)  # the charts move to their places
        page.screenshot(path=HERE / "report.png")
        browser.close()


if __name__ == "__main__":
    main()
