#!/bin/bash
# Runs all tests: the checks of deploy/lint.sh, Swift's (unit and module tests), then the end-to-end tests with a real
# Slurm cluster and real containers. Asks nothing. The last line says `N passed, N failed`; the exit status is 0 only if none failed.
# The cluster needs root and Debian 12; it is stopped at the end unless it was up before.
#   deploy/test.sh [--unit | --e2e | --sanitize] [--filter WHAT]
#     --unit          only deploy/lint.sh, Swift's tests, and a short run of deploy/fuzz.sh
#     --e2e           only the end-to-end tests
#     --sanitize      only the tests of the HTTP server, under the thread sanitizer; a whole run leaves this out
#     --filter WHAT   only tests whose name holds WHAT
. "$(dirname "$0")/lib.sh"
unit=1 e2e=1 sanitize='' filter=
while [ $# -gt 0 ]; do
  case $1 in
    --unit) e2e= ;;
    --e2e) unit= ;;
    --sanitize) unit='' e2e='' sanitize=1 ;;
    --filter) filter=${2:?--filter needs a name}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "$1" ;;
  esac
  shift
done
[ -n "$unit$e2e$sanitize" ] || die "--unit and --e2e leave nothing to run"
cd "$repository"

passed=0 failed=0
output=$(mktemp)
cluster_is_ours=
finish() {
  local status=$?
  trap - EXIT
  if [ -n "$cluster_is_ours" ]; then deploy/testbed/down.sh || true; fi
  rm -f "$output"
  if [ $status != 0 ] && [ $failed = 0 ]; then failed=1; fi
  echo "$passed passed, $failed failed"
  [ $failed = 0 ] && exit 0 || exit 1
}
trap finish EXIT
trap 'exit 130' INT TERM

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
  count "$(lines '^[a-z]+: (passed|failed)$')" "$(lines '^[a-z]+: failed$')" "$status"
}

# swift_tests OPTION...: for the build and the run
swift_tests() {
  local status=0 run bad test='^[^ ]+ +Test ("|[^ ]+\().*'
  say "building"
  swift build --build-tests "$@" </dev/null || { count 0 0 1; return 0; }
  say "swift test"
  with_signals swift test --skip-build --no-parallel "$@" ${filter:+--filter "$filter"} </dev/null 2>&1 | tee "$output" || status=$?
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

# Each target of deploy/fuzz.sh counts as one test.
fuzzing() {
  local status=0
  say "fuzzing"
  deploy/fuzz.sh 3 </dev/null 2>&1 | tee "$output" || status=$?
  count "$(lines '^[a-z]+ +[0-9]+ +[0-9]+ ')" "$(lines 's\] [a-z]+: a finding;')" "$status"
}

end_to_end_tests() {
  local status=0 bad
  swift build --product weir </dev/null || { count 0 0 1; return 0; }
  # A second program, with the checkpoints that test_chaos.py kills it at.
  WEIR_CHECKPOINTS=1 swift build --scratch-path .build/chaos --product weir </dev/null || { count 0 0 1; return 0; }
  install_packages busybox-static zsh fish csh iproute2 util-linux procps # for the GPU servers of rig.py
  testbed_is_up || cluster_is_ours=1
  deploy/testbed/up.sh </dev/null || { count 0 0 1; return 0; }
  say "end-to-end tests"
  WEIR_BINARY=${WEIR_BINARY:-$repository/.build/debug/weir} with_signals /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    ${filter:+-k "$filter"} Tests/EndToEnd </dev/null 2>&1 | tee "$output" || status=$?
  if [ $status = 5 ] && [ -n "$filter" ]; then status=0; fi # 5: the filter left no test
  tail -1 "$output" >"$output.last" && mv "$output.last" "$output"
  bad=$(sum '[0-9]+ (failed|error)')
  count $((bad + $(sum '[0-9]+ passed'))) "$bad" "$status"
}

require_swift
install_packages "${build_packages[@]}" openssh-server openssh-client openssl python3 python3-pytest busybox-static shellcheck strace
if [ -n "$unit" ] && [ -z "$filter" ]; then linting; fi
if [ -n "$unit" ]; then swift_tests; fi
if [ -n "$unit" ] && [ -z "$filter" ]; then fuzzing; fi
if [ -n "$e2e" ]; then end_to_end_tests; fi
if [ -n "$sanitize" ]; then filter=${filter:-HTTPTests} swift_tests --sanitize=thread --scratch-path .build/sanitize; fi
say "done"
