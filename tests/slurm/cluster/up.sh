#!/usr/bin/env bash
# up.sh DIR  - bring up a private, throw-away Slurm cluster under DIR (as root, no systemd).
#   Idempotent: a second call on a running cluster only checks it and prints the env file's path.
#   Needs (Debian 12): apt-get install -y --no-install-recommends \
#       slurmctld slurmd slurm-client munge slurmdbd mariadb-server-core
#   Knobs (environment): SLURM_UP_NODES=2 SLURM_UP_CPUS=8 SLURM_UP_MEM=8000 (MB per node)
#       SLURM_UP_GPUS=2 (fake gpus per node) SLURM_UP_BASEPORT=auto SLURM_UP_DBD=1 (0: no sacct)
#       SLURM_UP_NAME=hyp (of the cluster)
#       SLURM_UP_CGROUP=0 (1: proctrack/cgroup + task/cgroup on cgroup v1: kernel OOM -> OUT_OF_MEMORY)
#   Then:  . DIR/env.sh   (exports SLURM_CONF; all clients - sbatch, sacct, ... - follow it)
set -euo pipefail
D=${1:?usage: up.sh DIR}; mkdir -p "$D"; D=$(cd "$D" && pwd -P)
NODES=${SLURM_UP_NODES:-2}; CPUS=${SLURM_UP_CPUS:-8}; MEM=${SLURM_UP_MEM:-8000}; GPUS=${SLURM_UP_GPUS:-2}
DBD=${SLURM_UP_DBD:-1}; CG=${SLURM_UP_CGROUP:-0}
[ "$(id -u)" = 0 ] || { echo "up.sh: must run as root" >&2; exit 2; }
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for b in munged slurmctld slurmd sbatch; do command -v $b >/dev/null || { echo "up.sh: $b missing" >&2; exit 2; }; done
if [ "$DBD" = 1 ]; then for b in slurmdbd mariadbd; do
  command -v $b >/dev/null || { echo "up.sh: $b missing" >&2; exit 2; }; done; fi
[ ${#D} -le 80 ] || { echo "up.sh: DIR too long for unix sockets" >&2; exit 2; }
umask 022
exec 9>"$D/.lock"; flock 9                        # two callers at once: one waits for the other
mkdir -p "$D"/{etc,run,log,munge,state,spool,db}
chmod 755 "$D" "$D"/munge; chmod 700 "$D/db"

alive() { local p; p=$(cat "$1" 2>/dev/null) && [ -n "$p" ] && [ -d "/proc/$p" ] && \
          [ "$(cut -d' ' -f3 "/proc/$p/stat" 2>/dev/null)" != Z ] && \
          case "$(readlink "/proc/$p/exe")" in *"$2"*) ;; *) false;; esac; }
waitfor() { local n=$1; shift; for ((i=0;i<n*20;i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done; return 1; }
port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
die() { echo "up.sh: $1" >&2; [ -n "${2:-}" ] && tail -20 "$2" >&2; exit 1; }

# ---- ports: chosen once per DIR, below the ephemeral range
if [ ! -s "$D/etc/baseport" ]; then
  B=${SLURM_UP_BASEPORT:-auto}
  if [ "$B" = auto ]; then
    for try in $(seq 50); do
      B=$((20000 + (RANDOM % 600) * 20)); ok=1
      for ((i=0;i<3+NODES;i++)); do port_open $((B+i)) && { ok=0; break; }; done
      [ $ok = 1 ] && break
    done
  fi
  echo "$B" >"$D/etc/baseport"
fi
B=$(cat "$D/etc/baseport"); CTLD_PORT=$B; DBD_PORT=$((B+1)); SQL_PORT=$((B+2)); ND_PORT=$((B+3))
HOST=$(hostname -s)

# ---- configuration (rewritten only when absent, so tests may edit it and call up.sh again)
if [ ! -s "$D/etc/slurm.conf" ]; then
  if [ "$DBD" = 1 ]; then ACCT="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$DBD_PORT
AccountingStoragePass=$D/munge/munge.sock
AccountingStorageTRES=gres/gpu"
  else ACCT="AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$D/log/jobcomp.txt"; fi
  if [ "$CG" = 1 ]; then TRACK="ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1"
  else TRACK="ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill"; fi
  cat >"$D/etc/slurm.conf" <<CONF
ClusterName=${SLURM_UP_NAME:-hyp}
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=$CTLD_PORT
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$D/munge/munge.sock,cred_expire=5
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd-%n.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd-%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
# no cgroups, no affinity, no prolog: works in a container
$TRACK
SwitchType=switch/none
MpiDefault=none
# nodes may claim more CPUs / memory than the host has
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=400
ReturnToService=2
# fast
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,bf_yield_interval=100000,nohold_on_prolog_fail
PriorityType=priority/basic
MinJobAge=10
KillWait=2
OverTimeLimit=0
CompleteWait=0
InactiveLimit=0
SlurmctldTimeout=5
SlurmdTimeout=10
MessageTimeout=5
TCPTimeout=2
BatchStartTimeout=10
UnkillableStepTimeout=120
EpilogMsgTime=0
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
MaxArraySize=2001
$ACCT
GresTypes=gpu
NodeName=n[1-$NODES] NodeHostname=$HOST NodeAddr=127.0.0.1 Port=[$ND_PORT-$((ND_PORT+NODES-1))] CPUs=$CPUS RealMemory=$MEM $([ "$GPUS" -gt 0 ] && echo Gres=gpu:$GPUS) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=10
PartitionName=low  Nodes=ALL MaxTime=INFINITE DefaultTime=60 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
CONF
  mkdir -p "$D/dev"; for ((i=0;i<GPUS;i++)); do [ -e "$D/dev/gpu$i" ] || mknod "$D/dev/gpu$i" c 1 3; done   # gres/gpu wants device files
  if [ "$GPUS" -gt 0 ]; then echo "NodeName=n[1-$NODES] Name=gpu File=$D/dev/gpu[0-$((GPUS-1))]" >"$D/etc/gres.conf"; fi
  if [ "$CG" = 1 ]; then printf 'CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainCores=no\nConstrainRAMSpace=yes\n'
  else printf 'CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n'; fi >"$D/etc/cgroup.conf"
  cat >"$D/etc/slurmdbd.conf" <<CONF
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$DBD_PORT
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$D/munge/munge.sock
LogFile=$D/log/slurmdbd.log
PidFile=$D/run/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$SQL_PORT
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
CONF
  chmod 600 "$D/etc/slurmdbd.conf"
fi
export SLURM_CONF="$D/etc/slurm.conf"
printf 'export SLURM_CONF=%q\n' "$SLURM_CONF" >"$D/env.sh"

# ---- mariadb (in the background while munge starts)
if [ "$DBD" = 1 ] && ! alive "$D/run/mariadbd.pid" mariadbd; then
  SQLOPT=(--no-defaults --user=root --datadir="$D/db" --innodb-log-file-size=8M --innodb-buffer-pool-size=64M
          --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync --innodb-doublewrite=0 --sync-binlog=0 --sync-frm=0)
  if [ ! -d "$D/db/mysql" ]; then
    printf "CREATE DATABASE IF NOT EXISTS slurm_acct;\nCREATE OR REPLACE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm';\nGRANT ALL ON slurm_acct.* TO slurm@'127.0.0.1';\n" >"$D/etc/init.sql"
    # what mariadb-install-db does (it needs the big mariadb-server package), without help and performance tables
    { printf 'create database mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n'
      cat /usr/share/mysql/mysql_system_tables.sql /usr/share/mysql/mysql_system_tables_data.sql; } |
      mariadbd "${SQLOPT[@]}" --bootstrap --lc-messages-dir=/usr/share/mysql --log-warnings=0 \
        --enforce-storage-engine= --max-allowed-packet=8M --net-buffer-length=16K \
        >"$D/log/mariadb-install.log" 2>&1 9>&- || { rm -rf "$D/db/mysql"; die "mariadb bootstrap failed" "$D/log/mariadb-install.log"; }
  fi
  setsid mariadbd "${SQLOPT[@]}" --bind-address=127.0.0.1 --port="$SQL_PORT" --socket="$D/run/mysql.sock" \
    --pid-file="$D/run/mariadbd.pid" --skip-name-resolve --init-file="$D/etc/init.sql" \
    --innodb-lock-wait-timeout=900 --max-connections=30 >>"$D/log/mariadbd.log" 2>&1 9>&- </dev/null &
fi

# ---- munge, own key and socket
if ! alive "$D/run/munged.pid" munged; then
  rm -f "$D"/munge/munge.sock* "$D/run/munged.pid"
  [ -s "$D/munge/munge.key" ] || (umask 077; dd if=/dev/urandom of="$D/munge/munge.key" bs=128 count=1 status=none)
  munged --force --num-threads=4 --key-file="$D/munge/munge.key" --socket="$D/munge/munge.sock" \
    --pid-file="$D/run/munged.pid" --log-file="$D/log/munged.log" --seed-file="$D/munge/seed" \
    </dev/null >>"$D/log/munged.out" 2>&1 9>&- || die "munged failed" "$D/log/munged.log"
fi
waitfor 10 test -S "$D/munge/munge.sock" || die "no munge socket" "$D/log/munged.log"

# ---- slurmdbd
if [ "$DBD" = 1 ] && ! alive "$D/run/slurmdbd.pid" slurmdbd; then
  waitfor 30 test -s "$D/run/mariadbd.pid" || die "mariadbd did not start" "$D/log/mariadbd.log"
  waitfor 30 port_open "$SQL_PORT" || die "mariadbd does not listen" "$D/log/mariadbd.log"
  rm -f "$D/run/slurmdbd.pid"
  setsid slurmdbd </dev/null >>"$D/log/slurmdbd.out" 2>&1 9>&- || die "slurmdbd failed" "$D/log/slurmdbd.log"
  waitfor 30 port_open "$DBD_PORT" || die "slurmdbd does not listen" "$D/log/slurmdbd.log"
fi

# ---- slurmctld, slurmd
if ! alive "$D/run/slurmctld.pid" slurmctld; then
  rm -f "$D/run/slurmctld.pid"
  setsid slurmctld </dev/null >>"$D/log/slurmctld.out" 2>&1 9>&- || die "slurmctld failed" "$D/log/slurmctld.log"
fi
for ((i=1;i<=NODES;i++)); do
  alive "$D/run/slurmd-n$i.pid" slurmd && continue
  mkdir -p "$D/spool/n$i"; rm -f "$D/run/slurmd-n$i.pid"
  setsid slurmd -N "n$i" </dev/null >>"$D/log/slurmd-n$i.out" 2>&1 9>&- || die "slurmd n$i failed" "$D/log/slurmd-n$i.log"
done
ready() { [ "$(sinfo -h -r -N -p main -t idle,mix,alloc -o %N 2>/dev/null | sort -u | wc -l)" = "$NODES" ]; }
sinfo -h -N -p main -t drain,drained,draining,down -o %N 2>/dev/null | sort -u | while read -r n; do
  scontrol update nodename="$n" state=resume || true; done    # a node that an earlier test left drained
waitfor 60 ready || { sinfo -N -l >&2 || true; die "nodes not ready" "$D/log/slurmctld.log"; }
echo "$D/env.sh"
