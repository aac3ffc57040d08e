# shellcheck shell=sh
# Comes before every script that calls Slurm's commands. It undoes what the account's login files, or variables of the
# session, change in the meaning of these commands. A script that follows defines weir_is_input and calls weir_clean.
unset -f squeue sacct scancel scontrol sbatch srun sinfo timeout 2>/dev/null || :

# Slurm's commands are looked up outside the home directory first: a wrapper in ~/bin is for its user's own calls.
# shellcheck disable=SC2034 # for the script that follows
weir_login_path=$PATH
weir_site='' weir_home=''
weir_root=${HOME%/}
set -f
IFS=:
for weir_item in $PATH; do
  case $weir_item in
    "${weir_root:-/}" | "${weir_root:-/}"/*) weir_home=$weir_home:$weir_item ;;
    /*) weir_site=$weir_site:$weir_item ;;
  esac
done
weir_item=$weir_site$weir_home
[ -z "$weir_item" ] || PATH=${weir_item#:}

# Unsets the variables that weir_is_input names: an empty value would be a filter, too.
weir_clean() {
  IFS='
'
  # A line inside a value that looks like a variable names one that is to go, or nothing.
  for weir_item in $(export -p); do
    weir_item=${weir_item%%=*} weir_item=${weir_item##* }
    case $weir_item in *[!A-Za-z0-9_]* | [!A-Z]* | '') continue ;; esac
    if weir_is_input "$weir_item"; then unset "$weir_item"; fi
  done
  set +f
  unset IFS
}
