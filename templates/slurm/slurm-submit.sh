# shellcheck shell=sh
# Submits a job with sbatch from the home directory, where what a job writes is its owner's alone.
#   $1  "vetted" when this script has submitted as this account a moment ago; each check of it costs programs
#   $2  the scratch directory; empty for the home directory
#   $3  the name of the output file in its directory .jarvice
#   $4  seconds after which sbatch is ended on the cluster: one that hangs could submit the job long after it was given up
#   $5  sbatch, and its arguments
# Standard input is the batch script. The exit status is 96 when nothing was tried, and the reason is on standard error.

# The defaults of a site or a user for where a job runs and who pays stay. What makes several jobs of one submit, waits for
# them, moves their output, or makes srun fail inside them goes, and so does what sbatch sets for each job itself.
weir_is_input() {
  case $1 in
    SBATCH_ACCOUNT | SBATCH_CONSTRAINT | SBATCH_NO_REQUEUE | SBATCH_PARTITION | SBATCH_QOS | SBATCH_REQUEUE | \
      SBATCH_RESERVATION | SBATCH_WCKEY) return 1 ;;
    SBATCH_* | SRUN_* | SALLOC_* | SLURMD_* | SLURMSTEPD_*) return 0 ;;
    SLURM_ARRAY_* | SLURM_JOB | SLURM_JOBID | SLURM_JOB_* | SLURM_STEP* | SLURM_HET_* | SLURM_TASK* | SLURM_TRES_* | \
      SLURM_NODE* | SLURM_NNODES | SLURM_NPROCS | SLURM_NTASKS* | SLURM_NCORES_* | SLURM_NSOCKETS_* | SLURM_CPU* | \
      SLURM_MEM_* | SLURM_GPU* | SLURM_GRES* | SLURM_THREADS* | SLURM_PTY_* | SLURM_SRUN_*) return 0 ;;
    SLURM_ACCTG_FREQ | SLURM_ARBITRARY_NODELIST | SLURM_BCAST* | SLURM_BITSTR_LEN | SLURM_BURST_BUFFER | \
      SLURM_CLUSTERS | SLURM_CLUSTER_CONSTRAINT | SLURM_COMPRESS | SLURM_CONF_OUT | SLURM_CONSTRAINT | \
      SLURM_CONTAINER* | SLURM_CORE_SPEC | SLURM_DEBUG* | SLURM_DELAY_BOOT | SLURM_DEPENDENCY | \
      SLURM_DISABLE_STATUS | SLURM_DIST* | SLURM_EPILOG | SLURM_EXACT | SLURM_EXCLUSIVE | SLURM_EXIT_* | \
      SLURM_EXPORT_ENV | SLURM_EXTERNAL_LAUNCHER | SLURM_GET_USER_ENV | SLURM_HINT | SLURM_HOSTFILE | \
      SLURM_IMMEDIATE | SLURM_LABELIO | SLURM_MULTI_PROG | SLURM_NETWORK | SLURM_NO_KILL | SLURM_OPEN_MODE | \
      SLURM_OVERCOMMIT | SLURM_POWER | SLURM_PROFILE | SLURM_PROLOG | SLURM_REMOTE_CWD | SLURM_REQ_SWITCH | \
      SLURM_RESV_PORTS | SLURM_RUNTIME | SLURM_SEND_LIBS | SLURM_SIGNAL | SLURM_SPREAD_* | SLURM_STDERRMODE | \
      SLURM_STDINMODE | SLURM_STDOUTMODE | SLURM_TEST_EXEC | SLURM_TIMELIMIT | SLURM_TIME_FORMAT | SLURM_UMASK | \
      SLURM_UNBUFFEREDIO | SLURM_USE_MIN_NODES | SLURM_WAIT* | SLURM_WORKING_*) return 0 ;;
    *) return 1 ;;
  esac
}
weir_clean

weir_refuse() {
  echo "$*" >&2
  exit 96
}
weir_vetted=$1 weir_scratch=$2 weir_file=$3 weir_limit=$4
shift 5

cd -- "$HOME" || exit 96
weir_directory=${weir_scratch:-.}/.jarvice
if [ -z "$weir_vetted" ]; then
  # Accounts of the system are recognised by their ids, whatever a site calls them.
  weir_uid=$(id -u) || exit 96
  if [ "$weir_uid" -lt 1000 ] || [ "$weir_uid" -eq 65534 ]; then
    weir_refuse "the account has the user id $weir_uid: jobs never run as a system account"
  fi
  if [ -n "$weir_scratch" ] && [ -n "$(find "$weir_scratch/." -prune -perm -0002 ! -perm -1000 2>/dev/null)" ]; then
    weir_refuse "the scratch directory $weir_scratch is writable by everybody and has no sticky bit, so anybody can" \
      "replace the directory of the output; set the sticky bit (chmod +t)"
  fi
fi
# shellcheck disable=SC2174 # the directories above it are as the account makes them
[ -d "$weir_directory" ] || mkdir -p -m 700 -- "$weir_directory" || exit 96
if [ -O "$weir_directory/." ]; then
  # Its own, and closed. A link to such a directory must be its own as well.
  if [ -z "$weir_vetted" ]; then
    if [ -L "$weir_directory" ] && [ -z "$(find "$weir_directory" -prune -user "$weir_uid")" ]; then
      weir_refuse "$weir_directory is a symbolic link of another user; remove it"
    fi
    chmod 700 "$weir_directory/." || exit 96
  fi
elif [ ! -L "$weir_directory" ] && [ -k "$weir_directory" ] &&
  { [ -n "$weir_vetted" ] || [ -n "$(find "$weir_directory" -prune -user 0)" ]; }; then
  # Root's with the sticky bit: each file there is safe once it is there.
  weir_file=$weir_directory/$weir_file
  if [ -e "$weir_file" ] || [ -L "$weir_file" ]; then
    if [ -L "$weir_file" ] || [ ! -f "$weir_file" ] || [ ! -O "$weir_file" ]; then
      weir_refuse "the output file $weir_file exists and is not a file of this account; remove it"
    fi
    chmod 600 "$weir_file" || exit 96
  else
    (umask 077 && set -C && : >"$weir_file") || weir_refuse "the output file $weir_file cannot be created"
  fi
else
  weir_refuse "the directory of the output, $weir_directory, belongs to another user, who could read and replace" \
    "the output; let the administrator create it once for all users: install -d -m 1777 $weir_directory"
fi

# The job gets the PATH of the login.
weir_timeout=$(command -v timeout) || weir_timeout=timeout
weir_sbatch=$(command -v sbatch) || weir_sbatch=sbatch
# shellcheck disable=SC2154 # from the beginning
PATH=$weir_login_path
exec "$weir_timeout" -k 1 "$weir_limit" "$weir_sbatch" "$@"
