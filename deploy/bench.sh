#!/bin/bash
# Measures Weir beside what people use without it, in turns on the same machine, and prints a table with ratios.
# Absolute times depend on the machine; the ratios are what counts. Needs root and Debian 12.
#   deploy/bench.sh [submit]
#     submit   a job by POST /submit, beside sbatch over a kept OpenSSH connection (ControlMaster)
. "$(dirname "$0")/lib.sh"
case ${1:-submit} in
  submit) ;;
  -h | --help) usage; exit 0 ;;
  *) usage >&2; exit 64 ;;
esac
require_root "the test cluster has several users"
require_swift
install_packages "${build_packages[@]}" openssh-client python3
cd "$repository"
say "building"
swift build -c release --product weir </dev/null
cluster_is_ours=
testbed_is_up || cluster_is_ours=1
trap 'if [ -n "$cluster_is_ours" ]; then deploy/testbed/down.sh; fi' EXIT
deploy/testbed/up.sh
WEIR_BINARY=$repository/.build/release/weir PYTHONPATH=Tests/EndToEnd /usr/bin/python3 deploy/bench/submit.py
