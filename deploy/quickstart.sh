#!/bin/bash
# From a machine with nothing but Swift to a job that ran: installs what is missing, builds Weir, starts it as it is when
# nothing else is said, with this machine to run jobs on, submits a job with curl, waits for it and shows its output. Asks
# nothing. With --slurm the job is a two-node container job on a small Slurm cluster with Apptainer that is brought up on
# this machine, which needs root and Debian 12.
#   deploy/quickstart.sh             # everything it started is stopped again at the end
#   deploy/quickstart.sh --slurm     # the same on a Slurm cluster
#   deploy/quickstart.sh --keep      # Weir, and the cluster, stay up; the last lines say how to go on and how to stop
# WEIR_PORT and, without --slurm, JARVICE_SCHED_SERVER_KEY (user:password) are used where they are set; else both are random.
. "$(dirname "$0")/lib.sh"
keep='' slurm=''
for option; do
  case $option in
    --keep) keep=1 ;;
    --slurm) slurm=1 ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "$option" ;;
  esac
done
if [ -n "$slurm" ]; then require_root "the test cluster has several users, and packages may have to be installed"; fi
require_swift
cd "$repository"

weir=$repository/.build/release/weir
weir_pid='' cluster_is_ours='' directory=''
# Jobs never run as root: then Weir is started as this account.
account=()

stop_all() {
  local status=$?
  trap - EXIT
  if [ -z "$keep" ] || [ $status != 0 ]; then
    if [ -n "$weir_pid" ]; then
      kill "$weir_pid" 2>/dev/null && wait "$weir_pid" 2>/dev/null || true
    fi
    if [ -n "$cluster_is_ours" ]; then deploy/testbed/down.sh; fi
    if [ -n "$directory" ]; then rm -rf "$directory"; fi
  fi
  exit $status
}
trap stop_all EXIT
trap 'exit 130' INT TERM

build() {
  install_packages "${build_packages[@]}" curl jq
  say "building Weir (release): some minutes the first time"
  swift build -c release --product weir || die "the build failed; its messages are above"
}

start_cluster() {
  testbed_is_up || cluster_is_ours=1
  say "bringing the test cluster up in $TESTBED"
  deploy/testbed/up.sh
  # shellcheck source=/dev/null
  . "$TESTBED/weir.env"
  export WEIR_STATE_DIR=$TESTBED/weir
  log=$TESTBED/log/weir.log
}

# A directory with all that Weir keeps, and a service key: the caller's, or one that nobody else knows.
prepare_this_machine() {
  directory=$(mktemp -d)
  chmod 755 "$directory"
  log=$directory/weir.log
  export WEIR_STATE_DIR=$directory/state
  JARVICE_SCHED_SERVER_KEY=${JARVICE_SCHED_SERVER_KEY:-quickstart:$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')}
  export JARVICE_SCHED_SERVER_KEY
  if [ "$(id -u)" = 0 ]; then
    # Where the repository lies, that account may not be able to look.
    cp "$weir" "$directory/weir"
    weir=$directory/weir
    mkdir "$WEIR_STATE_DIR"
    chown nobody: "$WEIR_STATE_DIR"
    account=(setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups --)
  fi
}

# True once Weir listens and can run jobs.
ready() {
  url=$(sed -nE 's/.*listening on ([0-9.]+:[0-9]+).*/http:\/\/\1/p' "$log" | head -1)
  [ -n "$url" ] && curl -fs "$url/ready" >/dev/null
}

start_weir() {
  export WEIR_PORT=${WEIR_PORT:-0}
  : >"$log"
  setsid "${account[@]}" "$weir" serve </dev/null >"$log" 2>&1 &
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

# What an upstream sends: needs as KEY=value lines, then a script that runs on the machine.
local_script() {
  cat <<'SCRIPT'
JOBOBJ_INTERACTIVE=False
JOBOBJ_APPDEFVERSION=2
JOBOBJ_GPUS=0
JOBOBJ_RAM=1
JOBOBJ_WALLTIME=00:05:00
JARVICE_CPU_CORES=1

{DOWNSTREAM_PARAMETERS}

. /etc/os-release
echo "hello from $NAME, as $(id -un), job $JOB_JOBID"
sleep 1
/bin/echo JARVICE_CMD_SUCCESS
SCRIPT
}

# The same for a cluster, where it runs once on each node.
slurm_script() {
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

# run_job NODES BEARER SCRIPT
run_job() {
  local name answer
  name=$(date -u +%Y%m%d%H%M%S)-QUICK-testapp-kirbystar_s1
  answer=$(call /submit "$(jq -nc --arg name "$name" --argjson nodes "$1" --arg bearer "$2" \
    --arg script "$(base64 -w 0 <<<"$3")" \
    '{name: $name, number: 1, nodes: $nodes, hpc_script: {singularity: $script}, bearer: $bearer}')")
  job=$(jq -er 'if type == "array" then .[0] else empty end' <<<"$answer") || die "the job was refused: $answer"
  arguments=$(jq -nc --arg name "$name" --arg job "$job" '{name: $name, number: 1, jobid: $job}')
  say "job $job submitted"
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

Still running: Weir (process $weir_pid, log $log)${slurm:+ and the test cluster (in $TESTBED)}.
Go on with, for example:
    curl -u $JARVICE_SCHED_SERVER_KEY $url/running
    curl -u $JARVICE_SCHED_SERVER_KEY $url/runstatus --data-urlencode 'args=$arguments'
    curl -u $JARVICE_SCHED_SERVER_KEY $url/events --data-urlencode 'args=$arguments'
${slurm:+    . $TESTBED/env.sh; tbssh kirby squeue
}Stop with:
    kill $weir_pid${directory:+; tail --pid=$weir_pid -f /dev/null; rm -rf $directory}${cluster_is_ours:+; deploy/testbed/down.sh --purge}
TEXT
  elif [ -n "$slurm" ]; then
    cat <<TEXT

To go on, keep Weir and the cluster up with deploy/quickstart.sh --slurm --keep, or start them by hand:
    deploy/testbed/up.sh
    . $TESTBED/weir.env
    WEIR_STATE_DIR=$TESTBED/weir .build/release/weir serve
    curl -u $JARVICE_SCHED_SERVER_KEY http://127.0.0.1:5000/running
Stop the cluster with deploy/testbed/down.sh; --purge removes $TESTBED too.
TEXT
  else
    cat <<TEXT

To go on, let Weir run, and follow "A first job" in README.md:
    JARVICE_SCHED_SERVER_KEY=me:secret WEIR_PORT=5000 deploy/quickstart.sh --keep
A Slurm cluster on this machine to try: deploy/quickstart.sh --slurm. GPU servers: docs/getting-started.md.
TEXT
  fi
}

build
if [ -n "$slurm" ]; then
  start_cluster
  start_weir
  run_job 2 "$(deploy/testbed/mkjwt.py rs256 '{"email":"kirby@example.com"}')" "$(slurm_script)"
else
  prepare_this_machine
  start_weir
  run_job 1 "" "$(local_script)"
fi
how_to_go_on
if [ -z "$keep" ]; then say "stopping what was started here"; fi
