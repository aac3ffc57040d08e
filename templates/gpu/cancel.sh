#!/bin/sh
# Ends an attempt of a job, or sees to it that it never begins. Arguments: ROOT ID ATTEMPT GRACE HASH MACHINE [SUM], of
# which prepare.sh, sweep.sh and start.sh tell more.
# Prints `asked`: TERM is on its way to all of the job's processes, KILL comes after GRACE seconds to those still
# there, and `exit` is written when none is left; `over`: it has ended; `void`: it will not begin; `absent`;
# `elsewhere`: it is another machine's.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
umask 077
set_patience 30
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
root=$PWD id=$2 attempt=jobs/$2/attempt-$3 is_wrapper=
wrapper_text=$root/lib/run-$5.sh
is_wrapper_text "$wrapper_text" "${7-}" || exit 73
open_up "$attempt"
if [ -h "$attempt" ] || ! cd "$attempt" 2>/dev/null; then
  find_left
  if [ -z "$left" ]; then
    echo absent
    exit
  fi
  # Whether something of it lives is not known: try again.
  [ "$left" != ' -' ] || exit 73
  # Its directory is not where it was; how it ends is written down all the same.
  [ ! -h "$attempt" ] || rm -f "$attempt"
  mkdir -p "$attempt" && cd "$attempt" || exit 73
fi
if ! is_here "$6"; then
  echo elsewhere
  exit
fi
find_left
if [ -z "$left" ] && [ ! -e start ] && [ ! -h start ] && [ ! -e session ] && ! wrapper_is_alive; then
  # As in void.sh: whoever makes `start` has the attempt.
  rm -f ".void.$$"
  printf '%s\n' "0 0 void $(date +%s)" >".void.$$" && { ln ".void.$$" start 2>/dev/null || [ -e start ]; }
  status=$?
  rm -f ".void.$$"
  [ "$status" = 0 ] || exit 73
fi
if [ -z "$left" ]; then
  find_unsound start .start
  read_start ''
  case $start in
  *' void '*)
    [ -e exit ] || { printf '%s\n' "-1 0 canceled ${start##* }" >".void.$$" && mv -f ".void.$$" exit; } || exit 73
    echo void
    exit
    ;;
  esac
fi
if is_over; then
  echo over
  exit
fi
# Whether nothing of it lives and its records cannot be read, so that nobody will say how it ended.
is_damaged() {
  find_unsound start .start exit over
  for end in exit over; do
    read_exit "$end"
    case $? in 0) return 1 ;; 2) return 0 ;; esac
  done
  read_start ''
  # An empty one was lost when the server broke down.
  [ "$start_status" = 2 ] && { [ -s start ] || [ ! -f start ]; }
}
if [ -z "$left" ] && ! wrapper_is_alive; then
  find_left guarded
  if [ -z "$left" ] && is_damaged; then
    rm -rf exit ".void.$$"
    { printf '%s\n' "-1 0 canceled $(date +%s)" >".void.$$" && mv -f ".void.$$" exit; } || exit 73
  fi
  if [ -z "$left" ] && { [ -e exit ] || [ -e over ]; }; then
    echo over
    exit
  fi
fi
again=
[ ! -e cancel ] || again=again
# The mark first: a job that is just beginning finds it.
[ -e cancel ] || [ -h cancel ] || true >cancel || exit 73
setsid=setsid
command -v setsid >/dev/null || setsid=
$setsid sh "$wrapper_text" end "$PWD" "$2" "$4" cancel "$again" "$root/machines/$6" </dev/null >/dev/null 2>&1 9<&- &
echo asked
