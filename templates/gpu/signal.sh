#!/bin/sh
# Sends a signal to all processes of a job, but not to its wrapper. Arguments: ROOT ID ATTEMPT SIGNAL MACHINE, the
# signal's name without SIG. STOP also marks the job as suspended, CONT takes the mark away. Prints `done COUNT`, `over`
# if the job has ended or `absent` if there is none.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
umask 077
set_patience 30
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
id=$2 is_wrapper=
open_up "jobs/$2/attempt-$3"
if [ -h "jobs/$2/attempt-$3" ] || ! cd "jobs/$2/attempt-$3" 2>/dev/null || ! is_here "$5"; then
  echo absent
  exit
fi
find_left
if [ -z "$left" ] && ! wrapper_is_alive; then
  if [ -e exit ] || [ -e over ]; then
    echo over
    exit
  elif [ ! -e start ]; then
    echo absent
    exit
  fi
elif is_over; then
  echo over
  exit
fi
# A moment after its start a wrapper lives without a process of its job.
tries=5
while [ -z "$left" ] && [ "$tries" != 0 ] && wrapper_is_alive && ! is_over; do
  nap
  tries=$((tries - 1))
  find_left
done
case $4 in
STOP) [ -e suspended ] || [ -h suspended ] || true >suspended || exit 73 ;;
CONT) rm -rf suspended ;;
esac
send "$4"
# shellcheck disable=SC2086 # words are wanted
set -- $left
echo "done $#"
