#!/bin/sh
# Removes what a job has left on this machine, if no attempt of it lives. Arguments: ROOT ID MACHINE [work], MACHINE as
# sweep.sh takes it. Prints `removed` or `busy`. With `work` the job's own files stay: those in `work`, with the records
# of the attempt; what it has printed and what Weir wrote for it goes. Its name stays taken as long as there is
# something of it and for 30 days, so that a start that comes late is refused.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
umask 077
set_patience 300
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
root=$PWD id=$2 machine=$3 is_wrapper=
case $id in '' | *[!0-9A-Z]*) exit 64 ;; esac

# Whether something of the attempt in the current directory may live, or be about to.
is_live() {
  find_left guarded
  if [ -n "$left" ] || wrapper_is_alive; then return; fi
  # It is being made. Who knows that it is not gives it up first, by void.sh; its records may be gone, too.
  [ ! -e start ] && [ ! -e exit ] && [ ! -e session ] && [ -z "$(find . -prune -mtime +0)" ]
}

# Of the attempts those of other machines stay, and the job's own text with them.
ours='' theirs=''
if [ ! -h "jobs/$id" ]; then
  for attempt in "jobs/$id"/attempt-*; do
    # Other names are none of Weir's.
    case ${attempt##*/attempt-} in *[!0-9]*) continue ;; esac
    [ -d "$attempt" ] || [ -h "$attempt" ] || continue
    open_up "$attempt"
    if [ ! -h "$attempt" ] && cd "$attempt" 2>/dev/null; then
      if ! is_here "$machine"; then
        theirs=1
        attempt=
      elif is_live; then
        echo busy
        exit
      fi
      cd "$root" || exit 73
    fi
    [ -z "$attempt" ] || ours="$ours $attempt"
  done
fi
# What a job has closed even to itself goes too.
remove() {
  rm -rf -- "$@" 2>/dev/null && return
  chmod -R u+rwx -- "$@" 2>/dev/null
  rm -rf -- "$@"
}

# Leaves of the attempt $1 the job's own files and its records; nothing if it has no such files.
strip() {
  [ -h "$1" ] || chmod u+rwx "$1" 2>/dev/null
  if [ -h "$1" ] || rmdir "$1/work" 2>/dev/null || [ ! -e "$1/work" ]; then
    remove "$1"
  else
    (cd "$1" && remove stdout stderr script environment preamble epilogue trouble)
  fi
}

# The tombstone first: what is half removed must not be started.
true >"removed/$id" || exit 73
kept=$theirs
for attempt in $ours; do
  if [ "$4" = work ]; then strip "$attempt"; else remove "$attempt"; fi || exit 73
  [ ! -d "$attempt" ] || kept=1
done
[ -n "$kept" ] || remove "jobs/$id" || exit 73
remove "inputs/$id"-* || exit 73
find removed -type f -mtime +30 | while IFS= read -r old; do
  [ -e "jobs/${old##*/}" ] || rm -f "$old"
done
echo removed
