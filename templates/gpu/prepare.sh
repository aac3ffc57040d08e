#!/bin/sh
# Makes the job root of a server ready, and says what there is. Arguments: ROOT, absolute or below the home directory,
# HASH of the wrapper, and NAME of the server; standard input: the wrapper, which is records.sh and run.sh.
#
# Several machines may share a home, and with it the root. What belongs to one alone is below machines/NAME@HOST-SUM,
# SUM being of its machine-id, which clones and containers may have in common, and of its host name. Two entries of a
# servers file never share one.
mask=$(umask)
umask 077
die() {
  echo "$*" >&2
  exit 73
}
CDPATH='' cd || die "The account has no home directory."
mkdir -p -- "$1" && [ ! -x "$1" ] && chmod u+rwx -- "$1"
for file in lib jobs removed inputs machines owners; do
  [ ! -e "$1/$file" ] || [ -d "$1/$file" ] || rm -f -- "$1/$file"
done
{ mkdir -p -- "$1" && CDPATH='' cd -- "$1" && mkdir -p lib jobs removed inputs machines owners; } ||
  die "The job root $1 cannot be made on this server."
# Others may have been able to look in until now, where the directory was not made here.
chmod 700 . lib jobs removed inputs machines owners || die "The job root $1 on this server belongs to another account."
host=$(uname -n)
id=''
for file in /etc/machine-id /var/lib/dbus/machine-id; do
  { read -r id <"$file"; } 2>/dev/null && break
done
sum=$(printf '%s %s\n' "$id" "$host" | { md5sum 2>/dev/null || cksum; } | head -c 12)
machine=$3@$(printf %s "$host" | LC_ALL=C tr -c 'A-Za-z0-9.-' _ | head -c 64)-${sum%% *}
own=machines/$machine
fault="Nothing can be written to the job root $1 on this server."
mkdir -p "$own/lib" || die "$fault"
# put FILE TEXT: nothing is written, which a full disk would not take, where it is there already. A job may have written
# to it, too.
repaired=
put() {
  # Reading a FIFO would never end.
  if [ -h "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then rm -rf "$1"; fi
  printf %s "$2" | cmp -s - "$1" && return
  printf %s "$2" >"$own/lib/new.$$" && mv -f "$own/lib/new.$$" "$1" && repaired="$repaired $1" && return
  rm -f "$own/lib/new.$$"
  return 1
}
text=$(cat && echo .)
put "lib/run-$2.sh" "${text%.}" || die "$fault"

# A shell cannot tell a command that ended with status 137 from one that was killed; awk's system() can, but not in
# every awk: that of BusyBox 1.35 says 0 for both a good end and a KILL. Some say 256 plus the signal, some a 256th of
# it.
# mawk is the quickest.
tells=
for awk in mawk awk; do
  # shellcheck disable=SC2016 # for the shell of system()
  told=$("$awk" 'BEGIN { r = system("kill -9 $$"); print (r == 265 || r * 256 == 9) + system("exit 7") }' 2>/dev/null)
  if [ "$told" = 8 ]; then
    tells=$awk
    break
  fi
done
# What jobs find: the account's umask, and that awk if there is one.
# Where systemd ends all that a login leaves behind (KillUserProcesses=yes), a job is started in a scope of the
# account's own manager. That one must linger, or it ends with the last login and takes its scopes with it.
scope='' warning=''
if command -v loginctl >/dev/null && command -v systemd-run >/dev/null; then
  user=$(id -un)
  kills=$(loginctl show-user --property=KillUserProcesses 2>/dev/null </dev/null)
  if [ "$kills" != KillUserProcesses=no ]; then
    words="systemd-run --user --scope --quiet --collect"
    cause="the account does not linger: run 'loginctl enable-linger $user' there"
    if [ "$(loginctl show-user "$user" --property=Linger 2>/dev/null </dev/null)" = Linger=yes ]; then
      cause="'$words' does not work for the account"
      export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
      # shellcheck disable=SC2086 # words are wanted
      if timeout 5 $words true </dev/null >/dev/null 2>&1; then scope=yes; fi
    fi
    if [ -z "$scope" ] && [ "$kills" = KillUserProcesses=yes ]; then
      warning="systemd ends jobs when Weir's connection ends (KillUserProcesses=yes), and $cause"
    fi
  fi
fi
newline='
'
{ put "$own/lib/umask" "$mask$newline" && put "$own/lib/awk" "$tells$newline" &&
  put "$own/lib/scope" "$scope$newline"; } || die "$fault"

# What was put there for a start that never came.
find inputs -name '*-*' -prune -mtime +1 -exec rm -rf {} +

pax=0
case $(tar --version 2>/dev/null) in *GNU* | *libarchive*) pax=1 ;; esac
cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || cpus=$(nproc 2>/dev/null) || cpus=$(grep -c '^processor' /proc/cpuinfo)
while read -r name kilobytes _; do
  if [ "$name" = MemTotal: ]; then break; fi
done </proc/meminfo
read -r boot </proc/sys/kernel/random/boot_id
echo "root $(pwd -P)"
echo "now $(date +%s)"
echo "boot $boot"
echo "cpus $cpus"
echo "memory $((kilobytes / 1024))"
echo "host $host"
echo "arch $(uname -m)"
echo "pax $pax"
echo "machine $machine"
for file in $repaired; do echo "repaired $file"; done
[ -z "$warning" ] || echo "warning $warning"
