#!/usr/bin/env bash
# Make a virtual environment, install what the tests need, run them.
# Usage: bash tests/run.sh [--all] [pytest arguments]
#        Without --all, those that take long (marked slow: most of what needs a Slurm or a trainer) are left out.
#        PYTHON=python3.12 chooses an interpreter, VENV=dir where, WORKERS=0 runs one test after the other.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${VENV:-$root/.venv-test}
which=(-m "not slow")
if [ "${1:-}" = --all ]; then
    shift
    which=()
fi

echo "== 1 of 2: everything that the tests need; 2 GB, the first time about 4 minutes"
bash "$root/tests/install.sh" "$venv" -c "$root/tests/constraints.txt" "torch>=2.2" --editable "$root[all]" --group "$root/pyproject.toml:test"

echo "== 2 of 2: the tests; on two cores about 10 minutes, with --all 30"
cd "$root"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
run_tests() {
    "$venv/bin/python" -m pytest --durations=10 "${which[@]}" "$@"
}
# More at once than two cores: most of what takes long waits for a scheduler. A file's tests stay together, so that they share
# a cluster or a browser; the files keep the order of tests/conftest.py.
at_once=(-n "${WORKERS:-4}" --dist loadfile --no-loadscope-reorder)
if [ $# -gt 0 ] || [ "${WORKERS:-4}" = 0 ]; then
    run_tests "${at_once[@]}" "$@"
    exit
fi

# Every worker imports what any file imports: the trainers, which take seconds, are left to a process of their own.
told=$(mktemp)
trap 'rm -f "$told"' EXIT
run_tests tests/callbacks > "$told" 2>&1 &
failed=
run_tests "${at_once[@]}" --ignore=tests/callbacks || failed=1
wait $! || failed=1
echo "== and tests/callbacks, run meanwhile"
cat "$told"
[ -z "$failed" ]
