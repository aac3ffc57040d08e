#!/bin/bash
# Measures Weir beside what people use without it, in turns on the same machine, and prints a table with ratios.
# Absolute figures depend on the machine; the ratios are what counts. Needs root and Debian 12.
#   deploy/bench.sh [--against BINARY] [jobs | http | store [JOBS] | memory [JOBS] | gpu [JOBS]]
#     jobs     submits, reads and ends of jobs on the test cluster, beside sbatch on the host itself and over a kept
#              OpenSSH connection (ControlMaster); then what store measures. Two minutes once Weir is built.
#     http     the HTTP server, beside nginx with two workers; four minutes at most once Weir is built
#     store    start, /running and /runstatus with 100,000 ended jobs, or JOBS of them, beside 1,000
#     memory   memory for 60,000 jobs that run, or JOBS of them, loaded at a start, and for a tenth of them that are submitted
#     gpu      jobs on eight sshd's of its own with eight GPUs each, which are only counted, beside loops of `ssh host true`
#              over a kept OpenSSH connection; 10,000 jobs in five minutes or so, or JOBS of them
# With --against the part is measured with another program, BINARY, and with this one by turns, seven times each or
# BENCH_AGAINST_ROUNDS times. All figures are printed. The exit status is 1 when a row is more than 5 % worse and outside both
# interquartile ranges.
# WEIR_BINARY names a program that is built already.
. "$(dirname "$0")/lib.sh"
against=
if [ "${1:-}" = --against ]; then
  against=$(realpath -e -- "${2:?--against needs a program}")
  shift 2
fi
what=${1:-jobs}
case $what in
  jobs | http | store | memory | gpu) ;;
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
  [ -n "${BENCH_FIGURES:-}" ] || bench_store "$@"
}

bench_store() {
  install_packages python3
  build
  /usr/bin/python3 deploy/bench/store.py "$@"
}

bench_memory() {
  install_packages python3
  build
  /usr/bin/python3 deploy/bench/memory.py "$@"
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
if [ -n "$against" ]; then
  build
  exec /usr/bin/python3 deploy/bench/against.py "$against" "$WEIR_BINARY" "$what" "$@"
fi
"bench_$what" "$@"
