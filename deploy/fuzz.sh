#!/bin/bash
# Feeds what reads the bytes of others, the HTTP server, the readers of tokens and key sets, of known hosts files and of
# archives, with inputs that libFuzzer makes up, under address sanitizer. Each target in turn; what is claimed of every
# input stands in Tests/Fuzz. The exit status is 0 only without a finding. What was learnt is kept in .build/fuzz, so that
# the next run goes on from there.
#   deploy/fuzz.sh [--write] [SECONDS [TARGET...]]
#     --write   puts the minimised inputs into Tests/Fuzz/corpus, and adds the executions to Tests/Fuzz/runs.txt and to the
#               table in docs/reliability.md
#     SECONDS   for each target, 60 by default
#     TARGET    request, chunked, form, multipart, percent, host, header, token, knownhosts, archive
. "$(dirname "$0")/lib.sh"
write=
if [ "${1:-}" = --write ]; then
  write=1
  shift
fi
case ${1:-60} in
  -h | --help) usage; exit 0 ;;
  *[!0-9]*) refuse "$1" ;;
esac
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(request chunked form multipart percent host header token knownhosts archive)
require_swift
install_packages zlib1g-dev libcurl4-openssl-dev libjwt-dev libssl-dev python3
cd "$repository"
work=$repository/.build/fuzz
mkdir -p "$work"

# All in one module with the targets: swift build cannot do this, for the sanitizer wants a main of its own.
sources=(Sources/Archives/*.swift Sources/HTTP/*.swift Sources/JSON/*.swift Sources/Tokens/*.swift Sources/SSH/{Digest,HostPatterns,KnownHosts,WireFormat}.swift)
program=$work/fuzz
if [ -n "$(find Tests/Fuzz "${sources[@]}" -name '*.swift' -newer "$program" 2>&1 | head -1)" ]; then
  say "building"
  [ -d .build/checkouts/swift-log ] || swift package resolve </dev/null
  (
    cd "$work"
    find "$repository/.build/checkouts/swift-log/Sources/Logging/" -name '*.swift' -print0 |
      xargs -0 swiftc -swift-version 6 -parse-as-library -O -suppress-warnings -package-name swift-log \
        -module-name Logging -emit-module -emit-library -static -o libLogging.a
    # Tokens imports JSON, which is in the same module here: an empty one of that name stands in.
    echo "" >JSON.swift
    swiftc -swift-version 6 -parse-as-library -module-name JSON -emit-module JSON.swift
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

# fuzzed TARGET OPTION...: one run of its program
fuzzed() {
  # Swift's own crash report would take as long as the run.
  FUZZ_TARGET=$1 SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=quarantine_size_mb=16:malloc_context_size=2 "$program" "${@:2}"
}

# record TARGET: what was learnt, in the repository
record() {
  rm -rf "$work/minimised" && mkdir "$work/minimised"
  fuzzed "$1" -merge=1 -rss_limit_mb=2048 "$work/minimised" "$work/seeds/$1" "$work/corpus/$1" >"$work/merge.log" 2>&1 ||
    { tail -20 "$work/merge.log" >&2; die "the inputs of $1 could not be minimised"; }
  python3 deploy/fuzz/record.py "$1" "$work/minimised" "$work/$1.log"
}

findings=0
printf '%-10s %12s %10s %8s %8s\n' target executions a-second edges inputs
for target in "${targets[@]}"; do
  seeds "$target"
  log=$work/$target.log
  status=0
  fuzzed "$target" \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/findings/$target-" "$work/corpus/$target" "$work/seeds/$target" \
    >"$log" 2>&1 || status=$?
  printf '%-10s %12s %10s %8s %8s\n' "$target" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")" \
    "$(grep -oE 'cov: [0-9]+' "$log" | tail -1 | cut -d' ' -f2)" "$(grep -oE 'corp: [0-9]+' "$log" | tail -1 | cut -d' ' -f2)"
  if [ -n "$write" ]; then record "$target"; fi
  if [ $status != 0 ]; then
    findings=$((findings + 1))
    say "$target: a finding; the input lies in ${work#"$repository"/}/findings"
    grep -vE '^#[0-9]+' "$log" | tail -30
  fi
done
[ $findings = 0 ]
