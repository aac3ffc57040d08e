#!/bin/sh
# Gives up an attempt of which nobody knows whether it began, so that it never will. Arguments: ROOT ID ATTEMPT MACHINE,
# as sweep.sh takes it. Prints `void`, or `started START` if the wrapper was first, or `removed` if the job was, or
# `busy` if something of it lives or may live, whatever its records say.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
umask 077
set_patience 30
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if [ -e "removed/$2" ]; then
  echo removed
  exit
fi
id=$2 is_wrapper=
open_up "jobs/$2/attempt-$3"
{ [ ! -h "jobs/$2/attempt-$3" ] && mkdir -p "jobs/$2/attempt-$3" && cd "jobs/$2/attempt-$3"; } || exit 73

busy() {
  echo busy
  exit
}

is_here "$4" || busy
if [ ! -e start ] && [ ! -h start ]; then
  # What has run, or is about to, was not purged of its records for nothing.
  find_left guarded
  if [ -n "$left" ] || [ -e session ] || wrapper_is_alive; then busy; fi
  # Whoever makes `start` has the attempt: a wrapper that finds this one runs nothing.
  now=$(date +%s)
  rm -f ".void.$$"
  printf '%s\n' "0 0 void $now" >".void.$$" && { ln ".void.$$" start 2>/dev/null || [ -e start ]; }
  status=$?
  rm -f ".void.$$"
  [ "$status" = 0 ] || exit 73
fi
find_unsound start .start
read_start '' || busy
case $start in
*' void '*)
  find_left guarded
  [ -z "$left" ] || busy
  [ -e exit ] || { printf '%s\n' "-1 0 canceled ${start##* }" >".void.$$" && mv -f ".void.$$" exit; } || exit 73
  echo void
  ;;
*) echo "started $start" ;;
esac
