#!/bin/sh
# All jobs there are, to take them over. Argument: ROOT. Prints for each `job ID`, the text that Weir gave it with `= `
# before each line, and `attempt N` for its latest attempt, with `machine NAME` where it says of which machine it is,
# and the text on its place, `+ ` before each line. What became of them is for sweep.sh to say. What is no job is passed
# over, and so are what cannot be read of one, and a removed job of which only its own files are kept.
# shellcheck disable=SC2034,SC2154 # shared with records.sh
set_patience 30
CDPATH='' cd && CDPATH='' cd -- "$1" && cd jobs || exit 73
# Those texts are longer than records: 16 KB at most.
blocks=32

# quote MARK FILE
quote() {
  [ -f "$2" ] && [ ! -h "$2" ] && [ -r "$2" ] || return 0
  case $newline$unsound$newline in *"$newline$2$newline"*) return ;; esac
  { while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$1 $line"; done <"$2"; } 2>/dev/null
}

# Into `latest`: the number of the latest attempt of the job $1; 0 for none.
find_latest() {
  latest=0
  for attempt in "$1"/attempt-*; do
    [ -d "$attempt" ] || continue
    attempt=${attempt##*/attempt-}
    case $attempt in '' | 0* | *[!0-9]* | ??????????*) continue ;; esac
    [ "$attempt" -le "$latest" ] || latest=$attempt
  done
}

# The jobs $@.
show() {
  require_asker
  files=
  for id do
    find_latest "$id"
    files="$files $id/job $id/attempt-$latest/place $id/attempt-$latest/machine"
  done
  # shellcheck disable=SC2086 # paths without blanks
  find_unsound $files
  for id do
    echo "job $id"
    quote '=' "$id/job"
    find_latest "$id"
    if [ "$latest" != 0 ]; then
      echo "attempt $latest"
      if read_record "$id/attempt-$latest/machine"; then echo "machine $record"; fi
      quote '+' "$id/attempt-$latest/place"
    fi
  done
}

part='' count=0
for id in *; do
  case $id in *[!0-9A-Z]*) continue ;; ??????????????????????????) ;; *) continue ;; esac
  if [ -h "$id" ] || ! [ -d "$id" ] || ! [ -r "$id" ] || ! [ -x "$id" ]; then continue; fi
  [ ! -e "../removed/$id" ] || continue
  part="$part $id" count=$((count + 1))
  if [ "$count" = 500 ]; then
    # shellcheck disable=SC2086 # ids are words
    show $part
    part='' count=0
  fi
done
# shellcheck disable=SC2086 # ids are words
[ -z "$part" ] || show $part
