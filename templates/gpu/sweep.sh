#!/bin/sh
# What became of many attempts of jobs, in one command and without a fork for each. Arguments: ROOT SMI [MACHINE OWNER
# STALE] ID/ATTEMPT... MACHINE is what prepare.sh calls this machine. OWNER is who asks, ID HOST PLACE COUNT: where the
# root is nobody's, ours, or was last said to be another's by the words STALE, it is said to be ours; empty to leave
# that.
#
# Prints `now EPOCH`, `boot BOOT` and `owner RECORD`, which is whose the root now is, or `-` if that is damaged, `none`
# if it cannot be written. Then for each attempt a line `ID ATTEMPT STATE ...`, where START stands for the start record,
# PID TICKS BOOT EPOCH, or 0 0 WORD 0 where only the rest is known:
#   absent                  there is none
#   claimed                 it was taken, and has not begun yet
#   running START
#   suspended START
#   ended START EXIT        EXIT is CODE SIGNAL CAUSE EPOCH: code -1 if a signal ended it, cause exited, signaled,
#                           canceled or timelimit; nothing of the job is left
#   rebooted START          the server was started anew under it
#   orphaned START PID,PID  the wrapper was killed, processes of the job live; - while what ends it lives
#   vanished START          the wrapper was killed, nothing is left
#   gone                    it has begun, nothing of it is left, and its records are gone
#   damaged WHAT PID,PID    WHAT of its records is not as it must be; these processes of it live, or -
#   elsewhere MACHINE       it is another machine's, of which nothing can be said here
# A job can write its own records. So it has ended only when neither its wrapper lives nor a process of it.
#
# and with SMI=1 what nvidia-smi says, in sections `smi-gpus STATUS`, `smi-apps STATUS` and `smi-end`; status 124 is a
# nvidia-smi that does not answer, 125 a disk that did not take what it said. In the second, `user PID NAME` says whose
# the processes are, `job PID ID` of which job.
set_patience 30
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
smi=$2 machine='' owner='' stale='' own=.
shift 2
case ${1-} in *@*)
  machine=$1 owner=$2 stale=$3 own=machines/$1
  shift 3
  ;;
esac
[ -d "$own/lib" ] || exit 73
umask 077
read -r boot </proc/sys/kernel/random/boot_id
echo "now $(date +%s)"
echo "boot $boot"

# Into `record`: whose the root is on this machine.
claim_root() {
  file=owners/${machine#*@}
  find_unsound "$file"
  read_record "$file"
  status=$?
  [ "$status" != 2 ] || record=-
  # shellcheck disable=SC2086 # words are wanted
  if [ "$status" = 1 ]; then
    { printf '%s\n' "$owner" >"$own/owner.$$" && ln "$own/owner.$$" "$file"; } 2>/dev/null
    rm -f "$own/owner.$$"
    read_record "$file" || record=none
  elif owns $owner || [ "$record" = "$stale" ]; then
    [ "$status" = 0 ] || rm -rf "$file"
    { printf '%s\n' "$owner" >"$own/owner.$$" && mv -f "$own/owner.$$" "$file" && record=$owner; } 2>/dev/null ||
      rm -f "$own/owner.$$"
  fi
}
record=unasked
[ -z "$owner" ] || claim_root
echo "owner $record"

# Into `files`: what may be read of the attempts $@.
list_records() {
  files=
  for job do
    place=jobs/${job%/*}/attempt-${job##*/}
    [ ! -d "jobs/${job%/*}" ] || open_up "$place"
    files="$files $place/start $place/.start $place/exit $place/over $place/.ending $place/session $place/machine"
  done
}

# $1 directory. Into `state`: what can be said of an attempt without looking for its processes; else it is empty, and
# `fault` says what is wrong with its directory.
look() {
  state='' fault='' start='' start_status=1
  if [ -h "${1%/*}" ] || [ -h "$1" ]; then
    fault='link'
  elif ! [ -d "$1" ]; then
    fault=absent
  elif ! { [ -r "$1" ] && [ -x "$1" ]; }; then
    fault=directory
  elif read_start "$1/" && [ -n "$wrapper" ]; then
    state="running $start"
    if [ -e "$1/suspended" ] && { ! read_record "$1/session" || is_stopped "${record%% *}"; }; then
      state="suspended $start"
    fi
  fi
}

# Whether the process $1 is stopped; one that cannot be looked at may be.
is_stopped() {
  stat_of "$1"
  case $stat in [Tt]* | '') ;; *) return 1 ;; esac
}

# Into `marks`: which process is of which job, and of which the wrapper, by what they found in their environment. Into
# `gone`: 1 if a process may live whose mark is not among them; see find_left.
# shellcheck disable=SC2034 # shared with records.sh
find_marks() {
  session='' left='' floor=0
  look_through search_marks read_marks
}

# Adds to `marks` those of `new`, which are all.
search_marks() {
  files=
  for process in $new; do files="$files $process/environ"; done
  # shellcheck disable=SC2086 # paths without blanks
  marks="$marks
$(LC_ALL=C grep -aoEs 'WEIR_(JOB_ID|GUARDS)=[0-9A-Z]{26}' $files /dev/null)"
  [ -z "$new" ] || find_gone
}

# Adds to `marks` those of `new`.
# shellcheck disable=SC2154 # shared with records.sh
read_marks() {
  for process in $new; do
    read_process "$process" || continue
    for name in WEIR_JOB_ID WEIR_GUARDS; do
      rest=${text#*"$name="}
      [ "$rest" = "$text" ] || marks="$marks
$process/environ:$name=${rest%"${rest#??????????????????????????}"}"
    done
  done
}

# Into `left`: the living processes of the job $1, whose directory is $2, with commas. The wrapper is among them where
# no start record says that it is gone.
find_processes() {
  id=$1 left=
  case $marks in *"=$1"*)
    for mark in $marks; do
      case $mark in
      *GUARDS="$1") [ "$start_status" != 0 ] || continue ;;
      *="$1") ;;
      *) continue ;;
      esac
      mark=${mark#/proc/}
      case $left, in *",${mark%%/*},"*) ;; *) left=$left,${mark%%/*} ;; esac
    done
    ;;
  esac
  find_beginning
  # shellcheck disable=SC2086,SC2154 # records are words; records.sh
  if read_record "$2/session" && is_alive $record && [ "${record##* }" -ge "$began" ] &&
    kill -s 0 "${record%% *}" 2>/dev/null && ! is_of_another "${record%% *}"; then
    case $left, in *",${record%% *},"*) ;; *) left=$left,${record%% *} ;; esac
  fi
  left=${left#,}
}

# $1 id, $2 directory, after `look`: what its processes say, then its records.
judge() {
  find_processes "$1" "$2"
  if [ -n "$left" ]; then
    case $start_status$start in
    *' void '*) state="damaged start $left" ;;
    0*) state="orphaned $start $left" ;;
    *) state="damaged $(damage "$fault") $left" ;;
    esac
    return
  fi
  if [ -n "$gone" ]; then
    # Something of it may live. What has begun nothing, as far as one sees, must not be begun a second time.
    case $start_status$start in
    *' void '* | 1*) state=claimed ;;
    0*) state="orphaned $start -" ;;
    *) state="damaged start -" ;;
    esac
    return
  fi
  case $fault in
  absent) state=absent ;;
  link) state=gone ;;
  directory) state="damaged directory -" ;;
  *) judge_records "$2" ;;
  esac
}

damage() {
  case $1 in
  '') echo start ;;
  absent | link) echo directory ;;
  *) echo "$1" ;;
  esac
}

is_empty() { [ -f "$1" ] && [ ! -h "$1" ] && [ -r "$1" ] && [ ! -s "$1" ]; }

# Whether `record`, PROCESS TICKS, names what ends the attempt in the directory $1: what a cancel has sent, or the timer
# of its time limit, a copy of the wrapper, once that is reached.
is_ender() {
  # shellcheck disable=SC2086 # records are words
  is_alive $record || return
  ! is_ours "${record%% *}" end "$1" || return 0
  is_ours "${record%% *}" run "$1" || return
  id=${1#jobs/} id=${id%%/*}
  words=$(tr '\0' ' ' <"/proc/${record%% *}/cmdline")
  words=${words##*"/$1 $id "}
  look_at_clock
  # shellcheck disable=SC2154 # set by records.sh
  [ "$((now - ${record##* }))" -ge "${words%%[!0-9]*}00" ]
} 2>/dev/null

# $1 directory of an attempt of which nothing lives.
judge_records() {
  if [ "$start_status" = 0 ] && read_record "$1/.ending" && is_ender "$1"; then
    # Whoever ends it writes that down a moment later.
    state="orphaned $start -"
    return
  fi
  # What has begun was not given up before, whoever says so now.
  case $start_status$start in 1 | *' void '*)
    # shellcheck disable=SC2086 # records are words
    if [ -e "$1/session" ] && read_record "$1/.start" && is_start $record; then start=$record start_status=0; fi
    ;;
  esac
  # A job can write any name there: what began in this boot is here.
  if ! { [ "$start_status" = 0 ] && is_of_this_boot "$start"; } && [ -n "$machine" ] && ! is_alone "$machine" &&
    read_record "$1/machine" && [ "$record" != "$machine" ]; then
    state="elsewhere $record"
    return
  fi
  read_exit "$1/exit"
  end_status=$? end=$record
  if [ "$end_status" = 1 ]; then
    # How a job ended is known before its epilogue, which the server may not have survived.
    read_exit "$1/over"
    end_status=$? end=$record
    [ "$end_status" != 2 ] || end=over
  elif [ "$end_status" = 2 ]; then
    end='exit'
  fi
  # A file that was made at once with its text and is empty has lost it when the server broke down.
  if [ "$start_status" = 2 ] && is_empty "$1/start"; then start_status=0 start="0 0 unknown 0"; fi
  case $start_status$end_status in
  *2)
    state="damaged $end -"
    [ "$start_status" != 2 ] || state="damaged start -"
    ;;
  00) state="ended $start $end" ;;
  10) state="ended 0 0 gone 0 $end" ;;
  20) state="ended 0 0 damaged 0 $end" ;;
  21) state="damaged start -" ;;
  11)
    state=claimed
    [ ! -e "$1/session" ] || state=gone
    ;;
  01)
    case $start in
    *' void '*) state="ended $start -1 0 canceled ${start##* }" ;;
    *" $boot "*) state="vanished $start" ;;
    *) state="rebooted $start" ;;
    esac
    ;;
  esac
}

# The attempts $@, none of which has a blank in it; into `later`: those that are to be judged.
look_at() {
  require_asker
  list_records "$@"
  # shellcheck disable=SC2086 # paths without blanks
  find_unsound $files
  for job do
    place=jobs/${job%/*}/attempt-${job##*/}
    look "$place"
    if [ -z "$state" ] && [ -n "$marks" ]; then judge "${job%/*}" "$place"; fi
    if [ -n "$state" ]; then echo "${job%/*} ${job##*/} $state"; else later="$later $job"; fi
  done
}

# As many at once as find(1) can be told of. What lives is seen at the first look; for the others all processes are
# looked through, once. They are marked before their records are read: what has ended in between has written that down.
in_parts() {
  part='' count=0
  for job do
    part="$part $job" count=$((count + 1))
    if [ "$count" = 500 ]; then
      # shellcheck disable=SC2086 # attempts are words
      look_at $part
      part='' count=0
    fi
  done
  # shellcheck disable=SC2086 # attempts are words
  [ -z "$part" ] || look_at $part
}

marks='' later='' gone=''
in_parts "$@"
if [ -n "$later" ]; then
  find_marks
  marks="$marks
none" asked=$later later=''
  # shellcheck disable=SC2086 # attempts are words
  in_parts $asked
fi
[ "$smi" = 1 ] || exit 0
# What is written from here on is of this machine alone.
cd "$own" || exit 73
if ! command -v nvidia-smi >/dev/null; then
  printf '%s\n' 'smi-gpus 127' 'smi-apps 127' smi-end
  exit
fi

# A driver that is broken makes nvidia-smi hang where not even KILL ends it. So it is waited for until a signal says
# that it takes too long, and one that hangs still is not joined by another. The space to note one that hangs is taken
# before, since the disk may be full then.
read -r self _ </proc/self/stat
trap 'late=1' USR1
late='' gpus=124 apps=124

is_hung() {
  if [ -h lib/smi.hung ] || ! [ -f lib/smi.hung ]; then return 1; fi
  while read -r hung since; do
    if [ -n "$since" ] && is_alive "$hung" "$since"; then return; fi
  done <lib/smi.hung
  return 1
}

# begin NAME QUERY: into `query`, its process. Both run at once: where the driver is loaded for each call, one alone
# takes seconds. What it prints is bounded.
begin() {
  (
    ulimit -f 1024
    exec nvidia-smi "$2" --format=csv,noheader,nounits
  ) </dev/null >"lib/smi.$1.$self" 2>&1 &
  query=$!
}

# end PROCESS NAME: into `status`. What cannot be written to the end was not written before either.
end() {
  status=124
  [ -z "$late" ] || return
  wait "$1"
  status=$?
  if [ -n "$late" ]; then
    status=124
  elif ! echo >>"lib/smi.$2.$self"; then
    status=125
  fi 2>/dev/null
}

# who PROCESS: its number and the tick of its start, if it lives
who() {
  stat=
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
  kill -s KILL "$1" 2>/dev/null
  # shellcheck disable=SC2086 # words are wanted
  set -- "$1" ${stat##*') '}
  echo "$1 ${21}"
}

ask() {
  begin gpus --query-gpu=index,uuid,pci.bus_id,name,memory.used,memory.total,temperature.gpu,utilization.gpu
  first=$query
  begin apps --query-compute-apps=gpu_uuid,pid,used_memory
  second=$query
  (
    # KILL, for between its fork and its exec a sleep forgets what else it gets.
    trap 'kill -s KILL "$!" 2>/dev/null; exit' TERM
    sleep 20 &
    wait "$!"
    kill -s USR1 "$self"
  ) >/dev/null 2>&1 &
  timer=$!
  end "$first" gpus
  gpus=$status
  end "$second" apps
  apps=$status
  if [ -n "$late" ]; then
    printf '%-63s\n' "$(who "$first")" "$(who "$second")" 1<>lib/smi.hung
  else
    kill "$timer" 2>/dev/null
  fi
}

# say NAME STATUS: without the carriage returns that some print
return=$(printf '\r')
say() {
  echo "smi-$1 $2"
  [ "$2" -lt 124 ] || [ "$2" -gt 125 ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    [ -z "$line" ] || printf '%s\n' "${line%"$return"}"
  done <"lib/smi.$1.$self"
}

if is_hung; then
  :
elif { printf '%-63s\n' '' '' 1<>lib/smi.hung; } 2>/dev/null; then
  ask 2>/dev/null
else
  gpus=125 apps=125
fi
say gpus "$gpus"
say apps "$apps"
if [ "$apps" -lt 124 ]; then
  set --
  while IFS=', ' read -r uuid pid _; do
    case $uuid$pid in GPU-*[!0-9]) ;; GPU-* | MIG-*) [ ! -d "/proc/$pid" ] || set -- "$@" "/proc/$pid" ;; esac
  done <"lib/smi.apps.$self"
  if [ $# -gt 0 ]; then
    # shellcheck disable=SC2012 # stat(1) is not POSIX; these names are plain
    ls -ld -- "$@" 2>/dev/null | while read -r _ _ user line; do echo "user ${line##*/proc/} $user"; done
    for process do
      grep -aoE 'WEIR_JOB_ID=[0-9A-Z]{26}' "$process/environ" 2>/dev/null | while IFS='=' read -r _ id; do
        echo "job ${process#/proc/} $id"
        break
      done
    done
  fi
fi
echo smi-end
rm -f "lib/smi.gpus.$self" "lib/smi.apps.$self"
