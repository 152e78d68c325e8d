"""Lint the report's JavaScript as a browser gets it: its files as one script, so that the names they share are known.

    python tests/lint_javascript.py        (needs the dependency group "lint")

Each finding is printed with the file and the line it is about; exit code 1 if there is one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hyperherd.results.report.page import script, script_parts

HEAD = 2
"""Lines of the joined script before the first file."""
RULES = ("-D", "correctness", "-D", "no-undef", "-D", "eqeqeq", "-D", "no-var", "-D", "prefer-const")
# What is copied changes in the loop; and of two comparisons each says what it means.
EXCEPT = ("-A", "no-useless-spread", "-A", "double-comparisons")


def main() -> int:
    program = shutil.which("oxlint", path=str(Path(sys.executable).parent)) or shutil.which("oxlint")
    if program is None:
        sys.exit('oxlint is not installed: pip install --group lint, or pip install "oxlint>=1.60"')
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "oxlint.json")
        config.write_text('{"env": {"browser": true, "es2024": true}, "globals": {"echarts": "readonly"}}')
        Path(folder, "report.js").write_text(script())
        command = [program, "-c", str(config), *RULES, *EXCEPT, "-f", "unix", "report.js"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(re.sub(r"^report\.js:(\d+)", lambda found: source(int(found[1])), done.stdout, flags=re.MULTILINE), end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


def source(line: int) -> str:
    """Return the file and line that a line of the joined script comes from."""
    line -= HEAD
    for name, text in script_parts():
        length = text.count("\n") + 1
        if line <= length:
            return f"hyperherd/results/report/assets/{name}:{line}"
        line -= length
    return f"the end of the joined script:{line}"


if __name__ == "__main__":
    sys.exit(main())
