#!/bin/bash
# From a machine with nothing but Swift to a job that ran: installs what is missing, builds Weir, brings a small
# Slurm cluster with Apptainer up on this machine, starts Weir, submits a two-node container job with curl, waits for
# it and shows its output. Asks nothing. Needs root and Debian 12.
#   deploy/quickstart.sh             # everything it started is stopped again at the end
#   deploy/quickstart.sh --keep      # Weir and the cluster stay up, to go on with
. "$(dirname "$0")/lib.sh"
keep=
case ${1:-} in
  "") ;;
  --keep) keep=1 ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
require_root "the test cluster has several users, and packages may have to be installed"
require_swift
cd "$repository"

weir=$repository/.build/release/weir
log=$TESTBED/log/weir.log
weir_pid='' cluster_is_ours=''

stop_all() {
  local status=$?
  trap - EXIT
  if [ -n "$weir_pid" ] && { [ -z "$keep" ] || [ $status != 0 ]; }; then
    kill "$weir_pid" 2>/dev/null && wait "$weir_pid" 2>/dev/null || true
  fi
  if [ -n "$cluster_is_ours" ] && { [ -z "$keep" ] || [ $status != 0 ]; }; then deploy/testbed/down.sh; fi
  exit $status
}
trap stop_all EXIT
trap 'exit 130' INT TERM

build() {
  install_packages "${build_packages[@]}"
  say "building Weir (release): some minutes the first time"
  swift build -c release --product weir || die "the build failed; its messages are above"
}

start_cluster() {
  testbed_is_up || cluster_is_ours=1
  say "bringing the test cluster up in $TESTBED"
  deploy/testbed/up.sh
}

# True once Weir listens and reaches the cluster.
ready() {
  url=$(sed -nE 's/.*listening on ([0-9.]+:[0-9]+).*/http:\/\/\1/p' "$log" | head -1)
  [ -n "$url" ] && curl -fs "$url/ready" >/dev/null
}

start_weir() {
  # shellcheck source=/dev/null
  . "$TESTBED/weir.env"
  export WEIR_PORT=${WEIR_PORT:-0} WEIR_STATE_DIR=$TESTBED/weir
  : >"$log"
  setsid "$weir" serve </dev/null >"$log" 2>&1 &
  weir_pid=$!
  for _ in {1..200}; do
    if ready || ! kill -0 "$weir_pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  ready || { cat "$log" >&2; die "Weir did not get ready; its log is above"; }
  say "Weir $("$weir" --version) listens on $url"
}

# call PATH ARGUMENTS: one POST as the upstream platform makes it
call() { curl -sS -u "$JARVICE_SCHED_SERVER_KEY" --data-urlencode "args=$2" "$url$1"; }

# What an upstream sends: needs as KEY=value lines, then a script that runs once on each node.
job_script() {
  # shellcheck disable=SC2016
  local command='. /etc/os-release; echo "hello from $NAME, process $PROCESS_PROCID of $JOB_NNODES"'
  cat <<SCRIPT
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_ARCH=x86_64
JOBOBJ_NAE=testapp
JOBOBJ_REPO=$JARVICE_SYSTEM_REGISTRY/app:latest
JOBOBJ_CTRSECRET=
JOBOBJ_USER=kirbystar
JOBOBJ_DOCKER_SECRET=
JOBOBJ_DEVICES=[]
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_LICENSES=
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1
JARVICE_CMD=$(base64 -w 0 <<<"$command")

{DOWNSTREAM_PARAMETERS}

export SINGULARITY_NOHTTPS=1
if singularity -s exec \$JARVICE_APP_IMAGE /bin/bash -c "\$(echo \$JARVICE_CMD | base64 -d)"; then
/bin/echo JARVICE_CMD_SUCCESS
else
/bin/echo JARVICE_CMD_FAILURE
fi
SCRIPT
}

run_job() {
  local name token answer
  name=$(date -u +%Y%m%d%H%M%S)-QUICK-testapp-kirbystar_s1
  token=$(deploy/testbed/mkjwt.py rs256 '{"email":"kirby@example.com"}')
  answer=$(call /submit "$(jq -nc --arg name "$name" --arg bearer "$token" --arg script "$(job_script | base64 -w 0)" \
    '{name: $name, number: 1, nodes: 2, hpc_script: {singularity: $script}, bearer: $bearer}')")
  job=$(jq -er 'if type == "array" then .[0] else empty end' <<<"$answer") || die "the job was refused: $answer"
  arguments=$(jq -nc --arg name "$name" --arg job "$job" '{name: $name, number: 1, jobid: $job}')
  say "job $job submitted to two nodes"
  for _ in {1..240}; do
    answer=$(call /exitstatus "$arguments")
    jq -e 'type == "array"' >/dev/null 2>&1 <<<"$answer" && break || sleep 0.5
  done
  jq -e 'type == "array"' >/dev/null 2>&1 <<<"$answer" || die "job $job did not end within two minutes: $answer"
  say "job $job ended: exit code $(jq -r '.[0]' <<<"$answer") after $(jq -r '.[1]' <<<"$answer"). Its output:"
  jq -r '.[2][]' <<<"$answer" | sed 's/^/    /'
  [ "$(jq '.[0]' <<<"$answer")" = 0 ] || die "the job failed; Weir's log is $log"
}

how_to_go_on() {
  if [ -n "$keep" ]; then
    cat <<TEXT

Still running: Weir (process $weir_pid, log $log) and the test cluster (in $TESTBED).
Go on with, for example:
    curl -u $JARVICE_SCHED_SERVER_KEY $url/running
    curl -u $JARVICE_SCHED_SERVER_KEY $url/runstatus --data-urlencode 'args=$arguments'
    curl -u $JARVICE_SCHED_SERVER_KEY $url/events --data-urlencode 'args=$arguments'
    . $TESTBED/env.sh; tbssh kirby squeue
Stop them with:
    kill $weir_pid; deploy/testbed/down.sh
TEXT
  else
    cat <<TEXT

To go on, keep Weir and the cluster up with deploy/quickstart.sh --keep, or start them by hand:
    deploy/testbed/up.sh
    . $TESTBED/weir.env
    WEIR_STATE_DIR=$TESTBED/weir .build/release/weir serve
    curl -u $JARVICE_SCHED_SERVER_KEY http://127.0.0.1:5000/running
    curl -u $JARVICE_SCHED_SERVER_KEY http://127.0.0.1:5000/exitstatus --data-urlencode 'args=$arguments'
Stop the cluster with deploy/testbed/down.sh; --purge removes $TESTBED too.
TEXT
  fi
}

build
start_cluster
start_weir
run_job
how_to_go_on
if [ -z "$keep" ]; then say "stopping what was started here"; fi
