#!/usr/bin/env bash
# Run the suite in environments that pip would not choose by itself on this machine: other Pythons, the oldest versions of
# everything, the next Hydra. Each is made from nothing; a test that needs what is not there is skipped with its reason.
# Here every script that a test starts has an interpreter of its own (FROM_SCRATCH, see tests/starting.py). How much of the
# code the tests reach is measured with Python 3.13, which tells of each line once: before 3.12 that doubles their time.
# Usage: bash tests/environments.sh [python3.10 | python3.13 | oldest | trainers | trackers | next] ...     (all of them by default)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} HF_HUB_OFFLINE=1 FROM_SCRATCH=1
work=$(mktemp -d)
trap 'wait; rm -rf "$work"' EXIT

# What needs no trainer, about two minutes of it on two quiet cores. A browser is the same in each of them.
in_process=(tests/space tests/test_overrides.py tests/records tests/metrics tests/results tests/plugins tests/trial/test_log.py
    --ignore=tests/results/report/test_report_browser.py)
library=("${in_process[@]}" tests/launch/test_local.py tests/launch/test_local_parts.py tests/sweep/test_sweep.py
    tests/sweep/test_values.py tests/cli/test_main.py tests/cli/test_golden.py tests/cli/test_completion.py)
# What stands on Hydra's inside: discovery, composing, sweeping, every launcher.
hydra=(tests/plugins tests/test_overrides.py tests/sweep/test_sweep.py tests/sweep/test_hydra_suites.py
    tests/sweep/test_shortcut.py tests/sweep/test_effective_config.py tests/launch/test_local.py tests/launch/test_local_compose.py
    tests/launch/test_local_suites.py tests/lsf/test_hydra_suites.py tests/trial/test_log.py)

# The interpreter of a version: on PATH, or among those of pyenv, whose commands on PATH refuse all but the chosen ones.
interpreter() {
    local candidate
    for candidate in "python$1" "$(pyenv root 2>/dev/null || true)"/versions/"$1".*/bin/python; do
        if "$candidate" -c "" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python $1 is not on this machine: install it (python$1 on PATH, or pyenv)" >&2
    return 1
}

# Create the environment $1 with the interpreter $2, unless it is there, and install the other arguments.
create() {
    local name=$1 python=$2
    shift 2
    PYTHON=$python bash tests/install.sh "$work/$name" "$@" > "$work/$name.log" 2>&1 || { cat "$work/$name.log"; return 1; }
}

# Run tests in the environment $1; those that take long have run elsewhere.
check() {
    local name=$1
    shift
    "$work/$name/bin/python" -m pytest -q -n 2 --dist loadfile -p no:cacheprovider -m "not slow" "$@"
}

# Make the environment of a name.
prepare() {
    local python
    case $1 in
        python3.*)
            python=$(interpreter "${1#python}")
            create "$1" "$python" --editable ".[plot,sql]" --group test
            ;;
        oldest)
            python=$(interpreter 3.10)
            python3 tests/bounds.py oldest plot sql pandas xarray completion optuna > "$work/oldest.txt"
            create oldest "$python" -c "$work/oldest.txt" --editable ".[plot,sql,pandas,xarray,completion,optuna]" --group test
            ;;
        trainers)
            # The CPU build of torch is for one Python; all that is older than today's there are the trainers.
            python3 tests/bounds.py oldest lightning transformers | tail -n 3 > "$work/trainers.txt"
            create trainers python3 -c tests/constraints.txt -c "$work/trainers.txt" torch --editable ".[lightning,transformers]" --group test
            ;;
        trackers)
            create trackers python3 --editable ".[mlflow,wandb,tensorboard]" mlflow "hypothesis>=6.100" numpy "pytest>=8" "pytest-timeout>=2.3" "pytest-xdist>=3.7"
            ;;
        next)
            python3 tests/bounds.py without hydra-core plot sql > "$work/next.txt"
            create next python3 --pre "hydra-core>=1.4.0rc1,<1.5"  # by itself: --pre is for everything that a command names
            create next python3 -r "$work/next.txt" --group test
            create next python3 --no-deps --editable .  # which wants hydra-core below 1.4
            ;;
        *) echo "$1 is not an environment; see the head of tests/environments.sh" >&2; return 2 ;;
    esac
}

# Run in the environment of a name what it is for.
run_tests() {
    case $1 in
        python3.13) COVERAGE_CORE=sysmon check "$1" "${library[@]}" --cov --cov-report=term:skip-covered --cov-fail-under=40 ;;
        python3.10) check "$1" "${in_process[@]}" ;; # what starts processes runs with this Python in "oldest"
        python3.* | oldest) check "$1" "${library[@]}" ;;
        trainers) check trainers tests/callbacks ;;
        # A whole MLflow with its server, which wants an older pyarrow than the newest. What these tests start is slow, and belongs here.
        trackers) "$work/trackers/bin/python" -m pytest -q -p no:cacheprovider tests/forward ;;
        next)
            "$work/next/bin/python" -c "import hydra; assert hydra.__version__.startswith('1.4'), hydra.__version__"
            check next "${hydra[@]}"
            ;;
    esac
}

# While the tests run in one environment, the next is made, which waits for the network.
names=("$@")
[ $# -gt 0 ] || names=(python3.10 python3.13 oldest trainers trackers next)
prepare "${names[0]}" &
making=$!
for place in "${!names[@]}"; do
    echo "== ${names[place]}"
    wait $making
    if [ $((place + 1)) -lt ${#names[@]} ]; then
        prepare "${names[place + 1]}" &
        making=$!
    fi
    run_tests "${names[place]}"
    rm -rf "${work:?}/${names[place]}"
done
