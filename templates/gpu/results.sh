#!/bin/sh
# Files of an attempt as a tar.gz. Arguments: ROOT ID ATTEMPT OUTPUT TEST..., the tests being find(1)'s, for paths
# below `work`. Prints `absent`, or `matched N` and then the archive: with OUTPUT=1 of `stdout` and `stderr` too. What
# is written to meanwhile is in it as long as it was, and what is gone meanwhile is not.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if ! cd "jobs/$2/attempt-$3" 2>/dev/null; then
  echo absent
  exit
fi
output=$4
shift 4
export LC_ALL=C
streams=
[ "$output" = 0 ] || streams='stdout stderr'
# The rest of the arguments is what is done with what matches.
matching() { find work '(' -type f -o -type l ')' '(' "$@" 2>/dev/null; }

count=$(($(matching "$@" ')' -print0 | tr -dc '\0' | wc -c)))
kind=$(tar --version 2>/dev/null)
case $kind in
*GNU*) kind=--ignore-failed-read ;;
*libarchive*) kind= ;;
*)
  # BusyBox's reads no list of names: they are its arguments, as many as there is room for.
  kind=few
  if [ "$(matching "$@" ')' -exec sh -c echo sh {} + | wc -l)" -gt 1 ]; then
    echo "The tar of this server cannot pack so many files at once." >&2
    exit 73
  fi
  ;;
esac
echo "matched $count"
# shellcheck disable=SC2016,SC2086 # for the shell in it; words are wanted
if [ "$count" = 0 ] && [ -z "$streams" ]; then
  # Not every tar makes an archive of nothing.
  head -c 1024 /dev/zero | gzip -c
elif [ "$count" = 0 ]; then
  tar -czf - $streams
elif [ "$kind" = few ]; then
  matching "$@" ')' -exec sh -c 'tar -czf - $0 "$@"' "$streams" {} +
else
  {
    [ -z "$streams" ] || printf 'stdout\0stderr\0'
    matching "$@" ')' -print0
  } | tar $kind --null -czf - -T -
fi
status=$?
# 1: something has changed while it was read.
[ "$status" -le 1 ] || exit 74
