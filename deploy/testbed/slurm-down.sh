#!/bin/bash
# Stops what slurm-up.sh and apptainer-up.sh started, by the pids they recorded, its jobs first.
#   deploy/testbed/slurm-down.sh            # the state directory stays
#   deploy/testbed/slurm-down.sh --purge    # removes it too
. "$(dirname "$0")/../lib.sh"
T=$TESTBED
export SLURM_CONF=$T/etc/slurm.conf
purge=
case ${1:-} in
  "") ;;
  --purge) purge=1 ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
require_root "the test cluster has several users"

# runs COMMAND PIDFILE: the recorded process, and not another that got its id since.
runs() { alive "$2" && [[ $(cat "/proc/$(cat "$2")/comm") == "$1"* ]]; } 2>/dev/null

# signal SIGNAL COMMAND PIDFILE...: sent to those that run; false when none does
signal() {
  local signal=$1 command=$2 file any=1
  shift 2
  for file; do
    if runs "$command" "$file"; then
      kill -s "$signal" "$(cat "$file")" 2>/dev/null || true
      any=0
    fi
  done
  return $any
}

# stop COMMAND PIDFILE...: all at once, killed after ten seconds. What is purged anyway need not save its state.
stop() {
  local tries=200 end=TERM
  [ -z "$purge" ] || end=KILL
  signal "$end" "$@" || return 0
  signal CONT "$@" || return 0
  while signal 0 "$@"; do
    tries=$((tries - 1))
    if [ $tries = 0 ]; then signal KILL "$@" || true; fi
    sleep 0.05
  done
}

cancel_jobs() {
  local tries=100
  alive "$T/runctld/slurmctld.pid" && timeout 3 scontrol ping >/dev/null 2>&1 || return 0
  timeout 5 squeue -h -t PENDING,RUNNING,SUSPENDED -o %A | xargs -r -n 200 timeout 10 scancel || true
  until [ -z "$(timeout 5 squeue -h -t RUNNING,COMPLETING -o %A)" ]; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || break
    sleep 0.1
  done
}

cancel_jobs
stop sshd "$T/run/sshd.pid"
stop docker-registry "$T"/run/registry-{open,auth}.pid
stop slurm "$T"/run/slurmrestd{,-unix}.pid "$T"/run/slurmd-*.pid "$T/runctld/slurmctld.pid"
stop slurmdbd "$T/runctld/slurmdbd.pid"
stop mariadbd "$T/db-run/mariadb.pid"
stop munged "$T/munge/munged.pid"
say "the test cluster is down"

if [ -n "$purge" ]; then
  [ "$(readlink /etc/slurm/slurm.conf)" != "$T/etc/slurm.conf" ] || rm -f /etc/slurm/slurm.conf
  for name in apptainer singularity; do
    [ "$(readlink /usr/local/bin/$name)" != "$T/apptainer/bin/apptainer" ] || rm -f /usr/local/bin/$name
  done
  case $T in
    / | /tmp | "$HOME") ;;
    /*) rm -rf "$T" ;;
  esac
  say "$T removed"
fi
