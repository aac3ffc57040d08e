#!/usr/bin/env python3
"""What the connector gpu adds to a job: eight sshd's on loopback with eight GPUs each, beside a plain loop of `ssh host true`
over connections that OpenSSH keeps open.

    deploy/bench/gpu.py [JOBS]

JOBS is how many jobs of `true` are queued, 10,000 unless given. Needs root, for the sshd's and an account of their own.
GPUs are counted here, there is no nvidia-smi. Each server has a process table of its own. All of them share this machine's
processors with Weir and with these clients; what else runs here makes every figure worse but the counts.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import pwd
import re
import shlex
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from base64 import b64encode

from figures import note

PROGRAM = os.environ.get("WEIR_BINARY", ".build/release/weir")
JOBS = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 10_000
SERVERS, GPUS = 8, 8
HANDOVERS = 150  # of one GPU from a job to the next
RUNNING = 500  # jobs at once on one server
CLIENTS = 8
ACCOUNT = "weirbench"
CLOCK = os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- servers


def keep_servers(directory: str):
    """Runs the sshd's, adopts what they leave behind and waits for it, until standard input ends: so what all of it has
    cost is counted with this process."""
    import ctypes

    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0, "PR_SET_CHILD_SUBREAPER"
    for config in sorted(pathlib.Path(directory).glob("sshd-*.conf")):
        if os.fork() == 0:
            sshd = ["/usr/sbin/sshd", "-D", "-f", str(config), "-E", str(config.with_suffix(".log"))]
            os.execvp("unshare", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *sshd])
    threading.Thread(target=lambda: (sys.stdin.read(), end_descendants(os.getpid())), daemon=True).start()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def processes() -> dict:
    """The words of /proc/PID/stat from the state on, by pid."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = path.read_text().rsplit(")", 1)[1].split()
    return found


def descendants(pid: int, all_processes: dict) -> list:
    children = {}
    for child, words in all_processes.items():
        children.setdefault(int(words[1]), []).append(child)
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found[1:]


def end_descendants(pid: int):
    while left := descendants(pid, processes()):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)


class Servers:
    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        keys = directory / "keys"
        keys.mkdir()
        for name in ("host", "login"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
        home = directory / "home"
        home.mkdir()
        subprocess.run(["useradd", "-M", "-d", home, "-s", "/bin/sh", "-p", "*", ACCOUNT], check=True)
        self.account = pwd.getpwnam(ACCOUNT)
        os.chown(home, self.account.pw_uid, self.account.pw_gid)
        self.key = keys / "login"
        shutil.copy(keys / "login.pub", directory / "authorized_keys")
        self.ports = free_ports(SERVERS)
        host_key = " ".join((keys / "host.pub").read_text().split()[:2])
        self.known_hosts = keys / "known_hosts"
        self.known_hosts.write_text("".join(f"[127.0.0.1]:{port} {host_key}\n" for port in self.ports))
        for number, port in enumerate(self.ports):
            (directory / f"sshd-{number}.conf").write_text(
                f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nPidFile none\n"
                f"AuthorizedKeysFile {directory}/authorized_keys\nAllowUsers {ACCOUNT}\nUsePAM no\nStrictModes no\n"
                "PasswordAuthentication no\nPrintMotd no\nLogLevel INFO\n"
            )
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.keeper = subprocess.Popen([sys.executable, __file__, "--servers", directory], stdin=subprocess.PIPE)
        self.controls = {}

    def file(self, path: pathlib.Path, count: int, enabled: bool = True, **fields) -> pathlib.Path:
        """A servers file for the first so many of them."""
        servers = []
        for number, port in enumerate(self.ports[:count]):
            lines = {
                "name": f"server{number}", "host": "127.0.0.1", "port": port, "user": ACCOUNT, "key_file": self.key,
                "root": self.directory / "home" / f"{path.stem}-{number}", "gpus": GPUS, "cpus": 1000, "memory": 1000,
                "enabled": str(enabled).lower(), **fields,
            }
            servers.append("  - " + "\n    ".join(f"{name}: {value}" for name, value in lines.items()))
        new = path.with_suffix(".new")
        new.write_text("servers:\n" + "\n".join(servers) + "\n")
        new.rename(path)
        return path

    def ssh(self, number: int) -> list:
        """A command line up to the command, over a connection that is kept."""
        control = self.directory / f"control-{number}"
        command = [
            "ssh", "-p", str(self.ports[number]), "-i", self.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-F", "none", "-o", f"UserKnownHostsFile={self.known_hosts}", "-o", f"ControlPath={control}",
            f"{ACCOUNT}@127.0.0.1",
        ]
        if number not in self.controls:
            self.controls[number] = [*command[:-1], "-O", "exit", command[-1]]
            wait_until(
                lambda: subprocess.run(
                    [*command[:-1], "-o", "ControlMaster=yes", "-fN", command[-1]], stderr=subprocess.DEVNULL
                ).returncode == 0
            )
        return [str(word) for word in command]

    def logins(self) -> list:
        """How many logins each server has seen."""
        logs = [self.directory / f"sshd-{number}.log" for number in range(SERVERS)]
        return [log.read_text(errors="replace").count("Accepted publickey") if log.exists() else 0 for log in logs]

    def seconds(self) -> float:
        """Of processor time, by the servers and everything on them."""
        all_processes = processes()
        family = [self.keeper.pid, *descendants(self.keeper.pid, all_processes)]
        return sum(sum(map(int, all_processes[pid][11:15])) for pid in family) / CLOCK

    def close(self):
        for command in self.controls.values():
            subprocess.run(command, capture_output=True)
        self.keeper.stdin.close()
        self.keeper.wait()
        subprocess.run(["userdel", ACCOUNT], check=True, stderr=subprocess.DEVNULL)


def free_ports(count: int) -> list:
    import socket

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [some.getsockname()[1] for some in sockets]
    for some in sockets:
        some.close()
    return ports


def wait_until(condition, seconds: float = 30, every: float = 0.05):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(every)
    return result


# ---------------------------------------------------------------- Weir


class Weir:
    def __init__(self, servers: Servers, directory: pathlib.Path, file: pathlib.Path, level: int = 20):
        directory.mkdir()
        self.directory = directory
        self.log = directory / "log"
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "WEIR_STATE_DIR": str(directory / "state"), "WEIR_PORT": "0",
            "WEIR_AUTH": "none", "JARVICE_BAREMETAL_CONNECTOR": "gpu", "WEIR_SERVERS_FILE": str(file),
            "WEIR_SSH_KNOWN_HOSTS": str(servers.known_hosts), "JARVICE_SCHED_LOGLEVEL": str(level),
            "WEIR_OWNER_WAITING_JOBS": "0",
        }
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([PROGRAM, "serve"], env=environment, stdout=log, stderr=log)

        def port():
            assert self.process.poll() is None, self.log.read_text()
            return re.search(r"listening on [\d.]+:(\d+)", self.log.read_text())

        self.address = "127.0.0.1", int(wait_until(port)[1])

    def client(self) -> "Client":
        return Client(self.address)

    def is_ready(self) -> bool:
        return self.client().call("/ready")[0] == 200

    def seconds(self) -> float:
        return sum(map(int, processes()[self.process.pid][11:13])) / CLOCK

    def peak(self) -> float:
        """MB of resident memory at most."""
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def rows(self, query: str) -> list:
        store = sqlite3.connect(f"file:{self.directory}/state/weir.sqlite?mode=ro", uri=True)
        with contextlib.closing(store):
            return store.execute(query).fetchall()

    def left(self) -> int:
        """Jobs that are not over."""
        return self.rows("SELECT count(*) FROM job WHERE endedAt IS NULL")[0][0]

    def times(self, state: str) -> list:
        """When each job came to that state, ascending."""
        query = f"SELECT (julianday(time) - 2440587.5) * 86400 FROM jobEvent WHERE \"to\" = '{state}' ORDER BY time"
        return [row[0] for row in self.rows(query)]

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Client:
    """One that keeps its connection."""

    def __init__(self, address: tuple):
        self.connection = http.client.HTTPConnection(*address, timeout=120)

    def call(self, path: str, args=None) -> tuple:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if args else {}
        body = urllib.parse.urlencode({"args": json.dumps(args)}) if args else None
        self.connection.request("POST" if args else "GET", path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def submit(self, name: str, body: str, gpus: int = 1):
        script = (
            "JOBOBJ_INTERACTIVE=False\nJOBOBJ_APPDEFVERSION=2\nJOBOBJ_REPO=registry.example.com/app:latest\n"
            f"JOBOBJ_DEVICES=[]\nJOBOBJ_GPUS={gpus}\nJARVICE_CPU_CORES=1\nJARVICE_CMD=dHJ1ZQo=\n"
            "{DOWNSTREAM_PARAMETERS}\n" + body.replace("{", "{{").replace("}", "}}") + "\necho JARVICE_CMD_SUCCESS\n"
        )
        hpc = {"singularity": b64encode(script.encode()).decode()}
        answer = self.call("/submit", {"name": name, "number": 1, "nodes": 1, "hpc_script": hpc, "bearer": ""})
        assert answer[0] == 200, answer


def submit_all(weir: Weir, count: int, body: str, gpus: int = 1) -> list:
    """When each submit was answered."""

    def some(first: int) -> list:
        client = weir.client()
        times = []
        for number in range(first, count, CLIENTS):
            client.submit(f"bench-{number}", body, gpus)
            times.append(time.monotonic())
        return times

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients:
        return sorted(sum(clients.map(some, range(CLIENTS)), []))


# ---------------------------------------------------------------- what is measured


def row(name: str, unit: str, weir: float, peer: float = None, reach: str = ""):
    cells = f"{peer:>10.1f} {weir / peer:>7.2f}" if peer else f"{'':>10} {'':>7}"
    print(f"{name:<58} {weir:>9.1f} {unit:<3}{cells}  {reach}".rstrip(), flush=True)
    note(name, unit, weir)


def rate(times: list) -> float:
    return (len(times) - 1) / max(1e-9, times[-1] - times[0])


def percentile(values: list, hundredths: int) -> float:
    return statistics.quantiles(values, n=100)[hundredths - 1]


def gaps(spans: list) -> list:
    """Milliseconds from each end to the next begin."""
    spans = sorted(tuple(map(int, span.split())) for span in spans)
    return [(later[0] - earlier[1]) / 1e6 for earlier, later in zip(spans, spans[1:])]


def handovers(servers: Servers, directory: pathlib.Path):
    """From one job's end to the next one's start on the same GPU, by the clock of the jobs themselves."""
    spans = servers.directory / "home" / "spans"
    file = servers.file(directory / "handovers.yaml", 1, gpus=1)
    weir = Weir(servers, directory / "handovers", file)
    wait_until(weir.is_ready)
    body = f'b=$(date +%s%N); true; echo "$b $(date +%s%N)" >>{spans}'
    submit_all(weir, HANDOVERS, body)
    wait_until(lambda: weir.left() == 0, 300, 0.2)
    weir.stop()
    ours = gaps(spans.read_text().splitlines())
    # The same over ssh: nothing is written down, nothing watched, nothing survives the connection.
    ssh = servers.ssh(0)
    command = "b=$(date +%s%N); true; echo $b $(date +%s%N)"
    theirs = gaps([subprocess.run([*ssh, command], capture_output=True, text=True).stdout for _ in range(HANDOVERS)])
    row("one job's end to the next one's start, median", "ms", statistics.median(ours), statistics.median(theirs), "<= 100")
    row("one job's end to the next one's start, 99th percentile", "ms", percentile(ours, 99), percentile(theirs, 99))


def many(servers: Servers, directory: pathlib.Path):
    """All jobs are queued while the servers are disabled, then these are enabled."""
    file = servers.file(directory / "many.yaml", SERVERS, enabled=False)
    weir = Weir(servers, directory / "many", file)
    wait_until(lambda: weir.client().call("/live")[0] == 200)
    part = min(1000, JOBS // 4)
    submits = submit_all(weir, JOBS, "true")
    row(f"submits of {JOBS:,} jobs, {CLIENTS} clients", "/s", rate(submits))
    row(f"submits, the first {part:,}", "/s", rate(submits[:part]))
    row(f"submits, the last {part:,}", "/s", rate(submits[-part:]))
    before = weir.seconds(), servers.seconds(), servers.logins()
    servers.file(file, SERVERS)
    wait_until(lambda: weir.left() == 0, 60 + JOBS / 5, 1)
    ours, theirs = weir.seconds() - before[0], servers.seconds() - before[1]
    logins = [after - earlier for earlier, after in zip(before[2], servers.logins())]
    starts = weir.times("running")
    bad = weir.rows("SELECT name, state, reason FROM job WHERE state != 'succeeded'")
    assert len(starts) == JOBS and not bad, (len(starts), bad[:3])
    peer_rate, peer_seconds = loops(servers, min(JOBS, 4000))
    row(f"starts of {JOBS:,} jobs, {SERVERS} servers with {GPUS} GPUs", "/s", rate(starts), peer_rate, ">= 60")
    row(f"starts, the first {part:,}", "/s", rate(starts[:part]))
    row(f"starts, the last {part:,}", "/s", rate(starts[-part:]))
    row("processor time for a job, Weir's", "ms", ours * 1000 / JOBS)
    row("processor time for a job, its server's", "ms", theirs * 1000 / JOBS, peer_seconds * 1000)
    row("processor time of it all, Weir's", "s", ours)
    row("processor time of it all, the servers'", "s", theirs)
    row("SSH logins to a server, most", "", max(logins), None, "1")
    row("resident memory of Weir, peak", "MB", weir.peak())
    weir.stop()


def loops(servers: Servers, count: int) -> tuple:
    """`ssh host true` in a loop for each server, all at once: how many a second, and processor seconds a piece on the servers."""
    each = count // SERVERS
    commands = [
        f"i=0; while [ $i -lt {each} ]; do {shlex.join(servers.ssh(number))} true || exit; i=$((i + 1)); done"
        for number in range(SERVERS)
    ]
    before, began = servers.seconds(), time.monotonic()
    loops = [subprocess.Popen(["/bin/sh", "-c", command]) for command in commands]
    assert all(loop.wait() == 0 for loop in loops)
    return each * SERVERS / (time.monotonic() - began), (servers.seconds() - before) / (each * SERVERS)


def sweeps(servers: Servers, directory: pathlib.Path):
    """Looks at many running jobs of one server."""
    file = servers.file(directory / "sweeps.yaml", 1, slots=RUNNING)
    weir = Weir(servers, directory / "sweeps", file, level=10)
    wait_until(weir.is_ready)
    submit_all(weir, RUNNING, "sleep 3600", gpus=0)
    wait_until(lambda: weir.rows("SELECT count(*) FROM job WHERE state = 'running'")[0][0] == RUNNING, 300, 0.2)
    time.sleep(3)
    begin, processor, seconds = len(weir.log.read_text(errors="replace")), weir.seconds(), 25
    time.sleep(seconds)
    processor = (weir.seconds() - processor) / seconds
    lines = [line for line in weir.log.read_text(errors="replace")[begin:].splitlines() if "weir-sweep" in line]
    times = [float(re.search(r"\bms=([\d.]+)", line)[1]) for line in lines]
    # A poll asks about each job once, and a line on the log has the first of those that its command asks about.
    looks = max(collections.Counter(id for line in lines for id in re.findall(r"\b[0-9A-Z]{26}\b", line)).values())
    ssh = servers.ssh(0)
    peer = []
    for _ in range(50):
        began = time.monotonic()
        subprocess.run([*ssh, "true"], check=True)
        peer.append((time.monotonic() - began) * 1000)
    row(f"commands for one poll of {RUNNING} running jobs of a server", "", len(lines) / looks, None, "1")
    row(f"such a poll, median of {looks}", "ms", statistics.median(times), statistics.median(peer))
    row(f"processor of Weir meanwhile", "%", processor * 100)
    weir.stop()


def main():
    assert os.getuid() == 0, "must be run as root"
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir="/tmp") as directory:
        directory = pathlib.Path(directory)
        directory.chmod(0o711)
        servers = Servers(directory)
        try:
            print(f"{'':<58} {'Weir':>9} {'':<3}{'ssh':>10} {'ratio':>7}  reach")
            for part in (handovers, many, sweeps):
                if not PARTS or part.__name__ in PARTS:
                    part(servers, directory)
        finally:
            servers.close()
            if keep := os.environ.get("BENCH_KEEP"):
                shutil.copytree(directory, keep, ignore=shutil.ignore_patterns("home", "control-*"), dirs_exist_ok=True)


PARTS = os.environ.get("BENCH_PARTS", "").split()
if sys.argv[1:2] == ["--servers"]:
    keep_servers(sys.argv[2])
else:
    main()
