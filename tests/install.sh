#!/usr/bin/env bash
# Make a virtual environment, unless it is there, and install into it, with a line for each package.
# Usage: bash tests/install.sh VENV [arguments of pip install]
#        PYTHON=python3.12 chooses an interpreter; UV names a uv that installs instead of pip if it can, as in CI: it unpacks
#        a package once for all environments, and leaves bytecode to whoever imports first.
set -euo pipefail
venv=$1
shift
if [ ! -x "$venv/bin/python" ]; then
    echo "making a virtual environment: $venv"
    "${PYTHON:-python3}" -m venv "$venv"
fi
if [ -z "${UV:-}" ] || ! "$UV" pip install --quiet --python "$venv/bin/python" "$@"; then
    pip=("$venv/bin/python" -m pip --disable-pip-version-check install)
    "${pip[@]}" --quiet --upgrade "pip>=25.1"  # --group
    "${pip[@]}" --progress-bar off "$@" | while read -r line; do
        case $line in
            Collecting\ *) printf '  %s\n' "${line%% (from *}" ;;
            Installing\ collected*) echo "  unpacking all of them; nothing is printed meanwhile" ;;
            Successfully\ installed*) echo "  installed" ;;
        esac
    done
fi
# Tests start a thousand processes; where no bytecode is kept, each of them would compile the package again.
root=$(cd "$(dirname "$0")/.." && pwd)
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m compileall -q "$root"/{hyperherd,hyperherd_callbacks,hydra_plugins,tests/lsf/emulator}
