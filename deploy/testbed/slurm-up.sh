#!/bin/bash
# Brings up a real, private Slurm cluster on this one machine (Debian 12, root, no systemd): MariaDB, slurmdbd,
# slurmctld, slurmds, slurmrestd, sshd. Idempotent: what already runs is left alone. State (configuration, keys,
# spool, logs, pids, homes) lives in $TESTBED (default /tmp/testbed). README.md says what is where.
#   deploy/testbed/slurm-up.sh
. "$(dirname "$0")/../lib.sh"

nodes=${TESTBED_NODES:-4}           # how many slurmds
node_cpus=${TESTBED_NODE_CPUS:-8}   # pretended CPUs of a node
node_mb=${TESTBED_NODE_MEM:-16000}  # pretended memory of a node
gpus=${TESTBED_GPUS:-2}             # pretended GPUs of a node
suffix=${TESTBED_USER_SUFFIX:-}             # of the users' names: two clusters on one machine share no account
users=("jarvice$suffix" "kirby$suffix" "mario$suffix")
ctld_port=${TESTBED_CTLD_PORT:-6817} dbd_port=${TESTBED_DBD_PORT:-6819} db_port=${TESTBED_DB_PORT:-13306}
rest_port=${TESTBED_REST_PORT:-6820} slurmd_port0=${TESTBED_SLURMD_PORT0:-17000} ssh_port=${TESTBED_SSH_PORT:-2222}
private=${TESTBED_PRIVATEDATA:-jobs,usage} # PrivateData; none switches it off
min_job_age=${TESTBED_MINJOBAGE:-300}
cluster=${TESTBED_CLUSTER:-valhalla} account=nintendo

case ${1:-} in
  "") ;;
  -h | --help) usage; exit 0 ;;
  *) refuse "$1" ;;
esac
require_root "the test cluster has several users"
install_packages munge slurmctld slurmd slurmdbd slurm-client slurmrestd slurm-wlm-basic-plugins \
  slurm-wlm-mysql-plugin slurm-wlm-jwt-plugin mariadb-server openssh-server openssh-client \
  openssl curl jq procps iproute2 python3

T=$TESTBED
host=$(hostname -s)
last_port=$((slurmd_port0 + nodes))

# ---------------------------------------------------------------- users, directories, keys
id slurmrest >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin slurmrest
install -d -m 755 "$T" "$T"/{etc,run,log,home,spool,keys,dev}
install -d -m 711 -o munge -g munge "$T/munge"
install -d -m 755 -o slurm -g slurm "$T"/{ctld,ctldlog,runctld}
install -d -m 755 -o mysql -g mysql "$T/db-run"
install -d -m 755 -o slurmrest -g slurmrest "$T/rest"

for user in "${users[@]}"; do
  if id "$user" >/dev/null 2>&1; then
    usermod -d "$T/home/$user" "$user" >/dev/null 2>&1 || true
  else
    useradd -M -d "$T/home/$user" -s /bin/bash -U "$user"
  fi
  # A password of "!" is a locked account, which sshd without PAM refuses even with a key.
  usermod -p '*' "$user" >/dev/null 2>&1 || true
  install -d -m 750 -o "$user" -g "$user" "$T/home/$user"
  install -d -m 700 -o "$user" -g "$user" "$T/home/$user/.ssh"
  for kind in ed25519 rsa; do
    [ -s "$T/keys/$user.$kind" ] || ssh-keygen -q -t $kind -N '' -C "$user@testbed" -f "$T/keys/$user.$kind"
  done
  cat "$T/keys/$user".*.pub | install -m 600 -o "$user" -g "$user" /dev/stdin "$T/home/$user/.ssh/authorized_keys"
done

[ -s "$T/etc/jwt_hs256.key" ] || openssl rand 32 >"$T/etc/jwt_hs256.key"
[ -s "$T/keys/idp-rs256.pem" ] || openssl genrsa -out "$T/keys/idp-rs256.pem" 2048 2>/dev/null
if [ ! -s "$T/etc/jwks.json" ]; then
  modulus=$(openssl rsa -in "$T/keys/idp-rs256.pem" -noout -modulus | cut -d= -f2)
  python3 - "$modulus" >"$T/etc/jwks.json" <<'PYTHON'
import base64, json, sys
n = base64.urlsafe_b64encode(bytes.fromhex(sys.argv[1])).rstrip(b"=").decode()
print(json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "testbed-1", "n": n, "e": "AQAB"}]}))
PYTHON
fi
chown slurm:slurm "$T"/etc/{jwt_hs256.key,jwks.json}
chmod 600 "$T"/etc/{jwt_hs256.key,jwks.json}
for kind in ed25519 rsa; do
  [ -s "$T/keys/ssh_host_$kind" ] || ssh-keygen -q -t $kind -N '' -C testbed -f "$T/keys/ssh_host_$kind"
done
awk -v at="[127.0.0.1]:$ssh_port" '{print at, $1, $2}' "$T"/keys/ssh_host_*.pub >"$T/keys/known_hosts"

# ---------------------------------------------------------------- configuration
# write FILE MODE OWNER: stdin, only where it differs
write() {
  local new
  new=$(mktemp)
  cat >"$new"
  cmp -s "$new" "$1" || cat "$new" >"$1"
  rm -f "$new"
  chown "$3" "$1"
  chmod "$2" "$1"
}
private_data="PrivateData=$private"
[ "$private" != none ] || private_data="#PrivateData"

write "$T/etc/slurm.conf" 644 root:root <<CONF
ClusterName=$cluster
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$ctld_port
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=socket=$T/munge/munge.sock
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$T/etc/jwt_hs256.key,jwks=$T/etc/jwks.json
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$T/ctld
SlurmdSpoolDir=$T/spool/%n
SlurmctldPidFile=$T/runctld/slurmctld.pid
SlurmdPidFile=$T/run/slurmd-%n.pid
SlurmctldLogFile=$T/ctldlog/slurmctld.log
SlurmdLogFile=$T/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=30
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,batch_sched_delay=0
PriorityType=priority/multifactor
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$dbd_port
AccountingStoragePass=$T/munge/munge.sock
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu
$private_data
Licenses=matlab:4
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldTimeout=60
SlurmdTimeout=60
KillWait=5
MinJobAge=$min_job_age
MaxArraySize=1001
MaxJobCount=20000
NodeName=node[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((slurmd_port0 + 1))-$last_port] Sockets=1 CoresPerSocket=$node_cpus ThreadsPerCore=1 RealMemory=$node_mb Gres=gpu:fake:$gpus State=UNKNOWN
PartitionName=all Nodes=node[1-$nodes] Default=YES MaxTime=INFINITE State=UP
PartitionName=debug Nodes=node1 MaxTime=60 State=UP
CONF
# A GPU without File= registers as none and its node as invalid; empty files do, as nothing confines devices here.
for ((gpu = 0; gpu < gpus; gpu++)); do : >"$T/dev/fakegpu$gpu"; done
write "$T/etc/gres.conf" 644 root:root <<CONF
NodeName=node[1-$nodes] Name=gpu Type=fake File=$T/dev/fakegpu[0-$((gpus - 1))]
CONF
write "$T/etc/cgroup.conf" 644 root:root <<CONF
CgroupPlugin=cgroup/v1
CgroupAutomount=no
CONF
write "$T/etc/slurmdbd.conf" 600 slurm:slurm <<CONF
AuthType=auth/munge
AuthInfo=socket=$T/munge/munge.sock
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$T/etc/jwt_hs256.key,jwks=$T/etc/jwks.json
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$dbd_port
CommunicationParameters=NoInAddrAny
SlurmUser=slurm
$private_data
LogFile=$T/ctldlog/slurmdbd.log
PidFile=$T/runctld/slurmdbd.pid
DebugLevel=info
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$db_port
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
CONF
write "$T/etc/sshd_config" 600 root:root <<CONF
ListenAddress 127.0.0.1:$ssh_port
HostKey $T/keys/ssh_host_ed25519
HostKey $T/keys/ssh_host_rsa
PidFile $T/run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
AllowUsers ${users[*]}
LogLevel VERBOSE
MaxStartups ${TESTBED_MAXSTARTUPS:-10:30:100}
MaxSessions ${TESTBED_MAXSESSIONS:-10}
SetEnv SLURM_CONF=$T/etc/slurm.conf
Subsystem sftp internal-sftp
CONF
write "$T/env.sh" 644 root:root <<CONF
export TESTBED=$T SLURM_CONF=$T/etc/slurm.conf MUNGE_SOCKET=$T/munge/munge.sock
export TESTBED_SSH_PORT=$ssh_port TESTBED_REST=http://127.0.0.1:$rest_port TESTBED_REST_SOCK=$T/rest/slurmrestd.sock
tbssh() { ssh -p $ssh_port -i $T/keys/\$1.ed25519 -o IdentitiesOnly=yes -o UserKnownHostsFile=$T/keys/known_hosts -o BatchMode=yes \$1@127.0.0.1 "\${@:2}"; }
CONF
# So that a plain `squeue` works too, unless this machine has another Slurm.
mkdir -p /etc/slurm
if [ ! -e /etc/slurm/slurm.conf ]; then
  ln -sfn "$T/etc/slurm.conf" /etc/slurm/slurm.conf
fi
export SLURM_CONF=$T/etc/slurm.conf

# ---------------------------------------------------------------- daemons
# wait_for SECONDS WHAT COMMAND...
wait_for() {
  local tries=$(($1 * 20)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || die "timed out waiting for $what (logs: $T/log, $T/ctldlog)"
    sleep 0.05
  done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
as() { local user=$1; shift; setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }

start_munged() {
  [ -s "$T/munge/munge.key" ] || dd if=/dev/urandom of="$T/munge/munge.key" bs=128 count=1 2>/dev/null
  chown munge:munge "$T/munge/munge.key"
  chmod 400 "$T/munge/munge.key"
  if ! alive "$T/munge/munged.pid"; then
    rm -f "$T"/munge/munge.sock*
    # --force: the state directory may be below a world-writable one.
    as munge munged --force --key-file "$T/munge/munge.key" --socket "$T/munge/munge.sock" --num-threads 4 \
      --pid-file "$T/munge/munged.pid" --log-file "$T/munge/munged.log" --seed-file "$T/munge/munged.seed"
  fi
  wait_for 10 munged test -S "$T/munge/munge.sock"
}

sql() { mariadb --no-defaults --socket="$T/db-run/mysql.sock" -uroot "$@"; }
start_mariadb() {
  if ! alive "$T/db-run/mariadb.pid"; then
    if [ ! -d "$T/db/mysql" ]; then
      install -d -m 700 -o mysql -g mysql "$T/db"
      mariadb-install-db --no-defaults --user=mysql --datadir="$T/db" --auth-root-authentication-method=normal \
        --skip-test-db >"$T/log/mariadb-install.log" 2>&1
    fi
    setsid mariadbd --no-defaults --user=mysql --datadir="$T/db" --socket="$T/db-run/mysql.sock" \
      --pid-file="$T/db-run/mariadb.pid" --bind-address=127.0.0.1 --port="$db_port" --log-error="$T/db-run/mariadb.err" \
      --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-lock-wait-timeout=900 \
      --innodb-flush-log-at-trx-commit=0 --performance-schema=OFF </dev/null >/dev/null 2>&1 &
  fi
  wait_for 60 MariaDB sql -e 'select 1'
  sql -e "CREATE DATABASE IF NOT EXISTS slurm_acct_db;
    CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
    CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY 'slurm';
    GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1'; GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';"
}

start_accounting() {
  alive "$T/runctld/slurmdbd.pid" || slurmdbd
  wait_for 60 slurmdbd sacctmgr -n list cluster
  local members user
  sacctmgr -n -P list cluster format=cluster | grep -qx "$cluster" || sacctmgr -i -Q add cluster "$cluster" >/dev/null
  sacctmgr -n -P list account format=account | grep -qx $account ||
    sacctmgr -i -Q add account $account cluster="$cluster" Description=$account Organization=$account >/dev/null
  members=$(sacctmgr -n -P list assoc cluster="$cluster" account=$account format=user)
  for user in "${users[@]}"; do
    grep -qx "$user" <<<"$members" || sacctmgr -i -Q add user "$user" account=$account cluster="$cluster" >/dev/null
  done
  sacctmgr -n -P list account $account withcoord format=coord | grep -qw "${users[0]}" ||
    sacctmgr -i -Q add coordinator account=$account names="${users[0]}" >/dev/null
}

usable_nodes() { [ "$(sinfo -h -N -p all -o '%t' | grep -cE '^(idle|mix|alloc|comp)$')" = "$nodes" ]; }
start_slurm() {
  local node
  alive "$T/runctld/slurmctld.pid" || slurmctld -i
  wait_for 60 slurmctld scontrol ping
  for ((node = 1; node <= nodes; node++)); do
    mkdir -p "$T/spool/node$node"
    alive "$T/run/slurmd-node$node.pid" || slurmd -N "node$node"
  done
  wait_for 60 "the nodes" usable_nodes
}

# slurmrestd runs neither as root nor as SlurmUser; rest_auth/local would act as the daemon's own user.
start_slurmrestd() {
  local run=(env SLURM_JWT=daemon setsid setpriv --reuid slurmrest --regid slurmrest --clear-groups)
  if ! alive "$T/run/slurmrestd.pid"; then
    "${run[@]}" slurmrestd -f "$SLURM_CONF" -a rest_auth/jwt "127.0.0.1:$rest_port" \
      </dev/null >>"$T/log/slurmrestd.log" 2>&1 &
    echo $! >"$T/run/slurmrestd.pid"
  fi
  if ! alive "$T/run/slurmrestd-unix.pid"; then
    rm -f "$T/rest/slurmrestd.sock"
    "${run[@]}" bash -c "umask 0; exec slurmrestd -f '$SLURM_CONF' -a rest_auth/jwt 'unix:$T/rest/slurmrestd.sock'" \
      </dev/null >>"$T/log/slurmrestd-unix.log" 2>&1 &
    echo $! >"$T/run/slurmrestd-unix.pid"
  fi
  wait_for 20 slurmrestd listens "$rest_port"
  wait_for 20 "slurmrestd's socket" test -S "$T/rest/slurmrestd.sock"
}

start_sshd() {
  install -d -m 755 /run/sshd
  alive "$T/run/sshd.pid" || /usr/sbin/sshd -f "$T/etc/sshd_config" -E "$T/log/sshd.log"
  wait_for 10 sshd listens "$ssh_port"
}

start_munged
start_mariadb
say "MariaDB up (port $db_port)"
start_accounting
say "slurmdbd up (port $dbd_port), account $account"
start_slurm
say "slurmctld up (port $ctld_port) with $nodes nodes (ports $((slurmd_port0 + 1))-$last_port)"
start_slurmrestd
say "slurmrestd up (127.0.0.1:$rest_port and $T/rest/slurmrestd.sock)"
start_sshd
say "sshd up (127.0.0.1:$ssh_port)"
