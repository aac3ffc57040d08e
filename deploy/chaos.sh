#!/bin/bash
# Breaks everything on purpose, on a Slurm cluster or GPU servers of its own, and counts what was lost, doubled or told
# wrongly.
# The exit status is 0 only if nothing was. Needs root and Debian 12. docs/reliability.md says what the figures mean.
#   deploy/chaos.sh [kills [N]]           Weir is killed N times (1000), evenly over every named step of a job's life
#   deploy/chaos.sh network [N]           N faults (60) on the way to the cluster, in every phase of a connection
#   deploy/chaos.sh daemons               each daemon is taken away
#   deploy/chaos.sh soak [MINUTES]        20 jobs a second through the dummy and 1 through Slurm, with faults (30)
#   deploy/chaos.sh gpu [N]               Weir is killed N times (200) while jobs flow to four GPU servers, which fail too
#   deploy/chaos.sh down                  stops the cluster, which otherwise stays for the next run
# --write puts what was measured into docs/reliability.md.
# WEIR_CHAOS_BINARY names a program that was built with WEIR_CHECKPOINTS=1 already; WEIR_JOBS how many Weirs are killed at a
# time (2). Where the cluster lives: CHAOS_TESTBED (/tmp/testbed-chaos).
. "$(dirname "$0")/lib.sh"
what=${1:-kills}
case $what in
  kills | network | daemons | soak | gpu | down) shift || true ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$what" ;;
esac
require_root "the cluster has several users"

# Not the cluster of the tests, which others may use at the same time.
export TESTBED=${CHAOS_TESTBED:-/tmp/testbed-chaos} TESTBED_CLUSTER=chaos TESTBED_USER_SUFFIX=chaos
export TESTBED_CTLD_PORT=${TESTBED_CTLD_PORT:-7817} TESTBED_DBD_PORT=${TESTBED_DBD_PORT:-7819}
export TESTBED_DB_PORT=${TESTBED_DB_PORT:-14306} TESTBED_REST_PORT=${TESTBED_REST_PORT:-7820}
export TESTBED_SLURMD_PORT0=${TESTBED_SLURMD_PORT0:-18000} TESTBED_SSH_PORT=${TESTBED_SSH_PORT:-3222}
export TESTBED_NODE_CPUS=${TESTBED_NODE_CPUS:-32} TESTBED_NODE_MEM=${TESTBED_NODE_MEM:-64000}
cd "$repository"
if [ "$what" = down ]; then exec deploy/testbed/down.sh "$@"; fi

if [ -z "${WEIR_CHAOS_BINARY:-}" ]; then
  require_swift
  install_packages "${build_packages[@]}"
  say "building"
  WEIR_CHECKPOINTS=1 swift build --scratch-path .build/chaos --product weir </dev/null
fi
export WEIR_CHAOS_BINARY=${WEIR_CHAOS_BINARY:-$repository/.build/chaos/debug/weir}
export WEIR_BINARY=$WEIR_CHAOS_BINARY
if [ "$what" = gpu ]; then
  install_packages openssh-server openssh-client openssl procps iproute2 util-linux busybox-static zsh fish csh python3
else
  deploy/testbed/up.sh --without-images
fi
export PYTHONPATH=Tests/EndToEnd:deploy/chaos PYTHONUNBUFFERED=1
with_signals /usr/bin/python3 "deploy/chaos/$what.py" "$@"
