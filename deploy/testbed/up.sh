#!/bin/bash
# Brings a real Slurm cluster, Apptainer and an image registry up on this one machine, and writes what Weir
# needs to use them. What already runs is left alone. Undo: down.sh [--purge]
#   deploy/testbed/up.sh [--without-images]  # without: neither Apptainer nor a registry
#   . ${TESTBED:-/tmp/testbed}/env.sh        # SLURM_CONF and so on; tbssh kirby squeue
#   . ${TESTBED:-/tmp/testbed}/weir.env      # the settings of a Weir for this cluster
. "$(dirname "$0")/../lib.sh"
case ${1:-} in
  "" | --without-images) ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
require_root "the test cluster has several users"
here=$(cd "$(dirname "$0")" && pwd)
"$here/slurm-up.sh"
[ "${1:-}" = --without-images ] || "$here/apptainer-up.sh"

secret_file() { install -m 600 /dev/stdin "$1"; }
base64_of() { base64 -w 0 "$1"; }

keys=$TESTBED/keys suffix=${TESTBED_USER_SUFFIX:-}
[ -s "$keys/idp-rs256.pub.pem" ] || openssl rsa -in "$keys/idp-rs256.pem" -pubout -out "$keys/idp-rs256.pub.pem" 2>/dev/null

{
  echo "users_id_mapping:"
  for user in kirby mario; do
    cat <<YAML
  - user: ${user}star
    jarvice_user: ${user}star
    mail: $user@example.com
    mapped_user: $user$suffix
    ssh_private_key_b64: $(base64_of "$keys/$user$suffix.ed25519")
YAML
  done
} | secret_file "$TESTBED/etc/users.yaml"

secret_file "$TESTBED/weir.env" <<SETTINGS
export JARVICE_BAREMETAL_CONNECTOR=slurm
export JARVICE_SLURM_CLUSTER_ADDR=127.0.0.1
export JARVICE_SLURM_CLUSTER_PORT=${TESTBED_SSH_PORT:-2222}
export JARVICE_SLURM_SSH_USER=jarvice$suffix
export JARVICE_SLURM_SSH_PKEY=$(base64_of "$keys/jarvice$suffix.ed25519")
export JARVICE_SCHED_SERVER_KEY=testbed:secret
export JARVICE_SYSTEM_REGISTRY=127.0.0.1:${TESTBED_REGISTRY_PORT:-5055}
export JARVICE_SYSTEM_REPO_BASE=testbed
export JARVICE_IMAGES_TAG=latest
export WEIR_SSH_KNOWN_HOSTS=$keys/known_hosts
export WEIR_USERS_FILE=$TESTBED/etc/users.yaml
export WEIR_JWT_KEY_FILE=$keys/idp-rs256.pub.pem
export WEIR_JWT_ALGORITHMS=RS256
export WEIR_JWT_ISSUER=https://idp.example.com
export WEIR_JWT_AUDIENCE=weir
SETTINGS
say "Weir's settings for it: . $TESTBED/weir.env"
