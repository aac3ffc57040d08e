#!/bin/sh
# Gives up an attempt of which nobody knows whether it began, so that it never will. Arguments: ROOT ID ATTEMPT.
# Prints `void`, or `started START` if the wrapper was first, or `removed` if the job was.
umask 077
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if [ -e "removed/$2" ]; then
  echo removed
  exit
fi
mkdir -p "jobs/$2/attempt-$3" && cd "jobs/$2/attempt-$3" || exit 73
if ! [ -e start ]; then
  # Whoever makes `start` has the attempt: a wrapper that finds this one runs nothing.
  now=$(date +%s)
  rm -f ".void.$$"
  printf '%s\n' "0 0 void $now" >".void.$$" && { ln ".void.$$" start 2>/dev/null || [ -e start ]; }
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
  ;;
*) echo "started $start" ;;
esac
