# shellcheck shell=bash disable=SC2034
# What the scripts here share; sourced, never run.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

program=$(basename "$0")
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TESTBED=${TESTBED:-/tmp/testbed}

# One clock for a script and those that it calls.
export DEPLOY_BEGAN=${DEPLOY_BEGAN:-$EPOCHSECONDS}
say() { printf '[%3ds] %s\n' $((EPOCHSECONDS - DEPLOY_BEGAN)) "$*"; }
die() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}

# The comment at the head of the script is its help text.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# refuse ARGUMENT: one that is not in the help text
refuse() {
  printf '%s: unknown argument: %s\n\n' "$program" "$1" >&2
  usage >&2
  exit 64
}

require_root() { [ "$(id -u)" = 0 ] || die "must be run as root: $1"; }

# with_signals COMMAND...: with no signal ignored. nohup, and a shell that starts something in the background, ignore HUP,
# INT and QUIT for all that comes of it, and no shell can trap such a signal (POSIX, trap). Where that is so, the command
# gets a session of its own, so that what the caller wanted to be safe from does not reach it.
with_signals() {
  case $(trap -p HUP INT QUIT) in
    *"''"*) setsid --wait env --default-signal=HUP,INT,QUIT "$@" ;;
    *) "$@" ;;
  esac
}

# alive PIDFILE: the process written there runs.
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")"; } 2>/dev/null

# install_packages NAME...: whatever of these Debian packages is missing.
install_packages() {
  local package missing=() log try
  command -v apt-get >/dev/null || die "needs Debian 12 or a relative of it (no apt-get here)"
  for package; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "missing packages; as root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  keep_daemons_down
  log=$(mktemp)
  for try in 1 2 3; do
    # The package lists of a fresh machine are empty or stale: the second try reads them anew.
    { [ "$try" = 1 ] || apt-get -qq -o DPkg::Lock::Timeout=300 update; } >>"$log" 2>&1 &&
      apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}" \
        </dev/null >>"$log" 2>&1 && break
    [ "$try" -lt 3 ] || { tail -20 "$log" >&2; allow_daemons; die "apt-get could not install ${missing[*]}"; }
    sleep 3
  done
  allow_daemons
  rm -f "$log"
}

# Packages of daemons start them on installation, unless a policy-rc.d forbids it.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
keep_daemons_down() {
  [ ! -e $policy ] || return 0
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  policy_is_ours=1
}
allow_daemons() {
  [ -z "$policy_is_ours" ] || rm -f $policy
  policy_is_ours=
}

# up.sh has been run and nothing of it has died since.
testbed_is_up() {
  local pid_file
  for pid_file in "$TESTBED"/{munge/munged,db-run/mariadb,runctld/slurmdbd,runctld/slurmctld,run/sshd}.pid \
    "$TESTBED"/run/{slurmd-node1,slurmrestd,registry-open,registry-auth}.pid; do
    alive "$pid_file" || return 1
  done
}

build_packages=(binutils gcc git ca-certificates pkg-config libc6-dev libstdc++-12-dev libssh2-1-dev libjwt-dev
  libcurl4-openssl-dev zlib1g-dev libssl-dev libsqlite3-dev)

# What the Swift toolchain itself needs to run and to link (https://www.swift.org/install/linux), without which even
# `swift --version` fails on a minimal Debian.
swift_packages=(binutils gcc libc6-dev libcurl4 libedit2 libncurses6 libsqlite3-0 libstdc++-12-dev libxml2 libz3-4 tzdata
  zlib1g-dev)

require_swift() {
  local version
  command -v swift >/dev/null || die "swift is not on the PATH: install Swift 6.2 or later (https://www.swift.org/install)"
  if ! version=$(swift --version 2>&1); then
    install_packages "${swift_packages[@]}"
    version=$(swift --version 2>&1) || die "swift --version fails on this machine: $version"
  fi
  version=$(sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' <<<"$version" | head -1)
  [ "$(printf '6.2\n%s\n' "$version" | sort -V | head -1)" = 6.2 ] ||
    die "Swift ${version:-of an unknown version} is too old: install Swift 6.2 or later (https://www.swift.org/install)"
}
