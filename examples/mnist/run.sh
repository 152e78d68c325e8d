#!/usr/bin/env bash
# Make a virtual environment, install, sweep the example over two learning rates, show the table.
# Usage: bash examples/mnist/run.sh            (PYTHON=python3.12 to choose an interpreter, VENV=dir to choose where)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${VENV:-$root/.venv}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -c "$root/tests/constraints.txt" "torch>=2.2" "$root[lightning,transformers]"

cd "$here"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
"$venv/bin/python" train.py -m lr=0.01,0.1 hydra/sweeper=herd
"$venv/bin/herd-results" multirun/
