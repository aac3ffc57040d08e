#!/bin/bash
# Feeds the reader of known hosts files with inputs that libFuzzer makes up, under address sanitizer. The exit status is
# 0 only without a finding. What was learnt is kept in .build/fuzz-ssh, so that the next run goes on from there.
#   deploy/fuzz-ssh.sh [SECONDS]
#     SECONDS   60 by default
. "$(dirname "$0")/lib.sh"
case ${1:-60} in
  -h | --help) usage; exit 0 ;;
  *[!0-9]*) usage >&2; exit 64 ;;
esac
require_swift
install_packages libssl-dev
cd "$repository"
work=$repository/.build/fuzz-ssh
mkdir -p "$work/corpus" "$work/seeds" "$work/findings"
number=0
while IFS= read -r line; do
  number=$((number + 1))
  printf '%b' "$line" >"$work/seeds/$number"
done <Tests/FuzzSSH/known-hosts.txt
swiftc -swift-version 6 -parse-as-library -O -sanitize=fuzzer,address -use-ld=lld -module-name SSHFuzz \
  -I Sources/CLibCrypto Sources/SSH/{KnownHosts,HostPatterns,Digest,WireFormat}.swift Tests/FuzzSSH/*.swift \
  -o "$work/fuzz"
SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=2 "$work/fuzz" \
  -max_total_time="${1:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$work/findings/" "$work/corpus" "$work/seeds" 2>&1 | grep -v '^#'
exit "${PIPESTATUS[0]}"
