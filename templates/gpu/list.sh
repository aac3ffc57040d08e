#!/bin/sh
# All jobs there are, to take them over. Argument: ROOT. Prints for each `job ID`, the text that Weir gave it with `= `
# before each line, and `attempt N` for its latest attempt, with the text on its place, `+ ` before each line.
# What became of them is for sweep.sh to say. Of a removed job whose own files are kept nothing is to be taken over.
CDPATH='' cd && CDPATH='' cd -- "$1" && cd jobs || exit 73

# quote MARK FILE
quote() {
  [ ! -e "$2" ] || while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$1 $line"; done <"$2"
}

for id in *; do
  if ! [ -d "$id" ] || [ -e "../removed/$id" ]; then continue; fi
  echo "job $id"
  quote '=' "$id/job"
  latest=0
  for attempt in "$id"/attempt-*; do
    attempt=${attempt##*-}
    case $attempt in *[!0-9]*) continue ;; esac
    [ "$attempt" -le "$latest" ] || latest=$attempt
  done
  if [ "$latest" != 0 ]; then
    echo "attempt $latest"
    quote '+' "$id/attempt-$latest/place"
  fi
done
