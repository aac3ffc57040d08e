#!/bin/bash
# Feeds what reads the bytes of others, the HTTP server, the readers of tokens and key sets, of known hosts files and of
# archives, with inputs that libFuzzer makes up, under address sanitizer. Each target in turn; what is claimed of every
# input stands in Tests/Fuzz. The exit status is 0 only without a finding. What was learnt is kept in .build/fuzz, so that
# the next run goes on from there.
#   deploy/fuzz.sh [SECONDS [TARGET...]]
#     SECONDS   for each target, 60 by default
#     TARGET    request, chunked, form, multipart, percent, host, header, token, knownhosts, archive
. "$(dirname "$0")/lib.sh"
case ${1:-60} in
  -h | --help) usage; exit 0 ;;
  *[!0-9]*) usage >&2; exit 64 ;;
esac
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(request chunked form multipart percent host header token knownhosts archive)
require_swift
install_packages zlib1g-dev libcurl4-openssl-dev libjwt-dev libssl-dev
cd "$repository"
work=$repository/.build/fuzz
mkdir -p "$work"

# All in one module with the targets: swift build cannot do this, for the sanitizer wants a main of its own.
sources=(Sources/Archives/*.swift Sources/HTTP/*.swift Sources/JSON/*.swift Sources/Support/*.swift Sources/Tokens/*.swift Sources/SSH/{Digest,HostPatterns,KnownHosts,WireFormat}.swift)
program=$work/fuzz
if [ -n "$(find Tests/Fuzz "${sources[@]}" -name '*.swift' -newer "$program" 2>&1 | head -1)" ]; then
  say "building"
  [ -d .build/checkouts/swift-log ] || swift package resolve </dev/null
  (
    cd "$work"
    find "$repository/.build/checkouts/swift-log/Sources/Logging/" -name '*.swift' -print0 |
      xargs -0 swiftc -swift-version 6 -parse-as-library -O -suppress-warnings -package-name swift-log \
        -module-name Logging -emit-module -emit-library -static -o libLogging.a
    # JSON and Support are imported, and in the same module here: empty ones of these names stand in.
    for module in JSON Support; do
      echo "" >"$module.swift"
      swiftc -swift-version 6 -parse-as-library -module-name "$module" -emit-module "$module.swift"
    done
  )
  swiftc -swift-version 6 -parse-as-library -O -sanitize=fuzzer,address -use-ld=lld -module-name WeirFuzz \
    -I "$work" -I Sources/CEpoll -I Sources/CZlib -I Sources/CLibCrypto -I Sources/CLibCurl -I Sources/CLibJWT \
    "${sources[@]}" Tests/Fuzz/*.swift "$work/libLogging.a" -o "$program.new"
  mv "$program.new" "$program"
fi

# seeds TARGET: the lines of its corpus, escapes undone, a file each.
seeds() {
  local line number=0
  mkdir -p "$work/seeds/$1" "$work/corpus/$1" "$work/findings"
  while IFS= read -r line; do
    number=$((number + 1))
    printf '%b' "$line" >"$work/seeds/$1/$number"
  done <"Tests/Fuzz/corpus/$1.txt"
}

findings=0
printf '%-10s %12s %10s %8s %8s\n' target executions a-second edges inputs
for target in "${targets[@]}"; do
  seeds "$target"
  log=$work/$target.log
  status=0
  # Swift's own crash report would take as long as the run.
  FUZZ_TARGET=$target SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=2 "$program" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/findings/$target-" "$work/corpus/$target" "$work/seeds/$target" >"$log" 2>&1 || status=$?
  printf '%-10s %12s %10s %8s %8s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")" \
    "$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | cut -d' ' -f2)" "$(grep -oE 'corp: [0-9]+' "$log" | tail -1 | cut -d' ' -f2)"
  if [ $status != 0 ]; then
    findings=$((findings + 1))
    say "$target: a finding; the input lies in ${work#"$repository"/}/findings"
    grep -vE '^#[0-9]+' "$log" | tail -30
  fi
done
[ $findings = 0 ]
