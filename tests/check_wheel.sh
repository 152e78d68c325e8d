#!/usr/bin/env bash
# What somebody gets who has a torch already: the wheel is installed beside it, torch stays as it is, and README's commands
# print what README says. It takes the download of a torch; the quick part is tests/test_distribution.py.
# Usage: bash tests/check_wheel.sh     (PYTHON=python3.12 to choose an interpreter; TORCH="torch==2.9.1" to choose another one)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$work/venv/bin/python

"${PYTHON:-python3}" -m venv "$work/build"
"$work/build/bin/pip" install --quiet --disable-pip-version-check "hatchling>=1.24"
(cd "$root" && "$work/build/bin/python" -m hatchling build -t wheel -t sdist -d "$work/dist")

"${PYTHON:-python3}" -m venv "$work/venv"
"$python" -m pip install --quiet --disable-pip-version-check -c "$root/tests/constraints.txt" "${TORCH:-torch}" numpy
before=$("$python" -m pip freeze)
"$python" -m pip install --quiet --disable-pip-version-check --find-links "$work/dist" hydra-hyperherd
"$python" -m pip freeze > "$work/after.txt"
if changed=$(grep -vxFf "$work/after.txt" <<< "$before"); then
    echo "the installation has changed: $changed" >&2
    exit 1
fi
"$python" -c "import hyperherd, torch; print('hyperherd', hyperherd.__version__, 'beside torch', torch.__version__)"
"$python" -m pip check

# The tests of README type its commands with the Python that runs them, in a folder where no source is.
"$python" -m pip install --quiet --disable-pip-version-check --find-links "$work/dist" "hydra-hyperherd[plot]" pytest pytest-timeout hypothesis
cd "$work"
"$work/venv/bin/pytest" -q -p no:cacheprovider --rootdir "$root" -c "$root/pyproject.toml" "$root/tests/test_readme.py"
