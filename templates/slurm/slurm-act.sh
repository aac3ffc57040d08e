# shellcheck shell=sh
# Does something to the job itself, and not to another that got its id after Slurm was reset: what bears the id must have
# its mark or, where its user changed that, its name.
#   $1  the job's id
#   $2  its mark
#   $3  its name in Slurm
#   $4  the command and its first arguments; the id is added
# The exit status is 97 when the command succeeded and the job goes on.
weir_job=$1
shown=$(squeue --noheader --all --states=all --jobs="$1" --format='|%k|%j|') || exit
[ -n "$shown" ] || shown=$(scontrol --oneliner show job "$1") || exit
case "$shown " in
  *"$2"* | *"|$3|"* | *" JobName=$3 "*) ;;
  *) echo "Invalid job id specified: another job has it" >&2; exit 1 ;;
esac
shift 3
"$@" "$weir_job" || exit
[ "$1" = scancel ] || exit 0
# That scancel ended well says that it had nothing to complain of, and not that the job was canceled.
left=$(squeue --noheader --all --states=PENDING,RUNNING,SUSPENDED --jobs="$weir_job" --format=%T 2>/dev/null) || exit 0
[ -z "$left" ] || { echo "scancel reported success, but Slurm still shows job $weir_job as $left" >&2; exit 97; }
