#!/usr/bin/env bash
# down.sh DIR [--purge]  - stop the cluster that up.sh started under DIR. Idempotent.
# Ends only processes whose pid files lie under DIR, and job processes whose SLURM_CONF is DIR's.
set -uo pipefail
D=${1:?usage: down.sh DIR [--purge]}; [ -d "$D" ] || exit 0; D=$(cd "$D" && pwd -P)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SLURM_CONF="$D/etc/slurm.conf"
exec 9>"$D/.lock"; flock 9
pid_of() { local p; p=$(cat "$1" 2>/dev/null) || return 1; [ -n "$p" ] || return 1
           case "$(readlink "/proc/$p/exe" 2>/dev/null)" in *"$2"*) echo "$p";; *) return 1;; esac; }
gone() { [ ! -d "/proc/$1" ] || [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" = Z ]; }
stop() { # pidfile exe seconds [signal]
  local p; p=$(pid_of "$1" "$2") || { rm -f "$1"; return 0; }
  kill -"${4:-TERM}" "$p" 2>/dev/null
  for ((i=0;i<$3*20;i++)); do gone "$p" && { rm -f "$1"; return 0; }; sleep 0.05; done
  kill -KILL "$p" 2>/dev/null; rm -f "$1"; }
stop "$D/run/slurmctld.pid" slurmctld 10           # first: nothing new is scheduled or requeued
for f in "$D"/run/slurmd-*.pid; do [ -e "$f" ] && stop "$f" slurmd 5; done
# job steps survive their slurmd: end slurmstepd and job processes of this cluster only
envof() { { tr '\0' '\n' <"/proc/$1/environ"; } 2>/dev/null; }
mine() { local p x; for p in /proc/[0-9]*; do p=${p#/proc/}; [ "$p" = $$ ] && continue
    x=$(readlink "/proc/$p/exe" 2>/dev/null) || continue     # kernel threads have none
    envof "$p" | grep -qxF "SLURM_CONF=$SLURM_CONF" || continue
    case "$x" in */slurmstepd*) echo "$p"; continue;; esac
    envof "$p" | grep -q '^SLURM_JOB_ID=' && echo "$p"; done; true; }
for s in TERM KILL KILL; do P=$(mine); [ -z "$P" ] && break; kill -$s $P 2>/dev/null; sleep 0.3; done
stop "$D/run/slurmdbd.pid" slurmdbd 10
stop "$D/run/mariadbd.pid" mariadbd 15 "$([ "${2:-}" = --purge ] && echo KILL || echo TERM)"
stop "$D/run/munged.pid" munged 5
if grep -qs '^ProctrackType=proctrack/cgroup' "$SLURM_CONF"; then   # empty cgroup v1 folders stay behind
  for f in "$D"/spool/*; do for c in /sys/fs/cgroup/*/slurm_"${f##*/}"; do
    [ -d "$c" ] && find "$c" -depth -type d -exec rmdir {} + 2>/dev/null; done; done; fi
rm -f "$D"/munge/munge.sock* "$D"/run/mysql.sock*
[ "${2:-}" = --purge ] && [ -e "$D/etc/baseport" ] && rm -rf "$D"
exit 0
