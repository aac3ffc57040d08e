#!/bin/sh
# Ends an attempt of a job, or sees to it that it never begins. Arguments: ROOT ID ATTEMPT GRACE.
# Prints `asked`: TERM is on its way to all of the job's processes, KILL comes after GRACE seconds to those still
# there, and `exit` is written when none is left; `over`: it has ended; `void`: it will not begin; `absent`.
umask 077
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if ! cd "jobs/$2/attempt-$3" 2>/dev/null; then
  echo absent
  exit
fi
if ! [ -e start ]; then
  # As in void.sh: whoever makes `start` has the attempt.
  rm -f ".void.$$"
  printf '%s\n' "0 0 void $(date +%s)" >".void.$$" && { ln ".void.$$" start 2>/dev/null || [ -e start ]; }
  status=$?
  rm -f ".void.$$"
  [ "$status" = 0 ] || exit 73
fi
# shellcheck disable=SC2094 # it was written by somebody
read -r start <start || start="0 0 unknown 0"
case $start in
*' void '*)
  [ -e exit ] || { printf '%s\n' "-1 0 canceled ${start##* }" >".void.$$" && mv -f ".void.$$" exit; } || exit 73
  echo void
  exit
  ;;
esac
if [ -e exit ] || [ -e over ]; then
  echo over
  exit
fi
again=
[ ! -e cancel ] || again=again
# The mark first: a job that is just beginning finds it.
true >cancel && read -r wrapper <.wrapper || exit 73
setsid=setsid
command -v setsid >/dev/null || setsid=
$setsid sh "$wrapper" end "$PWD" "$2" "$4" cancel $again </dev/null >/dev/null 2>&1 9<&- &
echo asked
