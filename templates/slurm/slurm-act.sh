# shellcheck shell=sh
# Does something to the job itself, and not to another that got its id after Slurm was reset: the job of that id must have
# its tag or its name, or, where its user changed both, its account and a time of submit that fits.
#   $1  the job's id
#   $2  its tag
#   $3  its name in Slurm
#   $4  its account
#   $5  the earliest time of its submit, in seconds since 1970
#   $6  the latest
#   $7  the command and its first arguments; the id is added
# The exit status is 97 when the command succeeded and the job goes on.
weir_job=$1
shown=$(squeue --noheader --all --states=all --jobs="$1" --format='%u|%k|%j|') || exit
[ -n "$shown" ] || shown="$4|$(scontrol --oneliner show job "$1")" || exit
case "$shown " in
  "$4|"*"$2"* | "$4|"*"|$3|"* | "$4|"*" JobName=$3 "*) ;;
  *)
    known=$(TZ=UTC SLURM_TIME_FORMAT=%s squeue --noheader --all --states=all --jobs="$1" --format='%A %u %V' |
      while read -r id user time; do
        case $time in '' | *[!0-9]* | ???????????*) continue ;; esac
        if [ "$id $user" = "$1 $4" ] && [ "$time" -ge "$5" ] && [ "$time" -le "$6" ]; then echo "$id"; fi
      done)
    # Nobody can change the line of the submit. Where Slurm keeps it, it has the tag.
    line=''
    [ -z "$known" ] ||
      line=$(timeout 5 sacct -n -X -P --duplicates --jobs="$1" --format=SubmitLine 2>/dev/null) || line=''
    case ${known:+known}$line in
      known | known*"$2"*) ;;
      *) echo "Invalid job id specified: another job has it" >&2; exit 1 ;;
    esac
    ;;
esac
shift 6
"$@" "$weir_job" || exit
[ "$1" = scancel ] || exit 0
# That scancel ended well says that it had nothing to complain of, and not that the job was canceled.
left=$(squeue --noheader --all --states=PENDING,RUNNING,SUSPENDED --jobs="$weir_job" --format=%T 2>/dev/null) || exit 0
[ -z "$left" ] || { echo "scancel reported success, but Slurm still shows job $weir_job as $left" >&2; exit 97; }
