#!/usr/bin/env bash
# killnode.sh DIR NODE  - the death of a node of the cluster under DIR: ends, by pid, its slurmd, its slurmstepds and all
# that they run. up.sh DIR brings it back.
set -u
D=$(cd "$1" && pwd -P); N=$2
kill -9 "$(cat "$D/run/slurmd-$N.pid")"; rm -f "$D/run/slurmd-$N.pid"
for p in /proc/[0-9]*; do
  q=${p#/proc/}
  x=$(readlink "$p/exe" 2>/dev/null) || continue
  E=$({ tr '\0' '\n' <"$p/environ"; } 2>/dev/null)
  grep -qxF "SLURM_CONF=$D/etc/slurm.conf" <<<"$E" || continue
  case $x in */slurmstepd*)
    grep -qa "$N" <(tr '\0' ' ' <"$p/cmdline"; ls -l "$p/fd" 2>/dev/null) && kill -9 "$q" ;;
  esac
  grep -qxF "SLURMD_NODENAME=$N" <<<"$E" && kill -9 "$q"
done
true
