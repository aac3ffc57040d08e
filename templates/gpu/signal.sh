#!/bin/sh
# Sends a signal to all processes of a job, but not to its wrapper. Arguments: ROOT ID ATTEMPT SIGNAL, the signal's name
# without SIG. STOP also marks the job as suspended, CONT takes the mark away.
# Prints `done COUNT`, `over` if the job has ended or `absent` if there is none.
umask 077
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if ! cd "jobs/$2/attempt-$3" 2>/dev/null || ! [ -e start ]; then
  echo absent
  exit
fi
if [ -e exit ] || [ -e over ]; then
  echo over
  exit
fi
read -r wrapper <.wrapper || exit 73
case $4 in
STOP) true >suspended || exit 73 ;;
CONT) rm -f suspended ;;
esac
count=$(sh "$wrapper" signal "$PWD" "$2" "$4") || exit 73
echo "done $count"
