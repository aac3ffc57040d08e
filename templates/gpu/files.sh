#!/bin/sh
# The files of an attempt. Arguments: ROOT ID ATTEMPT TEST..., as for results.sh. Prints `absent`, or `files`, and
# then for each `SIZE SECONDS PATH` and a NUL, the path being that below `work`.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
if ! cd "jobs/$2/attempt-$3" 2>/dev/null; then
  echo absent
  exit
fi
shift 3
export LC_ALL=C
echo files
if find work -prune -printf '' 2>/dev/null; then
  find work '(' -type f -o -type l ')' '(' "$@" ')' -printf '%s %T@ %P\0' 2>/dev/null
else
  # shellcheck disable=SC2016 # for the shell in it
  find work '(' -type f -o -type l ')' '(' "$@" ')' -exec sh -c '
    for file do
      line=$(stat -c "%s %Y" "$file") && printf "%s %s\0" "$line" "${file#work/}"
    done' sh {} + 2>/dev/null
fi
# What is gone meanwhile is no trouble.
exit 0
