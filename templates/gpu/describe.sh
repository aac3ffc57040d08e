#!/bin/sh
# What there is to say of an attempt, for people. Arguments: ROOT ID ATTEMPT.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if ! cd "jobs/$2/attempt-$3" 2>/dev/null; then
  echo "There is no attempt $3 of the job $2 in $PWD."
  exit
fi
echo "Directory: $PWD"

find_unsound start session place over exit trouble machine
# first TITLE FILE: its first line
first() {
  line=
  case $newline$unsound$newline in *"$newline$2$newline"*)
    echo "$1: damaged"
    return
    ;;
  esac
  [ ! -s "$2" ] || [ ! -r "$2" ] || read -r line <"$2"
  # The place of a job without GPUs is the word `gpus` alone.
  case $line in '' | gpus) ;; *) printf '%s\n' "$1: $line" ;; esac
}
first 'Started (process, ticks, boot, time)' start
first 'Session (process, ticks)' session
first 'Machine' machine
first 'Place' place
[ ! -e suspended ] || echo 'Suspended: yes'
[ ! -e cancel ] || echo 'Cancel asked for: yes'
[ ! -e timelimit ] || echo 'Past its time limit: yes'
first 'Ended, epilogue follows (code, signal, cause)' over
first 'Ended (code, signal, cause, time)' exit
first 'Trouble' trouble

size() {
  # BusyBox's wc -c reads the whole file; ls asks for its size.
  # shellcheck disable=SC2012 # stat(1) is not POSIX; the name is plain
  [ ! -f "$1" ] || ls -nd -- "$1" | while read -r _ _ _ _ bytes _; do printf '%s: %s bytes\n' "$1" "$bytes"; done
}
size stdout
size stderr
for stream in stderr stdout; do
  if [ -f "$stream" ] && [ -s "$stream" ]; then
    echo "The last lines of $stream:"
    tail -c 4096 "$stream" | tail -n 10
    echo
  fi
done
