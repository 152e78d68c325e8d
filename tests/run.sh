#!/usr/bin/env bash
# Make a virtual environment, install what the tests need, run them.
# Usage: bash tests/run.sh [pytest arguments]   (PYTHON=python3.12 to choose an interpreter, VENV=dir to choose where)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${VENV:-$root/.venv-test}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$venv/bin/pip" install --quiet -c "$root/constraints.txt" "torch>=2.2" --editable "$root[all]" --group "$root/pyproject.toml:test"

cd "$root"
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$venv/bin/python" -m pytest "$@"
