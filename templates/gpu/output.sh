#!/bin/sh
# The end of what a job has printed: the last LINES lines of the last BYTES bytes, nothing if there is none.
# Arguments: ROOT ID ATTEMPT STREAM BYTES LINES, STREAM being stdout or stderr.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
file=jobs/$2/attempt-$3/$4
[ -f "$file" ] || exit 0
tail -c "$5" "$file" | tail -n "$6"
