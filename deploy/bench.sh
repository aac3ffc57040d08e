#!/bin/bash
# Measures Weir beside what people use without it, in turns on the same machine, and prints a table with ratios.
# Absolute figures depend on the machine; the ratios are what counts. Needs root and Debian 12.
#   deploy/bench.sh [jobs | http | store | gpu [JOBS]]
#     jobs     submits, reads and ends of jobs on the test cluster, beside sbatch on the host itself and over a kept
#              OpenSSH connection (ControlMaster); then what store measures. Two minutes once Weir is built.
#     http     the HTTP server, beside nginx with two workers; four minutes at most once Weir is built
#     store    start, /running and /runstatus with 100,000 ended jobs, beside 1,000
#     gpu      jobs on eight sshd's of its own with eight GPUs each, which are only counted, beside loops of `ssh host true`
#              over a kept OpenSSH connection; 10,000 jobs in five minutes or so, or JOBS of them
# WEIR_BINARY names a program that is built already.
. "$(dirname "$0")/lib.sh"
what=${1:-jobs}
case $what in
  jobs | http | store | gpu) ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$what" ;;
esac
require_swift
cd "$repository"

build() {
  if [ -z "${WEIR_BINARY:-}" ]; then
    install_packages "${build_packages[@]}"
    say "building"
    swift build -c release --product weir </dev/null
  fi
  export WEIR_BINARY=${WEIR_BINARY:-$repository/.build/release/weir}
}

bench_jobs() {
  require_root "the test cluster has several users"
  install_packages openssh-client curl python3
  build
  cluster_is_ours=
  testbed_is_up || cluster_is_ours=1
  trap 'if [ -n "$cluster_is_ours" ]; then deploy/testbed/down.sh; fi' EXIT
  deploy/testbed/up.sh
  PYTHONPATH=Tests/EndToEnd /usr/bin/python3 deploy/bench/jobs.py
  bench_store
}

bench_store() {
  install_packages python3
  build
  /usr/bin/python3 deploy/bench/store.py "$WEIR_BINARY"
}

bench_gpu() {
  require_root "the servers have an account of their own"
  install_packages openssh-server openssh-client python3
  build
  /usr/bin/python3 deploy/bench/gpu.py "$@"
}

bench_http() {
  install_packages nginx-light wrk python3
  build
  say "measuring"
  /usr/bin/python3 deploy/bench/http-server.py
  say "done"
}

shift $(($# > 0))
"bench_$what" "$@"
