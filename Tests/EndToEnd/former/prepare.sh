#!/bin/sh
# Makes the job root of a server ready, and says what there is. Arguments: ROOT, absolute or below the home directory,
# and HASH of the wrapper; standard input: the wrapper, run.sh.
mask=$(umask)
umask 077
die() {
  echo "$*" >&2
  exit 73
}
CDPATH='' cd || die "The account has no home directory."
{ mkdir -p -- "$1" && CDPATH='' cd -- "$1" && mkdir -p lib jobs removed inputs; } ||
  die "The job root $1 cannot be made on this server."
# Others may have been able to look in until now, where the directory was not made here.
chmod 700 . lib jobs removed inputs || die "The job root $1 on this server belongs to another account."
if [ -s "lib/run-$2.sh" ]; then
  cat >/dev/null
elif ! { cat >"lib/run.$$" && mv -f "lib/run.$$" "lib/run-$2.sh"; }; then
  rm -f "lib/run.$$"
  die "Nothing can be written to the job root $1 on this server."
fi

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
put() { printf '%s\n' "$2" >"$1.$$" && mv -f "$1.$$" "$1"; }
{ put lib/umask "$mask" && put lib/awk "$tells"; } || die "Nothing can be written to the job root $1 on this server."

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
echo "host $(uname -n)"
echo "arch $(uname -m)"
echo "pax $pax"
