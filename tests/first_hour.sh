#!/usr/bin/env bash
# Type README and the guides as somebody new does: in a new environment with the package alone (and what the pages say to
# install), a new HOME, and from an installed copy, not from this checkout. About 5 minutes on two quiet cores.
# Usage: bash tests/first_hour.sh [arguments of pytest]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
export HOME=$work/home OMP_NUM_THREADS=1
bash "$root/tests/install.sh" "$work/env" "$root[plot,pandas]" "hypothesis>=6.100" "pytest>=8" "pytest-timeout>=2.3"
cd "$root/tests"
"$work/env/bin/python" -P -m pytest -c "$root/pyproject.toml" -p no:cacheprovider test_readme.py docs "$@"
