#!/usr/bin/env bash
# Install what some tests need beside Python packages, on Debian or Ubuntu, as root: a Slurm whose daemons the tests
# start themselves, and a Chromium for the report. Without them those tests are skipped, each with its reason.
set -euo pipefail
slurm=(slurmctld slurmd slurm-client munge slurmdbd mariadb-server-core)

if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "not root, or no apt-get here: tests that need Slurm or Chromium will be skipped"
    exit 0
fi
# A package's daemons are not to be started by its installation.
[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q > /dev/null
apt-get install -y -q --no-install-recommends "${slurm[@]}" > /dev/null
apt-get install -y -q chromium > /dev/null # with the fonts it recommends
