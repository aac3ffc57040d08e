#!/bin/bash
# Runs deploy/quickstart.sh and deploy/test.sh where nothing is installed: in a minimal Debian 12 root that debootstrap
# makes, on a clone of what is committed here. From this machine the root gets, read-only: the Swift toolchain on the PATH,
# git's system configuration and the directories that its `insteadOf` entries point at, and the package sources of /etc/apt.
# Needs root; takes half an hour or more. Run it before a release.
#   deploy/minimal-root.sh                    # both, then removes the root
#   deploy/minimal-root.sh COMMAND [ARG...]   # runs a command in the clone instead, `bash` for a look around
#   deploy/minimal-root.sh --keep ...         # leaves the root; the next --keep uses it again, as it then is
# Where the root lives: MINIMAL_ROOT (/var/tmp/weir-minimal-root).
. "$(dirname "$0")/lib.sh"
keep=
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --keep) keep=1; shift ;;
  -*) refuse "$1" ;;
esac
require_root "debootstrap and mounts need it"
command -v swift >/dev/null || die "swift is not on the PATH: install Swift 6.2 or later (https://www.swift.org/install)"
install_packages debootstrap git
root=${MINIMAL_ROOT:-/var/tmp/weir-minimal-root}
case $root in
  /*/*) ;;
  *) die "MINIMAL_ROOT must be an absolute path below another directory: $root" ;;
esac

# The toolchain is a directory that holds usr/bin/swift.
swift=$(readlink -f "$(command -v swift)")
toolchain=${swift%/usr/bin/*}
case $toolchain in
  "" | "$swift") die "Swift in $swift is not a toolchain of its own, which could be shown in another root" ;;
esac

# The first line of the first kind of source list that there is names the mirror.
mirror() {
  local word
  word=$(sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
  [ -n "$word" ] || word=$(sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]].*/\2/p' \
    /etc/apt/sources.list 2>/dev/null | head -1)
  [ -n "$word" ] || die "no Debian mirror in /etc/apt/sources.list.d/debian.sources or /etc/apt/sources.list"
  printf '%s\n' "$word"
}

# Debian's own sources, what is set of fetching from them, and what the names of mirrors need to be reached.
copy_apt() {
  local file
  mkdir -p "$root/etc/apt/sources.list.d" "$root/etc/apt/apt.conf.d"
  # Such as a proxy, or that a frozen mirror is used after its time.
  grep -hiE '^Acquire::[^{]*;$' /etc/apt/apt.conf.d/* >"$root/etc/apt/apt.conf.d/99acquire" || true
  for file in /etc/apt/apt.conf /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources \
    /etc/resolv.conf /etc/hosts; do
    if [ -e "$file" ]; then cp -L "$file" "$root$file"; fi
  done
}

make_root() {
  say "making a minimal Debian in $root"
  rm -rf --one-file-system "$root.new"
  debootstrap --variant=minbase bookworm "$root.new" "$(mirror)" >"$root.log" 2>&1 ||
    { tail -20 "$root.log" >&2; die "debootstrap failed"; }
  rm -f "$root.log"
  mv "$root.new" "$root"
}

# bind PATH: a file or directory of this machine, read-only at the same place in the root
bind() {
  if [ -d "$1" ]; then
    mkdir -p "$root$1"
  else
    mkdir -p "$root${1%/*}" && touch "$root$1"
  fi
  mount --bind "$1" "$root$1" && mount -o remount,bind,ro "$root$1"
}

# The places on this machine that git is told to take instead of addresses.
git_directories() {
  git config --system --get-regexp '^url\..*\.insteadof$' 2>/dev/null |
    sed -nE 's#^url\.(file://)?(/.*)\.insteadof .*#\2#p' | sort -u
}

# Runs in a mount and process namespace of its own: all of it is gone with the last process.
inside() {
  local directory
  # No chroot: in one nobody may make a user namespace (clone(2), EPERM), and some programs look for the mount that is the
  # root.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys" && mount --make-rslave "$root/sys"
  mount --rbind /dev "$root/dev" && mount --make-rslave "$root/dev"
  bind "$toolchain"
  if [ -e /etc/gitconfig ]; then bind /etc/gitconfig; fi
  while IFS= read -r directory; do
    if [ -d "$directory" ]; then bind "$directory"; fi
  done < <(git_directories)
  cd "$root"
  mkdir -p .outside
  pivot_root . .outside
  exec env -i PATH="$toolchain/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LC_ALL=C.UTF-8 \
    TERM="${TERM:-dumb}" /bin/bash -c 'umount -l /.outside && rmdir /.outside && cd /root/weir && "$@"' bash "$@"
}

if [ "${MINIMAL_ROOT_INSIDE:-}" = 1 ]; then
  unset MINIMAL_ROOT_INSIDE
  inside "$@"
fi

# run COMMAND...: in the root
run() {
  MINIMAL_ROOT=$root MINIMAL_ROOT_INSIDE=1 unshare --mount --pid --fork --kill-child --propagation private \
    "$repository/deploy/minimal-root.sh" "$@"
}

remove() {
  local status=$?
  trap - EXIT
  if [ -z "$keep" ]; then rm -rf --one-file-system "$root"; fi
  exit $status
}
trap remove EXIT
trap 'exit 130' INT TERM

if [ -z "$keep" ]; then rm -rf --one-file-system "$root"; fi
[ -d "$root" ] || make_root
copy_apt
rm -rf "$root/root/weir"
git clone -q --no-hardlinks "$repository" "$root/root/weir"

if [ $# -gt 0 ]; then
  run "$@"
else
  say "deploy/quickstart.sh on a minimal Debian"
  run deploy/quickstart.sh
  say "deploy/test.sh on a minimal Debian"
  run deploy/test.sh
fi
