#!/bin/sh
# Removes a job with all it has left, if no attempt of it lives. Arguments: ROOT ID [work]. Prints `removed` or `busy`.
# With `work` the job's own files stay: those in `work`, with the records of the attempt; what it has printed and what
# Weir wrote for it goes. Its name stays taken as long as there is something of it and for 30 days, so that a start that
# comes late is refused.
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
true >"removed/$id" || exit 73
if [ "$3" = work ]; then
  for attempt in "jobs/$id"/attempt-*; do
    [ -d "$attempt" ] || continue
    # Of an attempt without files nothing is kept.
    if rmdir "$attempt/work" 2>/dev/null || [ ! -e "$attempt/work" ]; then
      rm -rf "$attempt" || exit 73
    else
      (cd "$attempt" && rm -f stdout stderr script environment preamble epilogue trouble) || exit 73
    fi
  done
  set -- "jobs/$id"/attempt-*
  [ -d "$1" ] || rm -rf "jobs/$id" || exit 73
else
  rm -rf "jobs/$id" || exit 73
fi
rm -rf "inputs/$id"-* || exit 73
find removed -type f -mtime +30 | while IFS= read -r old; do
  [ -e "jobs/${old##*/}" ] || rm -f "$old"
done
echo removed
