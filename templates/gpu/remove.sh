#!/bin/sh
# Removes a job with all it has left, if no attempt of it lives. Arguments: ROOT ID. Prints `removed` or `busy`.
# Its name stays taken for 30 days, so that a start that comes late is refused.
umask 077
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
root=$PWD
read -r this_boot </proc/sys/kernel/random/boot_id

# Whether something of the attempt in $1 may live, or be about to.
is_live() {
  [ ! -e "$1/exit" ] || return 1
  # It is being made. Who knows that it is not gives it up first, by void.sh.
  [ -e "$1/start" ] || return 0
  read -r pid ticks boot _ <"$1/start" || return 1
  [ "$boot" = "$this_boot" ] || return 1
  stat=
  { read -r stat <"/proc/$pid/stat"; } 2>/dev/null
  # shellcheck disable=SC2086 # words are wanted
  set -- "$1" "$ticks" ${stat##*') '}
  case ${3:-Z} in [ZX]) ;; *) [ "$2" != "${22}" ] || return 0 ;; esac
  # The wrapper is gone; is anything else there?
  { read -r wrapper <"$1/.wrapper" && left=$(sh "$wrapper" left "$root/$1" "$id"); } || exit 73
  [ -n "$left" ]
}

id=$2
case $id in '' | *[!0-9A-Z]*) exit 64 ;; esac
for attempt in "jobs/$id"/attempt-*; do
  [ -d "$attempt" ] || continue
  if is_live "$attempt"; then
    echo busy
    exit
  fi
done
# The tombstone first: what is half removed must not be started.
true >"removed/$id" && rm -rf "jobs/$id" "inputs/$id"-* || exit 73
find removed -type f -mtime +30 -exec rm -f {} +
echo removed
