#!/bin/sh
# The wrapper of a job on a server: runs it, sees it end with all that it started, and writes down how. It needs nobody
# after its start; what others want to know of it or do to it goes through the files of the attempt's directory.
#
#   sh run-HASH.sh run DIR ID LIMIT GRACE JUDGED JOINED SECRET SUPPORT GOBETWEEN   the wrapper, begun by start.sh
#   sh run-HASH.sh job|epilogue                    inside the job's session: becomes the script
#   sh run-HASH.sh end DIR ID GRACE CAUSE AGAIN SUPPORT
#                                                  ends the job: TERM, KILL after GRACE seconds, until nothing is left
#
# SUPPORT is the directory of what belongs to this machine alone, since several may share the job root. records.sh
# stands before this script.
#
# There are two sessions: the wrapper's, with its timer, and the job's. So `kill 0` in a script does not hit the
# wrapper, and what belongs to the job is told by the kernel. What has left the session is found by WEIR_JOB_ID in its
# environment.
# shellcheck disable=SC2154 # set by records.sh

# Where sh is bash: functions that login files export stay in the environment for the job, and replace no command here.
case ${BASH_VERSION+x}$- in x*p*) ;; x*) exec sh -p "$0" "$@" ;; esac

is_file() { [ -f "$1" ] && [ ! -h "$1" ]; }

# What else may stand there would take a record into itself, or to another place.
make_way() {
  for file do
    if [ -h "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then rm -rf "$file"; fi
  done
}

# $1 code, $2 signal, $3 cause, $4 the time if that is known. The space for it was taken at the start, so that a full
# disk cannot hide how a job ended. A wrapper whose start record is damaged and what ends its job may both write: of
# these, one finds its file moved away by the other.
write_exit() {
  pause=nap
  until
    chmod u+rwx "${dir%/*}" "$dir"
    make_way exit .exit
    printf '%-63s\n' "$1 $2 $3 ${4:-$(date +%s)}" 1<>.exit && mv -f .exit exit
  do
    [ -d "$dir" ] || exit 1
    [ -n "$is_wrapper" ] || ! read_exit exit || return 0
    $pause
    pause='sleep 5'
  done 2>/dev/null
}

# An end that is told by whoever listens, so that nobody has to ask for it. While the wrapper lives nobody believes what
# is written, so that its end is waited for.
tell() {
  [ -p "$support/ends" ] || return 0
  # A FIFO that is opened for both never blocks, and while it is, opening it for writing does not either. Once that one
  # alone is left, a write without a reader fails, and one that waits for a slow reader ends with the reader.
  # shellcheck disable=SC2094 # that is the point
  (
    turns=0
    while [ -n "$is_wrapper" ] && [ "$turns" -lt 1000 ] && is_alive "$$" "$own_ticks"; do
      turns=$((turns + 1))
      [ "$turns" -lt 900 ] || nap
    done
    exec 4<>"$support/ends" 5>"$support/ends" 4>&- && printf '%s %s\n' "$id" "${dir##*/attempt-}" >&5
  ) 2>/dev/null &
}

begin_look() {
  look_at_clock
  looked=$now
}

# Rests after a look for as long as that took, since begin_look or the last rest, so that it costs half a core at most
# however many processes there are, and whatever else the machine does; not for long where the machine was suspended.
rest() {
  look_at_clock
  awake=$((now + now - looked))
  [ "$awake" -le "$((now + 3000))" ] || awake=$((now + 3000))
  nap
  while
    look_at_clock
    [ "$now" -lt "$awake" ]
  do nap; done
  looked=$now
}

# Says who sees to the end of a job that has lost its wrapper: until it is written down, the job is not just gone.
note_ending() {
  read -r self _ </proc/self/stat
  stat_of "$self"
  # shellcheck disable=SC2086 # words are wanted
  set -- "$self" $stat
  make_way .ending
  echo "$1 ${21}" >".ending.$1" && mv -f ".ending.$1" .ending
}

# For how many seconds after the grace an ender, the process that a cancel has sent, goes on beside younger ones. As
# long as the job lives a Weir that runs sends cancel.sh again.
ender_time=60

# Whether an ender of this attempt is at work that began later than this one. What is cheap is asked first, and of a
# command line only the beginning is read: any process of the account may look like an ender.
has_younger_ender() {
  words="
$0
end
$dir
$id
"
  stat_of "$$"
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  set -- "${20}"
  for process in /proc/[0-9]*; do
    # shellcheck disable=SC3067 # there is no sh without it
    [ -O "$process" ] || continue
    process=${process#/proc/}
    stat_of "$process"
    # shellcheck disable=SC2086 # words are wanted
    set -- "$1" $stat
    case ${2:-Z} in [ZX]) continue ;; esac
    # What an ender starts looks like it until it has become another program, and leads no session.
    [ "$5" = "$process" ] || ! command -v setsid >/dev/null || continue
    [ "${21}" -gt "$1" ] || { [ "${21}" = "$1" ] && [ "$process" -gt "$$" ]; } || continue
    case $(dd if="/proc/$process/cmdline" bs=4096 count=1 | tr '\000' '\n') in
    *"$words"*) ;;
    *) continue ;;
    esac
    # One of the job's own is none.
    LC_ALL=C grep -qs "WEIR_JOB_ID=$id" "/proc/$process/environ" || return 0
  done 2>/dev/null
  return 1
}

# Ends the job from outside the wrapper, which goes on to see it gone and to write it down. $1 grace, $2 cause: cancel
# or timelimit. $3: the job has had its TERM, which may mean something else to it the second time.
end() {
  word=$2
  [ "$word" != cancel ] || word=canceled
  [ -e "$2" ] || [ -h "$2" ] || true >"$2"
  find_left
  is_over && return
  # Without a wrapper and without processes there is nothing to end, and nothing is known of the end there was.
  [ -n "$left" ] || wrapper_is_alive || return
  note_ending
  [ -n "$3" ] || send TERM
  rm -rf suspended
  send CONT
  set_deadline "$1"
  begin_look
  until is_over || ! is_in_time; do
    # Without the wrapper nobody else sees the job's end.
    wrapper_is_alive || { find_left && [ -n "$left" ]; } || break
    rest
  done
  tries=5
  until is_over; do
    # Whether it is over is asked after looking: what was found before is the job's, and never its epilogue's.
    find_left
    is_over && return
    if [ -n "$left" ]; then
      send KILL
    elif ! wrapper_is_alive; then
      find_unsound exit over
      # The wrapper may have been faster.
      read_exit exit || read_exit over || write_exit -1 0 "$word"
      tell
      return
    fi
    # What forks and ends at once is found by chance: at once again, for a while.
    if [ "$tries" != 0 ]; then
      tries=$((tries - 1))
    else
      tries=5
      rest
      # The timer of the time limit comes once, and so goes on.
      if [ "$2" != timelimit ] && [ "$now" -ge "$((deadline + ender_time * 100))" ]; then
        ! has_younger_ender || return 0
        sleep 5
        begin_look
      fi
    fi
  done
}

# Runs `job` or `epilogue` to the end of its first process, in a session of its own. Into `code` and `signal`: how that
# ended; code -1 if by a signal. Into `young`: 1 if all that descends from the wrapper certainly has a higher number
# than it. Numbers ascend, past those in use, until they begin anew at the largest there is: that cannot have come to
# pass while so few processes and threads have begun meanwhile, of all that runs here.
run_part() {
  export WEIR_PART="$1" WEIR_WRAPPER="$$"
  awk=
  if is_file "$support/lib/awk"; then { read -r awk <"$support/lib/awk"; } 2>/dev/null; fi
  # A job can write to it.
  case $awk in mawk | awk) ;; *) awk= ;; esac
  if [ -n "$awk" ]; then
    # A shell says 137 for `exit 137` and for a KILL alike. The system() of this server's awk tells them apart: see
    # prepare.sh. The command is in the foreground, for & would make the job deaf to INT and QUIT.
    # shellcheck disable=SC2016 # for the shell of system()
    result=$("$awk" 'function begun(line, count) {
      while ((getline line <"/proc/stat") > 0) if (line ~ /^processes /) count = substr(line, 11) + 0
      close("/proc/stat")
      return count + 0
    }
    function first(file, line) {
      if ((getline line <file) < 1) line = ""
      close(file)
      return line
    }
    BEGIN {
      before = begun()
      result = system("exec $WEIR_SETSID sh \"$WEIR_RUN\" \"$WEIR_PART\"")
      forks = begun() - before
      split(first("/proc/loadavg"), tasks, /[ \/]/)
      young = before > 0 && forks >= 0 && tasks[5] > 0 && \
        ENVIRON["WEIR_WRAPPER"] + 2 * (forks + tasks[5]) < first("/proc/sys/kernel/pid_max") + 0
      if (result > 0 && result < 1) result = 256 + result * 256 % 128
      srand()
      # What srand() was given last is the time of day.
      print (result < 256 ? result " 0" : "-1 " result % 256), srand(), young
    }')
    status=$?
    # Somebody has ended awk, and means the job: how that ends, nobody sees any more.
    [ -n "$result" ] || [ "$status" -le 128 ] || result="-1 $((status - 128))"
    result=${result:-$status 0}
    # shellcheck disable=SC2086 # words are wanted
    set -- $result
    code=$1 signal=$2 ended=$3 young=$4
  else
    # A shell that sees its command die of a signal says so, except for INT and PIPE, of which it says nothing.
    { $WEIR_SETSID sh "$WEIR_RUN" "$1"; } 2>.note
    code=$? signal=0 ended='' young=
    if [ "$code" -gt 128 ] && { [ -s .note ] || [ "$code" = 130 ] || [ "$code" = 141 ]; }; then
      signal=$((code - 128)) code=-1
    fi
    rm -f .note
  fi
}

# Sees to it that nothing is left of what has just ended: TERM, KILL after $1 seconds. A job that is being canceled, or
# is past its time limit, has had its TERM. Into `waited`: whether something was left.
finish() {
  waited=
  begin_look
  if [ "$young" = 1 ]; then find_left young; else find_left; fi
  if [ -n "$is_site" ] || ! { [ -e cancel ] || [ -e timelimit ]; }; then
    send TERM
    send CONT
  fi
  set_deadline "$1"
  while [ -n "$left" ]; do
    waited=1
    is_in_time || kill_found
    rest
    find_left
  done
}

# Sends KILL to what was found, and at once to what has come since, for a while.
kill_found() {
  tries=5
  while [ -n "$left" ] && [ "$tries" != 0 ]; do
    send KILL
    tries=$((tries - 1))
    find_left
  done
}

kill_left() {
  begin_look
  while find_left && [ -n "$left" ]; do
    kill_found
    rest
  done
}

# After $1 seconds runs the rest of its arguments, unless it is ended before, by end_timer; $2: the descriptor by which
# that is told from what others send it. It outlives the wrapper if it must.
set_timer() {
  (
    # KILL, for between its fork and its exec a sleep forgets what else it gets.
    trap 'kill -s KILL "$!" 2>/dev/null; [ ! -e "/proc/$$/fd/$2" ] || exit' TERM
    trap : HUP INT QUIT PIPE USR1 USR2
    set_deadline "$1"
    while is_in_time; do
      rest=$(((deadline - now) / 100))
      if [ "$rest" = 0 ]; then
        nap
        continue
      fi
      # One that is longer would not notice for how long the machine has slept.
      [ "$rest" -le 60 ] || rest=60
      sleep "$rest" &
      wait "$!"
    done
    trap : TERM
    shift 2
    is_wrapper=
    "$@"
  ) 9<&- &
  timer=$!
}

# $1: the descriptor, 7 or 8. It stays open, for the timer may look at it late.
end_timer() {
  if [ "$1" = 7 ]; then exec 7</dev/null; else exec 8</dev/null; fi
  kill "$timer" 2>/dev/null
}

# Whether the job's output can be read and written to: a FIFO in its place would hold the wrapper.
has_output() { is_file stdout; }

# Whether the output says that all went well. "/bin/echo JARVICE_CMD_SUCCESS" is the command as `set -x` shows it, not
# the verdict. Lines may be as long as the disk is large, and tools that read lines would hold them in memory: so they
# are folded, and in another place the second time, in case the word was just there. (BusyBox folds nothing so wide.)
# Of what is larger than twice $some bytes only the first and the last so many count: a job can make it as large as it
# likes at once.
some=8388608
is_success() {
  has_output || return 1
  # As it mostly is: a line of its own among the last.
  word=JARVICE_CMD_SUCCESS
  case $(tail -c 4096 stdout 2>/dev/null) in
  "$word" | *"$newline$word" | *"$newline$word$newline"*) return ;;
  esac
  for width in 65536 65504; do
    {
      head -c "$some" stdout
      echo
      tail -c "$some" stdout
    } 2>/dev/null | { LC_ALL=C fold -b -w "$width" 2>/dev/null || cat; } | LC_ALL=C grep -a JARVICE_CMD_SUCCESS |
      LC_ALL=C sed -e '/GoTTY is starting with command/d' -e 's#/bin/echo JARVICE_CMD_SUCCESS##g' |
      LC_ALL=C grep -a -c JARVICE_CMD_SUCCESS >/dev/null && return
  done
  return 1
}

# Takes the attempt, unless somebody else has it. The arguments are those of `run`.
begin() {
  dir=$2 id=$3 limit=$4 grace=$5 judged=$6 joined=$7 secret=$8 support=$9
  shift 9
  gobetween=$1 is_wrapper=1
  cd "$dir" || exit
  # What ends others by mistake does not end this one, nor does a starter that no longer listens. Traps that do
  # something are no concern of what it starts.
  trap : HUP INT QUIT PIPE TERM
  stat_of "$$"
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  own_ticks=${20}
  read -r boot </proc/sys/kernel/random/boot_id
  record="$$ $own_ticks $boot $(date +%s)"
  printf '%s\n' "$0" >.wrapper && printf '%-63s\n' '' >.exit && printf '%s\n' "$record" >.start || exit
  # Whoever makes `start` has the attempt: if that was void.sh or cancel.sh, nothing is run.
  ln .start start 2>/dev/null || exit
  echo "$record"
  exec >/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
  # What started this waits for it, since & would have made the job deaf to INT and QUIT. It need not wait any longer.
  # Shells say nothing of what PIPE has ended; it is ended all the same where that is ignored.
  if [ "$PPID" = "$gobetween" ]; then
    kill -s PIPE "$PPID"
    kill -s KILL "$PPID" 2>/dev/null
  fi
}

# Runs the job until nothing of it is left, within its time limit. Into `code`, `signal` and `ended`: how that went.
run_job() {
  export WEIR_RUN="$0" WEIR_ROOT="$support" WEIR_ID="$id" WEIR_SCRIPT="$dir/script" WEIR_JOINED='' WEIR_SETSID=''
  [ "$secret" = 0 ] || WEIR_SCRIPT=/proc/self/fd/9
  [ "$joined" = 0 ] || WEIR_JOINED=1
  if command -v setsid >/dev/null; then WEIR_SETSID=setsid; fi

  timer='' is_site=''
  [ ! -s epilogue ] || own_text=$(cat "$0")
  [ "$limit" = 0 ] || set_timer "$limit" 7 end "$grace" timelimit
  run_part job
  open_up "$dir"
  # Once it is ending the job it goes on until nothing is left.
  [ -z "$timer" ] || [ -e timelimit ] || end_timer 7
  exec 9<&-
  finish "$grace"
  open_up "$dir"
  # Nobody ends the job any more: see is_over.
  exec 6</dev/null
  # A job ends when the last of it does.
  [ -z "$waited" ] || ended=
}

# Into `cause`, and where it is judged into `code`: what the end of the job is called.
judge() {
  cause=exited
  [ "$code" != -1 ] || cause=signaled
  [ ! -e timelimit ] || cause=timelimit
  [ ! -e cancel ] || cause=canceled
  if [ "$judged" = 1 ] && [ "$cause" = exited ]; then
    code=1 verdict="JARVICE Job failed, investigate logs"
    if is_success; then code=0 verdict="JARVICE Job completed OK"; fi
    if has_output; then echo "$verdict" >>stdout; fi
  fi
}

# Writes this file again where a job has written to it: the epilogue is begun by it.
repair() {
  make_way "$0"
  printf '%s\n' "$own_text" | cmp -s - "$0" && return
  new=$support/lib/new.$$
  { printf '%s\n' "$own_text" >"$new" && mv -f "$new" "$0"; } 2>/dev/null || rm -f "$new"
}

# Runs the site's epilogue, which changes nothing of how the job ended.
run_epilogue() {
  is_site=1 ended=${ended:-$(date +%s)}
  make_way over
  echo "$code $signal $cause $ended" >over
  export WEIR_EXIT_CODE="$code" WEIR_EXIT_SIGNAL="$signal" WEIR_EXIT_CAUSE="$cause"
  how="$code $signal $cause $ended"
  repair
  set_timer 60 8 kill_left
  run_part epilogue
  end_timer 8
  finish 5
  # shellcheck disable=SC2086 # words are wanted
  set -- $how
  code=$1 signal=$2 cause=$3 ended=$4
}

case $1 in
job | epilogue)
  # What is sourced here may set any variable, so those still needed have names that it will not use.
  weir_part=$1 weir_id=$WEIR_ID weir_script=$WEIR_SCRIPT
  if [ -n "$WEIR_JOINED" ]; then exec </dev/null >>stdout 2>&1; else exec </dev/null >>stdout 2>>stderr; fi
  is_file "$WEIR_ROOT/lib/umask" && { read -r weir_mask <"$WEIR_ROOT/lib/umask"; } 2>/dev/null
  case ${weir_mask-} in '' | *[!0-7]*) ;; *) umask "$weir_mask" ;; esac
  unset WEIR_WRAPPER WEIR_RUN WEIR_PART WEIR_ROOT WEIR_ID WEIR_SCRIPT WEIR_SETSID WEIR_JOINED WEIR_GUARDS
  stat_of "$$"
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  # Without setsid(1) the session is somebody else's.
  make_way session
  if [ "$4" = "$$" ]; then echo "$$ ${20}" >session; else echo "0 0" >session; fi
  # A cancel looks for processes after it has made its mark: it either finds this one, or is found here.
  [ "$weir_part" = epilogue ] || ! [ -e cancel ] || kill -s KILL "$$"
  set --
  JOB_SUBMIT_DIR=$PWD/work
  export JOB_SUBMIT_DIR WEIR_JOB_ID="$weir_id"
  cd work || exit 126
  # shellcheck disable=SC1091 # made by Weir
  if [ -s ../environment ]; then . ../environment; fi
  export WEIR_JOB_ID="$weir_id"
  if [ "$weir_part" = epilogue ]; then
    # shellcheck disable=SC1091 # the site's
    . ../epilogue
    exit
  fi
  # shellcheck disable=SC1091 # the site's
  if [ -s ../preamble ]; then . ../preamble; fi
  export WEIR_JOB_ID="$weir_id"
  IFS= read -r weir_line <"$weir_script"
  case $weir_line in
  '#!'*)
    # As execve(2) does it, for a script that may lie where nothing can be executed: one argument at most, blanks and
    # all.
    weir_line=${weir_line#??}
    weir_line=${weir_line#"${weir_line%%[! 	]*}"}
    weir_line=${weir_line%"${weir_line##*[! 	]}"}
    weir_program=${weir_line%%[ 	]*}
    weir_line=${weir_line#"$weir_program"}
    weir_line=${weir_line#"${weir_line%%[! 	]*}"}
    exec "$weir_program" ${weir_line:+"$weir_line"} "$weir_script"
    ;;
  ?ELF*) chmod u+x "$weir_script" && exec "$weir_script" ;;
  esac
  if command -v bash >/dev/null; then exec bash "$weir_script"; fi
  exec sh "$weir_script"
  ;;
end | left | signal)
  mode=$1 dir=$2 id=$3 is_wrapper=
  open_up "$dir"
  cd "$dir" || exit
  shift 3
  case $mode in
  end)
    support=$4
    trap : HUP INT QUIT PIPE TERM
    end "$@"
    ;;
  left)
    find_left
    echo "${left# }"
    ;;
  signal)
    find_left
    for signal do send "$signal"; done
    # shellcheck disable=SC2086 # words are wanted
    set -- $left
    echo $#
    ;;
  esac
  exit 0
  ;;
run)
  # A shell reads a script in pieces while it runs it, and a job can write to this file. So all that is run after a job
  # has begun has been read before: functions, and this command to its end.
  begin "$@"
  run_job
  judge
  [ ! -s epilogue ] || run_epilogue
  write_exit "$code" "$signal" "$cause" "$ended"
  tell
  exit
  ;;
*) exit 64 ;;
esac
