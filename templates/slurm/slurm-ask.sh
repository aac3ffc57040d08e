# shellcheck shell=sh
# For questions, and for actions on one job: no variable but those that say which Slurm this is and how to log in to it.
weir_is_input() {
  case $1 in
    SLURM_CONF | SLURM_CONF_SERVER | SLURM_JWT | SLURM_SACK_*) return 1 ;;
    SQUEUE_* | SACCT_* | SCANCEL_* | SCONTROL_* | SINFO_* | SLURM_*) return 0 ;;
    *) return 1 ;;
  esac
}
weir_clean
export LC_ALL=C
