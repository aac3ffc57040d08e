#!/bin/sh
# Starts an attempt of a job, once, however often it is asked to. Prints one line:
#   started PID TICKS BOOT EPOCH   the wrapper runs: its process, when that began in ticks of that boot, and the time
#   exists                         somebody has this attempt already; nothing was done
#   void                           it was given up before it began; nothing runs, and nothing will
#   removed                        the job was removed
#   owned HOST                     the job root belongs to another Weir, which runs on HOST; nothing was done
# If it cannot be, nothing is left of it: a sentence on standard error, and status 73.
#
# Arguments: ROOT HASH ID ATTEMPT SECRET LIMIT GRACE JUDGED JOINED MACHINE OWNER [SUM], MACHINE and OWNER as sweep.sh
# takes them; SUM is what cksum(1) says of the wrapper.
# Standard input: shell text that sets job, environment, preamble, epilogue, place, script, shown and input, then
# complete=1. As arguments these would be seen by everybody on the server, and be bounded by 128 KB. With SECRET=1
# `shown` is the script as it may stay on disk, without its secrets; `input` is what input.sh has unpacked for this very
# try, if anything.
unset WEIR_JOB_ID job environment preamble epilogue place script shown input complete
secret=$5 limit=$6 grace=$7 judged=$8 joined=$9 id=$3 attempt=$4 hash=$2
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
shift 9
machine=$1 owner=$2 sum=${3-}
root=$PWD
# A pipe can be opened by name, which saves a process; the socket that some sshd have there cannot.
# shellcheck disable=SC1091 # made by Weir
if [ -p /dev/stdin ]; then . /dev/stdin; else eval "$(cat)"; fi
# A connection that breaks must not leave half a script.
# shellcheck disable=SC2154 # set by standard input
if [ "$complete" != 1 ]; then
  echo "The job's texts came in part only." >&2
  exit 74
fi
if [ -e "removed/$id" ]; then
  echo removed
  exit
fi

# A start that was long under way must not come to a root that is another's by now.
find_unsound "owners/${machine#*@}"
read_record "owners/${machine#*@}"
# shellcheck disable=SC2086,SC2154 # words are wanted; records.sh
if [ -n "$owner" ] && ! owns $owner; then
  # shellcheck disable=SC2086 # words are wanted
  set -- $record
  echo "owned ${2:--}"
  exit
fi

umask 077
directory=$root/jobs/$id/attempt-$attempt
if ! reason=$(mkdir -p "$directory/work" 2>&1); then
  echo "The job's directory cannot be made in $root/jobs: ${reason##*: }." >&2
  exit 73
fi
# Whoever makes this file has the attempt: with `set -C`, > makes no file that is there (O_EXCL).
set -C
if [ -e "$directory/start" ] || ! true 2>/dev/null >"$directory/claimed"; then
  if [ -e "$directory/start" ] || [ -e "$directory/claimed" ]; then
    echo exists
    exit
  fi
  rm -rf "$directory"
  echo "The job's files cannot be made in $root/jobs." >&2
  exit 73
fi
set +C

# put FILE TEXT: no file for no text
put() { [ -z "$2" ] || printf '%s' "$2" >"$1"; }

# shellcheck disable=SC2154 # set by standard input
take_input() {
  [ -z "$input" ] || { rmdir work && mv "$root/inputs/$input/work" work && rmdir "$root/inputs/$input"; }
}

# shellcheck disable=SC2154 # set by standard input
write_files() {
  cd "$directory" && take_input && { [ -s ../job ] || put ../job "$job"; } &&
    put environment "$environment" && put preamble "$preamble" && put epilogue "$epilogue" && put place "$place" &&
    put machine "$machine" && true >stdout && true >stderr && true >trouble || return
  if [ "$secret" = 1 ]; then
    put script "$shown" && printf '%s' "$script" >.secret && exec 9<.secret && rm .secret
  else
    printf '%s' "$script" >script
  fi
}

failed() {
  reason=
  { read -r reason <"$directory/trouble"; } 2>/dev/null
  if [ -z "$reason" ]; then
    # Most often the disk is full, of which a file of this disk says nothing.
    reason=$({ head -c 4096 /dev/zero >"$root/machines/$machine/lib/probe.$$"; } 2>&1)
    rm -f "$root/machines/$machine/lib/probe.$$"
    reason=${reason##*: }
  fi
  [ -e "$directory/start" ] || rm -rf "$directory"
  set -- "$root/jobs/$id"/attempt-*
  [ -d "$1" ] || rm -rf "$root/jobs/$id"
  echo "The job could not be started in $root${reason:+: $reason}." >&2
  exit 73
}

write_files || failed
if ! is_wrapper_text "$root/lib/run-$hash.sh" "$sum"; then
  echo "lib/run-$hash.sh was changed by somebody" >trouble
  failed
fi
# What was exported under one of these names would be now, too, and reach the wrapper and all it starts.
unset job environment preamble epilogue place script shown input
# The wrapper's session outlives this one. Where there is no setsid(1), it is at least deaf to the end of this one.
setsid=setsid
command -v setsid >/dev/null || {
  setsid=
  trap '' HUP
}
# What keeps systemd from ending it with this login; see prepare.sh.
scope='' file=$root/machines/$machine/lib/scope
if [ -f "$file" ] && [ ! -h "$file" ]; then { read -r scope <"$file"; } 2>/dev/null; fi
[ -z "$scope" ] || scope='systemd-run --user --scope --quiet --collect'
[ -z "$scope" ] || export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
# In the foreground of a shell in between: & would make the wrapper, and with it the job, deaf to INT and QUIT. That
# shell is ended by the wrapper when all is well, which is nothing to tell of, and ends with it when not.
begin() {
  record=$(
    read -r self _ </proc/self/stat
    WEIR_GUARDS=$id $scope $setsid sh "$root/lib/run-$hash.sh" run "$directory" "$id" "$limit" "$grace" "$judged" \
      "$joined" "$secret" "$root/machines/$machine" "$self" </dev/null 2>trouble
    :
  )
} 2>/dev/null
begin
if [ -z "$record" ] && [ -n "$scope" ] && ! [ -e start ]; then
  # The manager is gone since. Better without it than not at all.
  scope=
  begin
fi
if [ -n "$record" ]; then
  echo "started $record"
elif read -r _ _ word _ 2>/dev/null <start && [ "$word" = void ]; then
  echo void
else
  failed
fi
