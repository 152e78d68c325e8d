#!/usr/bin/env bash
# Make a virtual environment, install what the tests need, run them.
# Usage: bash tests/run.sh [--all] [pytest arguments]
#        Without --all, those that take long (marked slow: most of what needs a Slurm or a trainer) are left out; with it
#        everything runs, and how much of the code the tests reach is measured.
#        PYTHON=python3.12 chooses an interpreter, VENV=dir where, WORKERS=0 runs one test after the other.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${VENV:-$root/.venv-test}
which=(-m "not slow")
if [ "${1:-}" = --all ]; then
    shift
    which=(--cov --cov-report=term:skip-covered --cov-fail-under=70)
fi

echo "== 1 of 2: everything that the tests need; 2 GB, the first time about 4 minutes"
bash "$root/tests/install.sh" "$venv" -c "$root/tests/constraints.txt" "torch>=2.2" --editable "$root[all]" --group "$root/pyproject.toml:test"

echo "== 2 of 2: the tests; on two cores about 7 minutes, with --all 25"
cd "$root"
# More at once than two cores: most of what takes long waits for a scheduler. A file's tests stay together, so that they share
# a cluster or a browser; the files keep the order of tests/conftest.py.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$venv/bin/python" -m pytest -n "${WORKERS:-4}" --dist loadfile --no-loadscope-reorder --durations=10 "${which[@]}" "$@"
