#!/usr/bin/env bash
# Install what some tests need beside Python packages, on Debian or Ubuntu, as root: a Slurm whose daemons the tests
# start themselves, the shells that completion is tried in, faketime for nodes with wrong clocks, and a Chromium for the
# report. Without them those tests are skipped, each with its reason; in CI (CI is set) each of them has to be there.
set -euo pipefail
packages=(slurmctld slurmd slurm-client munge slurmdbd mariadb-server-core zsh fish faketime chromium)
programs=(slurmctld slurmd sbatch munged slurmdbd mariadbd zsh fish faketime chromium)

missing() {
    local program
    for program in "${programs[@]}"; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" > /dev/null || printf '%s ' "$program"
    done
}

lacks() {
    echo "$1: $(missing)not here; the tests that need them are skipped" >&2
    [ -z "${CI:-}" ]
    exit
}

[ -n "$(missing)" ] || exit 0
[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null || lacks "not root, or no apt-get"
# A package's daemons are not to be started by its installation.
[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d; }
export DEBIAN_FRONTEND=noninteractive
echo "installing $(missing)"
apt-get update -q > /dev/null || true # What fails shows below.
apt-get install -y -q --no-install-recommends "${packages[@]:0:9}" > /dev/null || lacks "apt-get failed"
apt-get install -y -q chromium > /dev/null || lacks "apt-get failed" # with the fonts it recommends
[ -z "$(missing)" ] || lacks "installed, and still"
