#!/usr/bin/env bash
# Starts a Slurm cluster of N nodes, n1 to nN, on this machine: cluster.sh N DIR. Then SLURM_CONF=DIR/slurm.conf. Everything it
# makes is in DIR; `kill $(cat DIR/*.pid)` stops it. Needs, of Debian: slurmctld slurmd slurm-client munge.
set -euo pipefail
nodes=$1 dir=$(realpath "$2") host=$(hostname -s) user=$(id -un) port=$((20000 + RANDOM % 9000))
mkdir -p "$dir"/{state,spool,log,munge}
chmod 755 "$dir"
# munged tells who calls whom; with a key and a socket of its own it leaves that of the machine alone.
head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 700 "$dir/munge"
chmod 400 "$dir/munge/key"
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
  --log-file="$dir/log/munged.log" --seed-file="$dir/munge/seed"
{
  cat <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=$port
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdTimeout=6
KillWait=5
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=2,requeue_delay=1,bf_interval=2
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
JobRequeue=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
CONF
  for i in $(seq "$nodes"); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=1 RealMemory=500"
  done
  echo "PartitionName=main Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE State=UP"
} >"$dir/slurm.conf"
export SLURM_CONF=$dir/slurm.conf
slurmctld
for i in $(seq "$nodes"); do slurmd -N "n$i"; done
for _ in $(seq 200); do
  [ "$(sinfo -h -N -t idle | wc -l)" = "$nodes" ] && exit 0
  sleep .1
done
sinfo >&2
tail -n 3 "$dir"/log/* >&2
exit 1
