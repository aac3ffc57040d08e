#!/bin/bash
# Runs the tests in stages: the checks of deploy/lint.sh, the Swift tests, a short run of deploy/fuzz.sh, and the end-to-end
# tests with a real Slurm cluster and real containers. Asks nothing. At the end a table shows each stage with its time, then a
# list names what failed, and the last line says `N passed, N failed`. The exit status is 0 only if nothing failed. A failed
# stage does not stop the next one. The cluster needs root and Debian 12; it is stopped at the end unless it was up before.
#   deploy/test.sh                        the normal run: every stage but those that take hours
#   deploy/test.sh --release              all stages: run this before a release (a day of machine time)
#   deploy/test.sh --only STAGE           one stage, of either run; may be given several times
#   deploy/test.sh --list                 the stages and what each holds; runs nothing
#   deploy/test.sh --unit | --e2e         what needs no cluster (lint, swift, fuzz) | only end-to-end
#   deploy/test.sh --sanitize             the HTTP tests under the thread sanitizer: --only sanitize
#   --filter WHAT                         only tests whose name holds WHAT, in swift, end-to-end, upgrade and sanitize
. "$(dirname "$0")/lib.sh"

released=0.1.0 # the tag of the release whose jobs and store are taken over

normal=(lint swift fuzz end-to-end)
extra=(upgrade sanitize long-streams chaos-environment chaos-network chaos-daemons chaos-clock chaos-gpu chaos-kills chaos-soak
  fuzz-long minimal-root)

# describe STAGE: what it holds
describe() {
  case $1 in
    lint) echo "deploy/lint.sh: each check counts as one test" ;;
    swift) echo "the Swift tests: unit and module tests" ;;
    fuzz) echo "deploy/fuzz.sh 3: each target for 3 seconds" ;;
    end-to-end) echo "the program with a real sshd, a real Slurm cluster and real containers" ;;
    upgrade) echo "living jobs of release $released, taken over by the program of this checkout" ;;
    sanitize) echo "the HTTP tests under the thread sanitizer" ;;
    long-streams) echo "bodies of several GiB through the HTTP server" ;;
    chaos-*) echo "deploy/chaos.sh ${1#chaos-}, in its long form" ;;
    fuzz-long) echo "deploy/fuzz.sh 600: each target for 10 minutes" ;;
    minimal-root) echo "deploy/minimal-root.sh: quickstart and the normal run on a minimal Debian 12" ;;
    *) return 1 ;;
  esac
}

stages=("${normal[@]}") chosen=() filter=
while [ $# -gt 0 ]; do
  case $1 in
    --release) stages=("${normal[@]}" "${extra[@]}") ;;
    --only)
      describe "${2:?--only needs a stage}" >/dev/null || refuse "$2"
      chosen+=("$2"); shift ;;
    --unit) chosen+=(lint swift fuzz) ;;
    --e2e) chosen+=(end-to-end) ;;
    --sanitize) chosen+=(sanitize) ;;
    --list)
      for stage in "${normal[@]}" "${extra[@]}"; do printf '%-18s %s\n' "$stage" "$(describe "$stage")"; done
      exit 0 ;;
    --filter) filter=${2:?--filter needs a name}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "$1" ;;
  esac
  shift
done
[ ${#chosen[@]} = 0 ] || stages=("${chosen[@]}")
if [ -n "$filter" ]; then # the others know no names of tests
  named=()
  for stage in "${stages[@]}"; do
    case $stage in swift | end-to-end | upgrade | sanitize) named+=("$stage") ;; esac
  done
  [ ${#named[@]} -gt 0 ] || die "--filter leaves no stage to run"
  stages=("${named[@]}")
fi
cd "$repository"

work=$(mktemp -d)
output=$work/output
touch "$work/table" "$work/failures"
summary() {
  local status=$? passed failed
  trap - EXIT
  read -r passed failed < <(awk '{p += $2; f += $3} END {print p + 0, f + 0}' "$work/table")
  if [ $status != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
  if [ -s "$work/table" ]; then
    printf '\n%-18s %8s %8s %10s\n' stage passed failed time
    awk '{printf "%-18s %8d %8d %4d:%02d:%02d\n", $1, $2, $3, $4 / 3600, $4 / 60 % 60, $4 % 60}' "$work/table"
  fi
  if [ -s "$work/failures" ]; then printf '\nfailed:\n' && sed 's/^/  /' "$work/failures"; fi
  rm -rf "$work"
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" = 0 ] && exit 0 || exit 1
}
trap summary EXIT
trap 'exit 130' INT TERM

# A stage runs in a process of its own, which counts here and says what failed.
passed=0 failed=0 stage=

# blame PATTERN: the lines of the output that match name what failed
blame() { { grep -E "$1" "$output" || true; } | sed "s/^[^[:alnum:]]*/$stage: /" >>"$work/failures"; }

# count RUN FAILED STATUS: a runner that failed without naming a test that did (a crash, a build that broke) counts
# as one failure.
count() {
  local run=$1 bad=$2
  if [ "$3" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  if [ "$run" -gt "$bad" ]; then passed=$((passed + run - bad)); fi
  failed=$((failed + bad))
}

# sum PATTERN: of the numbers that the matches in the output begin with
sum() { grep -oE "$1" "$output" | awk '{n += $1} END {print n + 0}' || true; }
lines() { grep -cE "$1" "$output" || true; }

# Each check of deploy/lint.sh counts as one test.
linting() {
  local status=0
  deploy/lint.sh </dev/null 2>&1 | tee "$output" || status=$?
  blame '^[a-z]+: failed$'
  count "$(lines '^[a-z]+: (passed|failed)$')" "$(lines '^[a-z]+: failed$')" "$status"
}

# swift_tests OPTION...: for the build and the run
swift_tests() {
  local status=0 run bad test='^[^ ]+ +Test ("|[^ ]+\().*'
  say "building"
  swift build --build-tests "$@" </dev/null || { count 0 0 1; return 0; }
  say "swift test"
  with_signals swift test --skip-build --no-parallel "$@" ${filter:+--filter "$filter"} </dev/null 2>&1 | tee "$output" || status=$?
  blame "$test failed after [0-9.]+ seconds"
  bad=$(lines "$test failed after [0-9.]+ seconds")
  if grep -qE '^[^ ]+ +Test run with [0-9]+ tests? in' "$output"; then
    run=$(($(sed -nE 's/^[^ ]+ +Test run with ([0-9]+) .*/\1/p' "$output") - $(lines "$test skipped")))
  else
    # The process died: what was under way then is one more failure, and nobody summed up.
    bad=$((bad + 1))
    run=$((bad + $(lines "$test passed after [0-9.]+ seconds")))
  fi
  count "$run" "$bad" "$status"
}

# fuzzing SECONDS: each target of deploy/fuzz.sh counts as one test.
fuzzing() {
  local status=0
  deploy/fuzz.sh "$1" </dev/null 2>&1 | tee "$output" || status=$?
  blame 's\] [a-z]+: a finding;'
  count "$(lines '^[a-z]+ +[0-9]+ +[0-9]+ ')" "$(lines 's\] [a-z]+: a finding;')" "$status"
}

end_to_end_tests() {
  swift build --product weir </dev/null || { count 0 0 1; return 0; }
  swift build --product ConformanceRunner </dev/null || { count 0 0 1; return 0; } # for test_conformance.py
  # A second program, with the checkpoints that test_chaos.py kills it at.
  WEIR_CHECKPOINTS=1 swift build --scratch-path .build/chaos --product weir </dev/null || { count 0 0 1; return 0; }
  with_cluster Tests/EndToEnd
}

# The program of the release is built from the history of this checkout, beside the program of today.
upgrade_tests() {
  local old=$repository/.build/released
  git rev-parse -q --verify "$released^{commit}" >/dev/null ||
    die "the stage upgrade builds the release $released, and this checkout has no such tag: run git fetch --tags, with --unshallow in a shallow clone"
  swift build --product weir </dev/null || { count 0 0 1; return 0; }
  rm -rf "$old/sources" && mkdir -p "$old/sources"
  git archive "$released" | tar -x -C "$old/sources"
  swift build --package-path "$old/sources" --scratch-path "$old/build" --product weir </dev/null ||
    { count 0 0 1; return 0; }
  WEIR_OLD_BINARY=$old/build/debug/weir with_cluster Tests/EndToEnd/test_upgrade.py
}

# with_cluster PATH: the end-to-end tests there, with the test cluster up
with_cluster() {
  local status=0 bad
  install_packages busybox-static zsh fish csh iproute2 util-linux procps # for the GPU servers of rig.py
  testbed_is_up || trap 'deploy/testbed/down.sh || true' EXIT
  deploy/testbed/up.sh </dev/null || { count 0 0 1; return 0; }
  say "end-to-end tests"
  WEIR_BINARY=${WEIR_BINARY:-$repository/.build/debug/weir} with_signals /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    ${filter:+-k "$filter"} "$1" </dev/null 2>&1 | tee "$output" || status=$?
  if [ $status = 5 ] && [ -n "$filter" ]; then status=0; fi # 5: the filter left no test
  blame '^(FAILED|ERROR) '
  tail -1 "$output" >"$output.last" && mv "$output.last" "$output"
  bad=$(sum '[0-9]+ (failed|error)')
  count $((bad + $(sum '[0-9]+ passed'))) "$bad" "$status"
}

# chaos PART: counts as one test; deploy/chaos.sh prints what was lost, doubled or reported wrongly.
chaos() {
  TESTBED=${CHAOS_TESTBED:-/tmp/testbed-chaos} testbed_is_up || trap 'deploy/chaos.sh down || true' EXIT
  whole deploy/chaos.sh "$1"
}

# whole COMMAND...: counts as one test
whole() {
  local status=0
  "$@" </dev/null || status=$?
  count 1 $((status != 0)) $status
}

run() {
  case $stage in
    lint) linting ;;
    swift) swift_tests ;;
    fuzz) fuzzing 3 ;;
    end-to-end) end_to_end_tests ;;
    upgrade) upgrade_tests ;;
    sanitize) filter=${filter:-HTTPTests} swift_tests --sanitize=thread --scratch-path .build/sanitize ;;
    long-streams) WEIR_LONG_STREAMS=1 filter=LongStreamTests swift_tests ;;
    chaos-*) chaos "${stage#chaos-}" ;;
    fuzz-long) fuzzing 600 ;;
    minimal-root) whole deploy/minimal-root.sh ;;
  esac
}

require_swift
install_packages "${build_packages[@]}" openssh-server openssh-client openssl python3 python3-pytest busybox-static zsh fish csh shellcheck strace
for stage in "${stages[@]}"; do
  say "stage: $stage"
  began=$EPOCHSECONDS
  set +e # not `|| status=$?`, which would go on after each failed command in the stage
  (
    set -e
    run
    echo "$passed $failed" >"$work/counts"
  )
  status=$?
  set -e
  if [ $status = 0 ]; then read -r passed failed <"$work/counts"; else passed=0 failed=1; fi
  if [ "$failed" != 0 ] && ! grep -q "^$stage: " "$work/failures"; then echo "$stage" >>"$work/failures"; fi
  echo "$stage $passed $failed $((EPOCHSECONDS - began))" >>"$work/table"
  passed=0 failed=0
done
say "done"
