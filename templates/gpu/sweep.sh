#!/bin/sh
# What became of many attempts of jobs, in one command and without a fork for each. Arguments: ROOT SMI ID/ATTEMPT...
# Prints `now EPOCH` and `boot BOOT`, then for each attempt a line `ID ATTEMPT STATE ...`, where START stands for the
# start record, PID TICKS BOOT EPOCH:
#   absent                  there is none
#   claimed                 it was taken, and has not begun yet
#   running START
#   suspended START
#   ended START EXIT        EXIT is CODE SIGNAL CAUSE EPOCH: code -1 if a signal ended it, cause exited, signaled,
#                           canceled or timelimit; nothing of the job is left
#   rebooted START          the server was started anew under it
#   orphaned START PID,PID  the wrapper was killed, processes of the job live; - while what ends it lives
#   vanished START          the wrapper was killed, nothing is left
# and with SMI=1 what nvidia-smi says, in sections `smi-gpus STATUS`, `smi-apps STATUS` and `smi-end`; status 124 is a
# nvidia-smi that does not answer, 125 a disk that did not take what it said. In the second, `user PID NAME` says whose
# the processes are, `job PID ID` of which job.
CDPATH='' cd && CDPATH='' cd -- "$1" || exit 73
root=$PWD smi=$2
shift 2
read -r boot </proc/sys/kernel/random/boot_id
echo "now $(date +%s)"
echo "boot $boot"

# $1 directory; into `start` and `end`: the records, empty if there are none.
read_records() {
  start='' end=''
  if [ -e "$1/exit" ]; then read -r end <"$1/exit"; fi
  if [ -e "$1/start" ]; then
    # A file that was made at once with its text and is empty has lost it when the server broke down.
    read -r start <"$1/start" || start="0 0 unknown 0"
  fi
} 2>/dev/null

# The wrapper that the words of the start record stand for.
is_alive() {
  stat=
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
  # shellcheck disable=SC2086 # words are wanted
  set -- "$2" ${stat##*') '}
  case $2 in [ZX]) return 1 ;; esac
  [ "$1" = "${21}" ]
}

# shellcheck disable=SC2086 # records are words
look() {
  if ! [ -d "$1" ]; then
    state=absent
    return
  fi
  read_records "$1"
  if [ -n "$start" ] && [ -z "$end" ] && is_alive $start; then
    state="running $start"
    [ ! -e "$1/suspended" ] || state="suspended $start"
    return
  fi
  # It may have ended between the two looks; and if that happened during its epilogue, how it did is known already.
  read_records "$1"
  if [ -z "$end" ] && [ -e "$1/over" ]; then read -r over <"$1/over"; else over=; fi
  case $start in
  '') state=claimed ;;
  *' void '*)
    state="ended $start ${end:--1 0 canceled ${start##* }}"
    ;;
  *" $boot "*)
    state="ended $start ${end:-$over}"
    if [ -z "$end" ]; then
      { read -r wrapper <"$1/.wrapper" && left=$(sh "$wrapper" left "$root/$1" "$2"); } || exit 73
      if [ -z "$left$over" ] && { read -r ender since <"$1/.ending"; } 2>/dev/null; then
        # Whoever ends it writes that down a moment later.
        if is_alive "$ender" "$since"; then left=-; else read_records "$1"; fi
      fi
      set -- $left
      if [ $# != 0 ]; then
        state="orphaned $start $(IFS=, && echo "$*")"
      elif [ -n "$end" ]; then
        state="ended $start $end"
      elif [ -z "$over" ]; then
        state="vanished $start"
      fi
    fi
    ;;
  *)
    state="rebooted $start"
    [ -z "${end:-$over}" ] || state="ended $start ${end:-$over}"
    ;;
  esac
}

for job do
  look "jobs/${job%/*}/attempt-${job##*/}" "${job%/*}"
  echo "${job%/*} ${job##*/} $state"
done
[ "$smi" = 1 ] || exit 0
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
  [ -e lib/smi.hung ] || return
  while read -r hung since; do
    if [ -n "$since" ] && is_alive "$hung" "$since"; then return; fi
  done <lib/smi.hung
  return 1
}

# begin NAME QUERY: into `query`, its process. Both run at once: where the driver is loaded for each call, one alone
# takes seconds. What it prints is bounded.
begin() {
  (
    ulimit -f 8192
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
