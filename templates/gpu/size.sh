#!/bin/sh
# The size of what a job has printed, in bytes; nothing if there is no such file. Arguments: ROOT ID ATTEMPT STREAM,
# STREAM being stdout or stderr.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
file=jobs/$2/attempt-$3/$4
[ -f "$file" ] && [ ! -L "$file" ] || exit 0
# BusyBox's wc -c reads the whole file; ls asks for its size.
# shellcheck disable=SC2012 # stat(1) is not POSIX; the name is plain
ls -nd -- "$file" | while read -r _ _ _ _ size _; do echo "$size"; done
