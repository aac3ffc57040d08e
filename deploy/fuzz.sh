#!/bin/bash
# Feeds what reads the bytes of others with inputs that libFuzzer makes up, under address sanitizer: the HTTP server, the
# readers of tokens, key sets, known hosts files and archives, the readers of what Slurm, nvidia-smi and the directories of
# jobs say, and those of the users and servers files. Each target in turn; the claims about every input are in
# Tests/Fuzz. The exit status is 0 only without a finding. What was learnt is kept in .build/fuzz, so that the next run goes
# on from there.
#   deploy/fuzz.sh [--write] [SECONDS [TARGET...]]
#     --write   puts the minimised inputs into Tests/Fuzz/corpus, and adds the executions to Tests/Fuzz/runs.txt and to the
#               table in docs/reliability.md
#     SECONDS   for each target, 60 by default
#     TARGET    request, chunked, form, multipart, percent, host, header, token, knownhosts, archive;
#               squeue, sacct, scontrol, nodes, listing, sweep, list, smi, servers, users
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
clients=(request chunked form multipart percent host header token knownhosts archive)
machines=(squeue sacct scontrol nodes listing sweep list smi servers users)
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=("${clients[@]}" "${machines[@]}")
require_swift
install_packages "${build_packages[@]}" python3
cd "$repository"
work=$repository/.build/fuzz
mkdir -p "$work"

fuzzer=(swiftc -swift-version 6 -parse-as-library -O "-sanitize=fuzzer,address" -use-ld=lld
  -I Sources/CEpoll -I Sources/CZlib -I Sources/CLibCrypto -I Sources/CLibCurl -I Sources/CLibJWT -I Sources/CLibSSH2
  -I Sources/CProcess Tests/Fuzz/Claim.swift)

# files DIRECTORY...: the Swift sources in and below them
files() { find "$@" -name '*.swift' | sort; }

# outdated PROGRAM SOURCE...: one of the sources is newer, or there is no program
outdated() { [ -n "$(find Tests/Fuzz/Claim.swift "${@:2}" -name '*.swift' -newer "$1" 2>&1 | head -1)" ]; }

# All in one module with the targets: swift build cannot do this, for the sanitizer wants a main of its own.
build_clients() {
  local sources
  mapfile -t sources < <(files Tests/Fuzz/Clients Sources/{Archives,HTTP,HTTPClient,JSON,Support,Tokens})
  sources+=(Sources/SSH/HostKeys/{Digest,HostPatterns,KnownHosts,WireFormat}.swift)
  outdated "$work/clients" "${sources[@]}" || return 0
  say "building the program of: ${clients[*]}"
  [ -d .build/checkouts/swift-log ] || swift package resolve </dev/null
  (
    cd "$work"
    find "$repository/.build/checkouts/swift-log/Sources/Logging/" -name '*.swift' -print0 |
      xargs -0 swiftc -swift-version 6 -parse-as-library -O -suppress-warnings -package-name swift-log \
        -module-name Logging -emit-module -emit-library -static -o libLogging.a
    # These are imported, and in the same module here: empty ones of these names stand in.
    for module in HTTPClient JSON Support; do
      echo "" >"$module.swift"
      swiftc -swift-version 6 -parse-as-library -module-name "$module" -emit-module "$module.swift"
    done
  )
  "${fuzzer[@]}" -module-name WeirFuzz -package-name weir -I "$work" "${sources[@]}" "$work/libLogging.a" -o "$work/clients.new"
  mv "$work/clients.new" "$work/clients"
}

# objects DIRECTORY: the object files of a module. Those of sources that were removed may lie beside them: the map has none.
objects() {
  local map=$1/output-file-map.json
  if [ -e "$map" ]; then
    python3 -c 'import json, sys; print(*(file["object"] for file in json.load(open(sys.argv[1])).values() if "object" in file), sep="\n")' "$map"
  else # a module in C
    find "$1" -name '*.o'
  fi
}

# The connectors and the users file in one module with the targets; what they use is linked as swift build made it.
build_machines() {
  local sources objects=() products module name
  mapfile -t sources < <(files Tests/Fuzz/Machines Sources/Access connectors/{support,slurm,gpu}/Sources)
  outdated "$work/machines" "${sources[@]}" || return 0
  say "building the program of: ${machines[*]}"
  swift build </dev/null
  products=$(swift build --show-bin-path)
  for module in JobModel ConnectorAPI Support JSON Shell SSH ScriptTemplates Templates Logging YAML Yams CYaml Mustache; do
    while IFS= read -r object; do objects+=("$object"); done < <(objects "$products/$module.build")
  done
  # What is `package` in a module is seen by the package's name only, which swift build derives from its directory's.
  name=$(sed -n '/"-module-name","ConnectorAPI"/s/.*"-package-name","\([^"]*\)".*/\1/p' .build/debug.yaml | head -1)
  mkdir -p "$work/stand-ins"
  (
    cd "$work/stand-ins"
    echo "" >ConnectorSupport.swift
    swiftc -swift-version 6 -parse-as-library -module-name ConnectorSupport -emit-module ConnectorSupport.swift
  )
  "${fuzzer[@]}" -module-name WeirMachineFuzz -package-name "$name" -I "$work/stand-ins" -I "$products/Modules" \
    -I .build/checkouts/Yams/Sources/CYaml/include "${sources[@]}" "${objects[@]}" -lssh2 -lcrypto -lz \
    -o "$work/machines.new"
  mv "$work/machines.new" "$work/machines"
}

# is_among WORD WORD...
is_among() { case " ${*:2} " in *" $1 "*) ;; *) return 1 ;; esac; }
for target in "${targets[@]}"; do
  if is_among "$target" "${clients[@]}"; then
    build_clients
  elif is_among "$target" "${machines[@]}"; then
    build_machines
  else
    refuse "$target"
  fi
done

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
  local program=$work/machines
  if is_among "$1" "${clients[@]}"; then program=$work/clients; fi
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
