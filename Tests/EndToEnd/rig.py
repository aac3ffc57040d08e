"""GPU servers for the tests: real sshd's on loopback, each with an account, a home and GPUs of its own, and what can go
wrong with them. No cluster is needed, but root: each server has an account on this machine."""

import hashlib
import hmac
import itertools
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from harness import REPOSITORY, Answer, Job, Weir, base64_text, doubled_braces, job_name, wait_until

sys.path.insert(0, str(REPOSITORY / "deploy/chaos"))
sys.path.insert(0, str(REPOSITORY / "deploy/testbed"))
import mkjwt  # noqa: E402
from proxy import Proxy  # noqa: E402

STAND_IN = pathlib.Path(__file__).with_name("nvidia-smi")
BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
PATH = "/usr/local/bin:/usr/bin:/bin"

serials = itertools.count(1)
rigs = itertools.count(1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def parents() -> dict:
    """The parent of each process."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    return found


def is_sshd(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith("/sshd")
    except OSError:
        return False


def connections(listener: int) -> list:
    """The processes of a sshd for its connections, not what runs in them."""
    tree, found = parents(), [listener]
    for pid in found:
        found += [child for child, parent in tree.items() if parent == pid and is_sshd(child)]
    return found[1:]


def kill(pids, number=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def signed(claims: dict, key: bytes) -> str:
    """A token by HS256."""
    now = int(time.time())
    parts = {"alg": "HS256", "typ": "JWT"}, {"iat": now, "exp": now + 3600, "iss": mkjwt.ISSUER, "aud": mkjwt.AUDIENCE, **claims}
    message = b".".join(mkjwt.encode(json.dumps(part).encode()) for part in parts)
    return (message + b"." + mkjwt.encode(hmac.new(key, message, hashlib.sha256).digest())).decode()


class Server:
    """One sshd with its account; what the servers file says of it is in `entry`."""

    def __init__(self, rig: "Rig", name: str, gpus: int = 2, shell: str = "/bin/bash", path: str = None):
        self.rig, self.name = rig, name
        self.account = f"wr{os.getpid()}x{rig.number}{name}"
        self.directory = rig.directory / name
        self.home = self.directory / "home"
        self.smi = self.directory / "smi"
        self.log = self.directory / "sshd.log"
        self.port = free_port()
        self.process = None
        self.prefix = []
        self.options = {}  # of its sshd_config, beside the usual ones
        for directory in (self.directory, self.smi, self.directory / "bin"):
            directory.mkdir(mode=0o755)
        subprocess.run(
            ["useradd", "--no-create-home", "--home-dir", self.home, "--shell", shell, "--password", "*", "--user-group",
             self.account],
            check=True, capture_output=True,
        )  # fmt: skip
        self.uid = pwd.getpwnam(self.account).pw_uid
        self.home.mkdir(mode=0o750)
        os.chown(self.home, self.uid, self.uid)
        # One that is in use by nobody and another, so that tests may say what is on them.
        self.set_gpus(gpus)
        stand_in = self.directory / "bin/nvidia-smi"
        stand_in.write_text(f'#!/bin/sh\nNVIDIA_SMI_STATE={self.smi} exec /bin/sh {rig.directory}/nvidia-smi "$@"\n')
        stand_in.chmod(0o755)
        self.path = path or f"{self.directory}/bin:{PATH}"
        key = self.directory / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.host_key = key.with_suffix(".pub").read_text()
        self.entry = {
            "name": name, "host": "127.0.0.1", "port": self.port, "user": self.account, "key_file": str(rig.key),
            "gpus": gpus, "cpus": 64, "memory": 256,
        }  # fmt: skip

    # ------------------------------------------------------------ sshd

    def configuration(self) -> pathlib.Path:
        file = self.directory / "sshd_config"
        own = "".join(f"{key} {value}\n" for key, value in self.options.items())
        # Of two values the first counts.
        file.write_text(
            f"{own}Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.directory}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.rig.key}.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            f"AllowUsers {self.account}\nMaxStartups 100\nUseDNS no\nPrintMotd no\nSetEnv PATH={self.path}\n"
            "Subsystem sftp internal-sftp\n"
        )
        return file

    def start(self) -> "Server":
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, "/usr/sbin/sshd", "-D", "-e", "-f", self.configuration()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        self.await_start()
        return self

    def await_start(self):
        def answers():
            assert self.process.poll() is None, self.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                return False

        wait_until(answers, 10, 0.02)

    def stop(self, with_connections: bool = True):
        """Ends the sshd that listens, and those of the connections. Jobs run on."""
        ending = connections(self.process.pid) if with_connections else []
        self.process.kill()
        self.process.wait(5)
        kill(ending)

    def restart(self):
        self.stop()
        self.start()

    def logins(self) -> int:
        return self.log.read_text(errors="replace").count(f"Accepted publickey for {self.account} ")

    # ------------------------------------------------------------ the machine

    def processes(self) -> list:
        """All that runs as its account."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if path.stat().st_uid == self.uid and is_alive(int(path.name)):
                    found.append(int(path.name))
            except OSError:
                pass
        return found

    def end_all(self):
        """Ends whatever runs as its account."""

        def over():
            pids = self.processes()
            kill(pids)
            return not pids

        wait_until(over, 10, 0.02)

    def go_down(self):
        """As when the machine loses its power: everything ends, and nothing says so."""
        self.stop()
        self.end_all()

    def come_up(self):
        """As after a reboot: what was written before is of another boot."""
        for record in self.home.glob("*/jobs/*/attempt-*/start"):
            record.write_text(record.read_text().replace(BOOT, "0" * 8 + BOOT[8:]))
        self.start()

    def root(self, weir: "GPUWeir") -> pathlib.Path:
        return self.home / weir.root

    def attempt(self, weir: "GPUWeir", job: Job, number: int = 1) -> pathlib.Path:
        """The directory of a job's attempt."""
        return self.root(weir) / "jobs" / job.id / f"attempt-{number}"

    def wrapper(self, weir: "GPUWeir", job: Job) -> int:
        return int((self.attempt(weir, job) / "start").read_text().split()[0])

    # ------------------------------------------------------------ GPUs

    def gpu(self, index: int) -> str:
        return f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{self.name}{index}')}"

    def set_gpus(self, gpus):
        """What nvidia-smi shows: so many GPUs, or those of these indices."""
        lines = [
            f"{index}, {self.gpu(index)}, 00000000:{index + 1:02X}:00.0, NVIDIA A100-SXM4-80GB, 0, 81920, 31, 0\n"
            for index in (range(gpus) if isinstance(gpus, int) else gpus)
        ]
        self.say("gpus", "".join(lines))

    def set_apps(self, *apps):
        """What runs on the GPUs: pairs of index and pid."""
        self.say("apps", "".join(f"{self.gpu(index)}, {pid}, 4096\n" for index, pid in apps))

    def say(self, file: str, text: str):
        new = self.smi / f".{file}"
        new.write_text(text)
        new.rename(self.smi / file)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.stop()
        self.end_all()
        subprocess.run(["userdel", self.account], capture_output=True)


class BusyBoxServer(Server):
    """One whose PATH has nothing but BusyBox."""

    def __init__(self, rig: "Rig", name: str):
        super().__init__(rig, name, shell="/bin/sh", path=f"{rig.directory}/{name}/busybox")
        directory = self.directory / "busybox"
        directory.mkdir(mode=0o755)
        for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True).stdout.split():
            (directory / applet).symlink_to("/usr/bin/busybox" if os.path.exists("/usr/bin/busybox") else "/bin/busybox")
        shutil.copy(self.directory / "bin/nvidia-smi", directory)


class InnerServer(Server):
    """One in a network of its own, in which only its jump host is too."""

    def __init__(self, rig: "Rig", name: str):
        super().__init__(rig, name)
        self.gate = Gate(rig, self)
        jump = {"host": "127.0.0.1", "port": self.gate.port, "user": self.account}
        self.entry["jump"] = jump
        self.prefix = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]

    def await_start(self):
        wait_until(lambda: "Server listening" in self.log.read_text(), 10, 0.02)

    def remove(self):
        self.gate.stop()
        super().remove()


class Gate:
    """The jump host of a server: listens on loopback, and is on the other side in the server's network."""

    def __init__(self, rig: "Rig", server: Server):
        self.server = server
        self.port = 0
        self.passed = 0
        self.ends = []
        self.open()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        try:
            while True:
                client = listener.accept()[0]
                self.passed += 1
                with client, open(self.server.directory / "gate.log", "ab") as log:
                    namespace = f"--net=/proc/{self.server.process.pid}/ns/net"
                    self.ends.append(
                        subprocess.Popen(
                            ["nsenter", namespace, "/usr/sbin/sshd", "-i", "-e", "-f", self.server.directory / "sshd_config"],
                            stdin=client, stdout=client, stderr=log, cwd="/",
                        )
                    )  # fmt: skip
        except OSError:
            pass

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for end in self.ends:
            kill(connections(end.pid))
            end.kill()
            end.wait()
        self.ends = []


class DistantServer(Server):
    """One that is reached through a network that may fail."""

    def __init__(self, rig: "Rig", name: str):
        super().__init__(rig, name)
        self.proxy = Proxy(("127.0.0.1", self.port))
        self.entry["port"] = self.proxy.port

    def remove(self):
        self.proxy.close()
        super().remove()


class Rig:
    """Servers that are made when they are first asked for, and what they share."""

    KINDS = {"busybox": BusyBoxServer, "inner": InnerServer, "distant": DistantServer}
    SHELLS = {"dash": "/bin/dash", "zsh": "/bin/zsh", "fish": "/usr/bin/fish", "csh": "/bin/csh"}

    def __init__(self):
        assert os.geteuid() == 0, "the servers have accounts of their own, which takes root"
        self.forget_the_dead()
        # Each module of tests that uses the fixture has a rig of its own, in one process.
        self.number = next(rigs)
        # Where every account can go, unlike the directories of pytest.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-rig-"))
        self.directory.chmod(0o755)
        shutil.copy(STAND_IN, self.directory)
        self.key = self.directory / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.token_key = self.directory / "token_key"
        self.token_key.write_text(uuid.uuid4().hex * 2)
        for private in (self.key, self.token_key):
            private.chmod(0o600)
        self.shared = self.directory / "shared"
        self.shared.mkdir()
        self.shared.chmod(0o777)
        os.makedirs("/run/sshd", exist_ok=True)
        self.known_hosts = self.directory / "known_hosts"
        self.known_hosts.touch()
        self.servers = {}
        self.lock = threading.Lock()

    @staticmethod
    def forget_the_dead():
        """Takes the accounts away that a run which was killed has left."""
        for account in pwd.getpwall():
            owner = re.fullmatch(r"wr(\d+)x\w+", account.pw_name)
            if owner and not is_alive(int(owner[1])):
                kill(pid for pid in parents() if os.path.exists(f"/proc/{pid}") and owner_of(pid) == account.pw_uid)
                subprocess.run(["userdel", account.pw_name], capture_output=True)
                if account.pw_dir.startswith("/tmp/weir-rig-"):
                    shutil.rmtree(pathlib.Path(account.pw_dir).parents[1], ignore_errors=True)

    def server(self, name: str) -> Server:
        with self.lock:
            if name not in self.servers:
                if name in self.SHELLS:
                    server = Server(self, name, shell=self.SHELLS[name])
                else:
                    server = self.KINDS.get(name, Server)(self, name)
                self.servers[name] = server
                ports = {server.port, server.entry["port"], server.entry.get("jump", {}).get("port", server.port)}
                self.trust(server, *ports)
                server.start()
            return self.servers[name]

    def trust(self, server: Server, *ports: int):
        """Has a server's key known at these ports."""
        with open(self.known_hosts, "a") as file:
            file.writelines(f"[127.0.0.1]:{port} {server.host_key}" for port in ports)

    def gate(self) -> "Opener":
        return Opener(self.shared / uuid.uuid4().hex)

    def remove(self):
        for server in self.servers.values():
            server.remove()
        shutil.rmtree(self.directory, ignore_errors=True)


def owner_of(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


class Opener:
    """What jobs wait for until the test opens it."""

    def __init__(self, file: pathlib.Path):
        self.file = file
        self.wait = f"until [ -e {file} ]; do sleep 0.1; done"

    def open(self):
        self.file.touch()
        self.file.chmod(0o644)


def job_text(body: str, gpus: int = 1, cores: int = 1, wall: str = "00:05:00", **lines) -> str:
    """A script as the upstream sends it, whose body runs on the server itself."""
    needs = {
        "JOBOBJ_INTERACTIVE": "False",
        "JOBOBJ_APPDEFVERSION": "2",
        "JOBOBJ_ARCH": "x86_64",
        "JOBOBJ_NAE": "testapp",
        "JOBOBJ_REPO": "registry.example.com/app:latest",
        "JOBOBJ_GPUS": str(gpus),
        "JOBOBJ_RAM": "1",
        "JOBOBJ_WALLTIME": wall,
        "JARVICE_CPU_CORES": str(cores),
        "JARVICE_CMD": base64_text("true"),
        **lines,
    }
    head = "".join(f"{key}={value}\n" for key, value in needs.items())
    return doubled_braces(head) + "\n{DOWNSTREAM_PARAMETERS}\n" + doubled_braces(body) + "\n"


SUCCESS = "\n/bin/echo JARVICE_CMD_SUCCESS"


class GPUWeir(Weir):
    """A Weir whose jobs run on servers of the rig, below a job root of its own."""

    def __init__(self, rig: Rig, directory: pathlib.Path, servers, **changes):
        self.rig = rig
        self.directory = directory
        self.log_file = directory / "log"
        self.root = f".weir-{next(serials)}"
        self.servers_file = directory / "servers.yaml"
        self.entries = []
        self.use(*servers)
        own = {
            "JARVICE_BAREMETAL_CONNECTOR": "gpu",
            "WEIR_SERVERS_FILE": self.servers_file,
            "WEIR_SSH_KNOWN_HOSTS": rig.known_hosts,
            "WEIR_STATE_DIR": directory / "state",
            "WEIR_PORT": 0,
            "WEIR_POLL_INTERVAL": 1,
            "WEIR_CANCEL_GRACE": 1,
            "JARVICE_SCHED_SERVER_KEY": "rig:" + uuid.uuid4().hex,
            "WEIR_JWT_KEY_FILE": rig.token_key,
            "WEIR_JWT_ISSUER": mkjwt.ISSUER,
            "WEIR_JWT_AUDIENCE": mkjwt.AUDIENCE,
            **changes,
        }
        self.settings = {key: str(value) for key, value in own.items() if value is not None}
        self.process = None
        self.address = ("127.0.0.1", 0)

    def use(self, *servers, **changes):
        """Writes the servers file: servers, or pairs of one and what is different about it."""
        self.entries = []
        for server in servers:
            server, own = server if isinstance(server, tuple) else (server, {})
            self.entries.append({"root": self.root, **server.entry, **changes, **own})
        self.write(json.dumps({"servers": self.entries}, indent=1))

    def write(self, text: str):
        new = self.servers_file.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o600)
        new.rename(self.servers_file)

    def token(self, email: str = "kirby@example.com") -> str:
        return signed({"email": email}, self.rig.token_key.read_bytes())

    def try_submit(self, text=None, name=None, number=1, nodes=1, bearer=None, **more) -> Answer:
        return super().try_submit(text or job_text("true" + SUCCESS), name, number, nodes, bearer or self.token(), **more)

    def run_job(self, body: str, gpus: int = 1, held=None, **needs) -> Job:
        """Submits a job that succeeds if its body comes to its end."""
        more = {} if held is None else {"held": held}
        return self.submit(job_text(body + SUCCESS, gpus, **needs), **more)

    def number_of(self, job: Job, method: str, **qs) -> str:
        return self.request(job, method, qs).body.decode(errors="replace")

    def output(self, job: Job) -> str:
        return self.end(job)[2][0]

    def warnings(self) -> str:
        return self.get("/ready").body.decode()

    def explanation(self, job: Job) -> str:
        return f"{self.post('/events', job.args).body.decode()}\n{self.warnings()}\n{self.log[-3000:]}"

    def nodes(self, job: Job):
        return self.post("/runstatus", job.args).json()[0]

    def await_running(self, *jobs: Job, seconds: float = 15):
        names = {job.name for job in jobs}

        def run():
            running = self.get("/running")
            return running.status == 200 and names <= {name for name, _ in running.json()}

        wait_until(run, seconds, 0.05)


class LocalWeir(Weir):
    """A Weir as it comes, whose jobs run on this machine, as the account of a server of the rig."""

    def __init__(self, server: Server, **changes):
        self.directory = server.home / f"local-{next(serials)}"
        self.directory.mkdir(mode=0o700)
        os.chown(self.directory, server.uid, server.uid)
        self.log_file = self.directory / "log"
        self.binary = self.directory / "weir"
        shutil.copy(Weir.binary, self.directory / "program")
        user = f"setpriv --reuid {server.uid} --regid {server.uid} --clear-groups"
        self.binary.write_text(f'#!/bin/sh\nexec {user} {self.directory}/program "$@"\n')
        self.binary.chmod(0o755)
        own = {
            "WEIR_AUTH": "none", "WEIR_PORT": 0, "WEIR_STATE_DIR": self.directory / "state", "WEIR_POLL_INTERVAL": 1,
            "WEIR_CANCEL_GRACE": 1, "WEIR_LOCAL_GPUS": 2, **changes,
        }  # fmt: skip
        self.settings = {key: str(value) for key, value in own.items() if value is not None}
        self.process = None
        self.address = ("127.0.0.1", 0)
