#!/bin/bash
# Stops the test cluster and its registry, by the process ids that up.sh recorded.
#   deploy/testbed/down.sh            # what was kept comes back with up.sh: jobs, accounting, images, keys
#   deploy/testbed/down.sh --purge    # removes the state directory too
. "$(dirname "$0")/../lib.sh"
case ${1:-} in
  "" | --purge) ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
require_root "the test cluster has several users"
"$(dirname "$0")/slurm-down.sh" "$@"
