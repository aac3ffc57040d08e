# shellcheck shell=sh
# What the other scripts of this directory share: it stands before each of them, and before the wrapper's. Reading the
# records of an attempt, and finding its processes.
#
# A job runs as the account that its records belong to, so anything may stand in a record's place: a FIFO, a link to a
# device, 300 MB without a line end. Records are read by read_record alone, which opens nothing but a regular file of a
# few hundred bytes.

# What a wrapper knows of itself.
own_ticks='' this_boot=''
# When nobody waits any more for the script that was sent; see set_patience.
give_up=''
newline='
'

# Into `unsound`: those of these files that are no regular files, or larger than a record: $blocks halves of 1,024
# bytes.
blocks=2
find_unsound() {
  unsound=$(LC_ALL=C find "$@" -prune ! '(' -type f -size "-$((blocks + 1))" ')' 2>/dev/null)
}

# Into `record`: the one line of the file $1, one of those that find_unsound was called with. Status 1: there is no such
# file; 2: it is damaged.
read_record() {
  record=
  [ -e "$1" ] || [ -h "$1" ] || return 1
  [ -f "$1" ] && [ ! -h "$1" ] || return 2
  case $newline$unsound$newline in *"$newline$1$newline"*) return 2 ;; esac
  { read -r record <"$1" || [ -n "$record" ]; } 2>/dev/null || return 2
  # Nothing else is ever written to one, so that its words may be taken apart without quotes.
  case $record in '' | *[!0-9A-Za-z\ _.,:@-]*)
    record=
    return 2
    ;;
  esac
}

# Opens the directory $1, jobs/ID/attempt-N, which the job may have closed even to its own account.
open_up() {
  [ -h "${1%/*}" ] || [ -h "$1" ] || { [ -r "$1" ] && [ -w "$1" ] && [ -x "$1" ]; } || chmod u+rwx "${1%/*}" "$1"
} 2>/dev/null

# Whether the file $1 is the wrapper of which cksum(1) says $2: a job can write to it.
is_wrapper_text() {
  [ -f "$1" ] && [ ! -h "$1" ] || return
  case $2$(head -c 1000000 "$1" | cksum) in "$2$2" | "$2") ;; *) [ -z "$2" ] ;; esac
} 2>/dev/null

# Words 3 and later of /proc/PID/stat: the second, the program's name, may hold anything: blanks, parentheses, line
# ends.
stat_of() {
  stat=
  { while IFS= read -r line; do stat="$stat$line "; done <"/proc/$1/stat"; } 2>/dev/null
  stat=${stat##*') '}
}

# Whether process $1 lives and is the one that was started at tick $2 of its boot: numbers of processes come back.
is_alive() {
  stat_of "$1"
  # shellcheck disable=SC2086 # words are wanted
  set -- "$2" $stat
  case ${2:-Z} in [ZX]) return 1 ;; esac
  [ "$1" = "${21}" ]
}

# Whether these words are a start record, PID TICKS BOOT EPOCH.
is_start() {
  [ $# = 4 ] && [ ${#1} -le 10 ] && [ ${#2} -le 18 ] && [ ${#4} -le 12 ] || return 1
  case $1$2$4 in *[!0-9]*) return 1 ;; esac
}

# Whether these words are an exit record, CODE SIGNAL CAUSE EPOCH.
is_exit() {
  [ $# = 4 ] && [ ${#1} -le 3 ] && [ ${#2} -le 3 ] && [ ${#4} -le 12 ] || return 1
  case ${1#-1}$2$4 in *[!0-9]*) return 1 ;; esac
  case $3 in exited | signaled | canceled | timelimit) ;; *) return 1 ;; esac
}

# As read_record, of a file that holds how an attempt ended.
read_exit() {
  read_record "$1" || return
  # shellcheck disable=SC2086 # words are wanted
  is_exit $record || return 2
}

# Whether process $1 is one of ours and runs the wrapper's text as $2 does, `run` or `end`, for the attempt in the
# directory $3, jobs/ID/attempt-N. A record can name any process that lives. Into `line`: its command line, from which
# most shells leave out the NULs between the words.
is_ours() {
  # shellcheck disable=SC3067 # there is no sh without it
  [ -O "/proc/$1" ] || return
  line=
  { IFS= read -r line <"/proc/$1/cmdline"; } 2>/dev/null
  case $line in */lib/run-*".sh$2/"*"/$3"* | */lib/run-*.sh?"$2"?/*"/$3"*) ;; *) return 1 ;; esac
}

# The records of the attempt whose directory is $1, jobs/ID/attempt-N/, or the current one. Into `start`: who its
# wrapper is, PID TICKS BOOT EPOCH; the wrapper keeps a second name for that file, which counts where the first does not
# name a wrapper that lives, and no void. Into `wrapper`: its process, if it lives. Status 1: there is no record; 2: it
# is damaged.
read_start() {
  wrapper=
  read_record "$1start"
  start_status=$? start=$record
  # shellcheck disable=SC2086 # words are wanted
  [ "$start_status" != 0 ] || is_start $start || start_status=2
  if [ "$start_status" != 0 ] || ! is_wrapper_of "$start" "$1"; then
    case $start_status$start in
    0*' void '*) ;;
    *)
      if read_record "$1.start" && is_wrapper_of "$record" "$1"; then start=$record start_status=0; fi
      ;;
    esac
  fi
  return "$start_status"
}

# Whether the wrapper lives that the start record $1 names, of the attempt whose directory is $2, as in read_start. Into
# `wrapper`: its process.
is_wrapper_of() {
  whose=${2%/}
  [ -n "$whose" ] || whose=${PWD#"${PWD%/*/*/*}/"}
  # shellcheck disable=SC2086 # words are wanted
  set -- $1
  is_start "$@" || return 1
  [ -n "$this_boot" ] || read -r this_boot </proc/sys/kernel/random/boot_id
  [ "$3" = "$this_boot" ] && is_alive "$1" "$2" && is_ours "$1" run "$whose" && wrapper=$1
}

wrapper_is_alive() {
  if [ -n "$own_ticks" ]; then
    wrapper=$$
    is_alive "$$" "$own_ticks"
    return
  fi
  find_unsound start .start
  read_start '' && [ -n "$wrapper" ]
}

# Whether what there is of the attempt in the current directory is of the machine $1: a home may be shared by several. A
# job can write any name there, so what began in this boot is here.
is_here() {
  is_alone "$1" && return
  find_unsound machine start .start
  ! read_record machine || [ "$record" = "$1" ] || wrapper_is_alive || { read_start '' && is_of_this_boot "$start"; }
}

# Whether the machine $1 has no other beside it in its Weir: it is the one that Weir runs on.
is_alone() {
  case $1 in local@*) ;; *) return 1 ;; esac
}

# Whether the start record $1 is of this boot.
is_of_this_boot() {
  [ -n "$this_boot" ] || read -r this_boot </proc/sys/kernel/random/boot_id
  case " $1 " in *" $this_boot "*) ;; *) return 1 ;; esac
}

# After read_start, into `began`: the tick of this boot at which the wrapper began; 0 if that is not known.
find_beginning() {
  began=0
  if [ "$start_status" != 0 ] || ! is_of_this_boot "$start"; then return; fi
  began=${start#* }
  began=${began%% *}
}

# Whether the environment of the process $1 names another job than `id`: its session can be written down as this one's,
# too.
# shellcheck disable=SC2154 # set by who asks
is_of_another() {
  case $(LC_ALL=C grep -aoEs 'WEIR_(JOB_ID|GUARDS)=[0-9A-Z]{26}' "/proc/$1/environ") in
  '' | *"=$id"*) return 1 ;;
  esac
}

# Whether `leader` and `since` can be a session of the job: it is ours, no other job's, and no older than the wrapper
# where that is known. Else a job that writes there of somebody else's would never end, since that one's processes
# cannot be.
is_session() {
  began=$own_ticks
  if [ -z "$began" ]; then
    read_start ''
    find_beginning
  fi
  [ "$since" -ge "$began" ] || return
  stat_of "$leader"
  [ -z "$stat" ] || { is_alive "$leader" "$since" && kill -s 0 "$leader" 2>/dev/null && ! is_of_another "$leader"; } ||
    is_dying
}

# A leader that has ended and is not yet waited for.
is_dying() { case $stat in [ZX]*) ;; *) return 1 ;; esac }

# Into `left`: the processes of the job that live. The number of its session counts while the wrapper or the leader of
# the session is there to vouch for it; after that it may be the number of another session. With $1=young only among
# processes of higher numbers than the wrapper's, which is far quicker where many run; with $1=guarded the wrapper too.
# `left` is "-" where nothing is found and something may live. Into `groups`: process groups of the job.
#
# A process that forks and ends at once is gone before it can be looked at, and its child is newer than the list of
# processes. But the list has a process of each such line, since numbers ascend. So where all of the list was seen alive
# and none of it is the job's, nothing is left; where one has ended meanwhile, what is new is looked at, again and
# again. That starts no process, so that several who look do not disturb each other.
# shellcheck disable=SC2154 # `id` and `is_wrapper` are set by who asks
find_left() {
  marks="WEIR_JOB_ID=$id" leader=0 since=0 session='' groups='' left='' floor=0 is_guarded=''
  [ "$1" != guarded ] || { is_guarded=1 && marks="WEIR_(JOB_ID|GUARDS)=$id"; }
  [ "$1" != young ] || floor=$$
  find_unsound session start .start
  # shellcheck disable=SC2086 # words are wanted
  if read_record session; then
    set -- $record
    leader=$1 since=$2
  fi
  case $leader$since in 0* | *[!0-9]*) ;; *)
    if is_session && { [ -n "$is_wrapper" ] || wrapper_is_alive || is_alive "$leader" "$since"; }; then
      session=$leader
      # A dead one may have been another job's, whose processes are told one by one.
      ! is_alive "$leader" "$since" || note_group "$leader"
    fi
    ;;
  esac
  look_through search_new read_new
  [ -n "$left" ] || [ -z "$gone" ] || left=' -'
}

# Calls $1 with all processes there are in `new`, and $2 with those that are new since, for two seconds at most: until
# `gone` is empty, or something is in `left`.
look_through() {
  others='' again='' retried='' known=0
  look_at_clock
  latest=$((now + 200))
  while :; do
    require_asker
    list_new
    if [ -n "$is_all" ]; then "$1"; else "$2"; fi
    if [ -n "$left" ] || [ -z "$gone" ]; then return 0; fi
    look_at_clock
    [ "$now" -lt "$latest" ] || return 0
  done
}

# What is in a process group of the job cannot fork out of the reach of a signal to the group. Without setsid(1) the
# wrapper is in it, too.
note_group() {
  case "$groups " in *" $1 "*) return ;; esac
  [ "$1" -le 1 ] || ! command -v setsid >/dev/null || groups="$groups $1"
}

# Likewise the group of the process $1, which is marked as the job's. A wrapper that is looked for is none of the job.
note_group_of() {
  [ -z "$is_guarded" ] || return 0
  stat_of "$1"
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  [ $# = 0 ] || note_group "$3"
}

# Into `last`: the number that was given to a process last.
find_last() {
  last=
  { read -r _ _ _ _ last </proc/loadavg; } 2>/dev/null
  case $last in '' | *[!0-9]*) last=0 ;; esac
}

# Into `new`: the processes of the numbers that were given since `known`, which is raised to the last and was `before`;
# with known=0 all there are above `floor`, and `is_all` is 1; those in `again` once more. Into `gone`: 1
# if numbers began anew meanwhile: all are looked at again then.
list_new() {
  find_last
  first=$last before=$known new=$again again='' gone='' is_all=''
  if [ "$first" -lt "$known" ]; then
    gone=1 known=0 others='' floor=0
  elif [ "$known" != 0 ]; then
    while [ "$known" -lt "$first" ]; do
      known=$((known + 1))
      new="$new /proc/$known"
    done
  else
    is_all=1 known=$first new=''
    set -- /proc/[0-9]*
    for process do [ "${process#/proc/}" -le "$floor" ] || new="$new $process"; done
  fi
}

# Looks for the job among all of `new` at once. Of a line of stat what follows the program's name is known by its many
# numbers: no name has room for them.
search_new() {
  pattern=$marks files=''
  [ -z "$session" ] || pattern="$pattern|\\) [^ZX] -?[0-9]+ -?[0-9]+ $session( -?[0-9]+){15,} *\$"
  [ -n "$new" ] || return 0
  for process in $new; do files="$files $process/environ $process/stat"; done
  # shellcheck disable=SC2013,SC2086 # paths without blanks
  for file in $(LC_ALL=C grep -lsE -e "$pattern" $files 2>/dev/null); do
    process=${file#/proc/}
    process=${process%%/*}
    [ -e "/proc/$process" ] || { gone=1 && continue; }
    case "$left " in *" $process "*) continue ;; esac
    case $file in
    */stat) ! is_of_another "$process" || continue ;;
    *) note_group_of "$process" ;;
    esac
    left="$left $process"
  done
  [ -n "$left" ] || find_gone
}

# Into `gone`: 1 if of `new`, which are all, one has ended by now which may have been the job's.
find_gone() {
  files=
  for process in $new; do files="$files $process/stat"; done
  # What grep says of a file that it cannot read names that one, too.
  # shellcheck disable=SC2013,SC2086 # paths without blanks
  for file in $(LC_ALL=C grep -LE '\) [^ZX]( -?[0-9]+){19} [1-9][0-9]*( -?[0-9]+)* *$' $files 2>&1); do
    case $file in /proc/*/stat | /proc/*/stat:) note_gone "${file%/stat*}" ;; esac
  done
  # If a look is needed again: of all, where numbers have begun anew or the kernel does not tell the last one.
  find_last
  [ "$last" -ge "$known" ] || gone=1
  [ "$last" -gt "$known" ] || known=0
}

# What is not there may be about to appear: its number is given before. So it is looked for once more.
# shellcheck disable=SC3067 # as above
note_gone() {
  if [ -e "$1" ]; then
    [ ! -O "$1" ] || gone=1
    return
  fi
  case "$retried " in *" $1 "*) return ;; esac
  gone=1 again="$again $1" retried="$retried $1"
}

# Whether the process whose `stat` this is lives and has memory, and with it an environment: one that ends loses it
# first.
has_memory() {
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  case ${1:-Z}${21:-0} in [ZX]* | ?0) return 1 ;; esac
}

# Whether the process whose `stat` this is belongs to a session with a leader that lives and was looked at before: all
# of a session are of the same job.
is_of_others() {
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  case "$others " in *" $4 "*) return ;; esac
  [ "$4" -le "$before" ] && [ "$4" != "${session:-0}" ] || return
  sid=$4 own_stat=$stat
  stat_of "$sid"
  ! has_memory || others="$others $sid"
  stat=$own_stat
  case "$others " in *" $sid "*) ;; *) return 1 ;; esac
}

# Into `text`: the environment of the process $1. Into `stat`: as it was after that. Status 1: it is none to look at.
read_process() {
  stat_of "${1#/proc/}"
  text=
  if has_memory; then
    ! is_of_others || return 1
    { while IFS= read -r line || [ -n "$line" ]; do text="$text$line$newline"; done <"$1/environ"; } 2>/dev/null
    # What has its memory by now has had its environment.
    stat_of "${1#/proc/}"
  fi
  has_memory && return
  note_gone "$1"
  return 1
}

# Looks for the job in each of `new`.
read_new() {
  for process in $new; do
    read_process "$process" || continue
    # shellcheck disable=SC2086 # words are wanted
    set -- $stat
    case $is_guarded$text in
    *"WEIR_JOB_ID=$id"*) note_group "$3" ;;
    1*"WEIR_GUARDS=$id"*) ;;
    *) { [ "$4" = "$session" ] && ! is_of_another "${process#/proc/}"; } || continue ;;
    esac
    left="$left ${process#/proc/}"
  done
}

# $1: the signal. Those that may come twice go to process groups as well.
send() {
  [ -n "$left" ] || return 0
  case $1 in KILL | STOP | CONT) for group in $groups; do kill -s "$1" -- "-$group"; done ;; esac 2>/dev/null
  # shellcheck disable=SC2086 # words are wanted
  [ "$left" = ' -' ] || kill -s "$1" $left 2>/dev/null
}

# Whether the wrapper says that nothing of the job is left to be ended, and that what runs now is the site's. It says so
# by a descriptor that it opens: what stands in the files any job could have written.
is_over() {
  wrapper_is_alive || return
  [ ! -e "/proc/$wrapper/fd/6" ] || return 0
  [ -e over ] && is_former_epilogue
}

# Whether the wrapper runs the site's epilogue, where it is the former release's, which opens no such descriptor: then a
# process of its own session, to which no process of a job can move, has the end of the job in its environment.
is_former_epilogue() {
  # shellcheck disable=SC2013 # paths without blanks
  for file in $(LC_ALL=C grep -ls WEIR_EXIT_CAUSE= /proc/[0-9]*/environ 2>/dev/null); do
    file=${file#/proc/}
    stat_of "${file%%/*}"
    # shellcheck disable=SC2086 # words are wanted
    set -- $stat
    [ "$4" != "$wrapper" ] || return 0
  done
  return 1
}

# Into `now`: hundredths of a second of the clock that nobody sets. Whoever waits for something looks at it: that a
# sleep has ended says nothing, since a job may end every sleep there is.
look_at_clock() {
  now=
  { read -r now _ </proc/uptime; } 2>/dev/null
  case $now in
  *[0-9].[0-9][0-9]) now=${now%.*}${now#*.} ;;
  *) now=$(date +%s)00 ;;
  esac
  while :; do case $now in 0?*) now=${now#0} ;; *) break ;; esac done
}

# Into `deadline`: the time in $1 seconds, which may have a fraction.
set_deadline() {
  look_at_clock
  part=${1#"${1%%.*}"}
  part=${part#.}00
  deadline=$((now + ${1%%.*} * 100 + 1${part%"${part#??}"} - 100))
}

is_in_time() {
  look_at_clock
  [ "$now" -lt "$deadline" ]
}

# Called by a script that was sent: nobody waits for it longer than $1 seconds. See require_asker.
set_patience() {
  look_at_clock
  give_up=$((now + $1 * 100))
}

# Ends such a script, with status 75, once its asker is gone or has given up: on an overloaded machine, those that are
# sent again would pile up. The parent of the shell, of a kept one too, is what serves the connection.
require_asker() {
  [ -n "$give_up" ] || return 0
  look_at_clock
  stat_of "$$"
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  [ "${2:-$PPID}" = "$PPID" ] || exit 75
  [ "$now" -lt "$give_up" ] || { echo 'the server is too slow: the script gave up' >&2; exit 75; }
}

# A fifth of a second, where sleep takes that: POSIX has whole ones only.
nap() { sleep 0.2 2>/dev/null || sleep 1; }

# Whether the owner record in `record`, ID HOST PLACE COUNT, is of the Weir that the words of $1 to $4 stand for: it has
# that id on that host; or that place, the state directory of which it holds the lock: who had it before is gone.
owns() {
  # shellcheck disable=SC2086 # words are wanted
  set -- "$1 $2" "$3" $record
  [ $# = 6 ] && { [ "$1" = "$3 $4" ] || [ "$2" = "$5" ]; }
}
