#!/bin/sh
# Removes what a job has left on this machine, if no attempt of it lives. Arguments: ROOT ID MACHINE, as sweep.sh takes
# it. Prints `removed` or `busy`. Its name stays taken for 30 days, so that a start that comes late is refused.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
umask 077
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
    [ -d "$attempt" ] || continue
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
[ -n "$theirs" ] || ours="jobs/$id"
# What a job has closed even to itself.
remove() {
  # shellcheck disable=SC2086 # paths without blanks
  rm -rf $ours "inputs/$id"-* 2>/dev/null || { chmod -R u+rwx $ours && rm -rf $ours "inputs/$id"-*; }
}
# The tombstone first: what is half removed must not be started.
true >"removed/$id" && remove || exit 73
find removed -type f -mtime +30 -exec rm -f {} +
echo removed
