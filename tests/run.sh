#!/usr/bin/env bash
# Make a virtual environment, install what the tests need, run them.
# Usage: bash tests/run.sh [pytest arguments]   (PYTHON=python3.12 to choose an interpreter, VENV=dir to choose where,
#        WORKERS=0 to run one test after the other)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${VENV:-$root/.venv-test}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$venv/bin/pip" install --quiet -c "$root/tests/constraints.txt" "torch>=2.2" --editable "$root[all]" --group "$root/pyproject.toml:test"

cd "$root"
# Two at once: most tests wait for processes. A file's tests stay together, so that they share a cluster or a browser.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$venv/bin/python" -m pytest -n "${WORKERS:-2}" --dist loadfile "$@"
