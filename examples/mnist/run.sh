#!/usr/bin/env bash
# Make a virtual environment, install, sweep the example over two learning rates, show the table.
# Usage: bash examples/mnist/run.sh            (PYTHON=python3.12 to choose an interpreter, VENV=dir to choose where)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${VENV:-$root/.venv}

echo "== 1 of 3: PyTorch, Lightning, transformers and HyperHerd; 1.5 GB, the first time about 3 minutes"
bash "$root/tests/install.sh" "$venv" -c "$root/tests/constraints.txt" "torch>=2.2" "$root[lightning,transformers]"

echo "== 2 of 3: a sweep of two trainings; about 20 seconds"
cd "$here"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
"$venv/bin/python" train.py -m lr=0.01,0.1 hydra/sweeper=herd

echo "== 3 of 3: herd-results multirun/"
"$venv/bin/herd-results" multirun/
