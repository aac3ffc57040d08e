"""What Weir adds to a job: submits beside sbatch on the host itself and over a connection that OpenSSH keeps open,
reads while others submit, how soon an end is seen, and how often it logs in."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

from figures import note
from harness import TESTBED, Cluster, Weir, base64_text, job_name, on_the_node, script, settings, token, wait_until

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "60"))
TURNS = int(os.environ.get("BENCH_TURNS", "3"))
CLIENTS = 8
SUBMITS = 25  # by each of them, each turn
ENDS = 6
SBATCH = "sbatch --parsable --hold --output=/dev/null --job-name=jarvice_bench"
# What the DSSR took on an earlier run on such a cluster, as a multiple of sbatch over OpenSSH.
RECORDED = "recorded of the DSSR: 14 times what sbatch over OpenSSH takes; 21 a second with 8 clients; 56 MB"


class Host:
    """sbatch as kirby, here."""

    name = "sbatch here"

    def __init__(self, batch: pathlib.Path):
        self.batch = batch
        environment = {"PATH": os.environ["PATH"], "SLURM_CONF": f"{TESTBED}/etc/slurm.conf"}
        self.options = {"user": "kirby", "extra_groups": [], "env": environment, "cwd": "/"}

    def one(self) -> dict:
        return {"args": SBATCH.split(), "stdin": self.batch.open(), **self.options}

    def many(self) -> dict:
        return {"args": ["/bin/sh", "-c", loop(SBATCH, self.batch)], **self.options}


class OpenSSH:
    """sbatch as kirby, over ssh -o ControlMaster."""

    name = "by OpenSSH"

    def __init__(self, batch: pathlib.Path, directory: pathlib.Path):
        self.batch = batch
        self.command = [
            "ssh", "-p", settings()["JARVICE_SLURM_CLUSTER_PORT"], "-i", f"{TESTBED}/keys/kirby.ed25519",
            "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={TESTBED}/keys/known_hosts", "-o", "BatchMode=yes",
            "-o", f"ControlPath={directory}/ssh", "kirby@127.0.0.1",
        ]
        subprocess.run([*self.command[:-1], "-o", "ControlMaster=yes", "-fN", self.command[-1]], check=True)

    def one(self) -> dict:
        return {"args": [*self.command, SBATCH], "stdin": self.batch.open()}

    def many(self) -> dict:
        return {"args": ["/bin/sh", "-c", loop('"$@"', self.batch), "sh", *self.command, SBATCH]}

    def close(self):
        subprocess.run([*self.command[:-1], "-O", "exit", self.command[-1]], check=True, capture_output=True)


class Upstream:
    """Clients of Weir's that keep their connections."""

    name = "Weir"

    def __init__(self, weir: Weir, directory: pathlib.Path):
        self.directory = directory
        self.address = "{}:{}".format(*weir.address)
        self.connection = http.client.HTTPConnection(self.address)
        self.headers = {
            "Authorization": "Basic " + base64_text(weir.settings["JARVICE_SCHED_SERVER_KEY"]),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def call(self, method: str, path: str, args=None) -> bytes:
        self.connection.request(method, path, form(args) if args else None, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return answer

    def submit(self, **more) -> tuple:
        args = submission(**more)
        id, shown = json.loads(self.call("POST", "/submit", args))
        submitted.append(id)
        return {"name": args["name"], "number": 1, "jobid": id}, shown

    def many(self) -> dict:
        """curl with one connection: a client that takes little time for itself."""
        requests = []
        for _ in range(SUBMITS):
            data = pathlib.Path(tempfile.mkstemp(dir=self.directory)[1])
            data.write_text(form(submission(held=True)))
            options = [f'header = "{name}: {value}"' for name, value in self.headers.items()]
            requests.append("\n".join([f'url = "http://{self.address}/submit"', f'data = "@{data}"', *options]))
        config = pathlib.Path(tempfile.mkstemp(dir=self.directory)[1])
        config.write_text("\nnext\n".join(requests) + "\n")
        return {"args": ["curl", "-sS", "-K", config]}


bearer = token()
submitted = []


def submission(body: str = "true", **more) -> dict:
    hpc = {"singularity": base64_text(script(on_the_node(body)))}
    return {"name": job_name(), "number": 1, "nodes": 1, "hpc_script": hpc, "bearer": bearer, **more}


def form(args: dict) -> str:
    return urllib.parse.urlencode({"args": json.dumps(args)})


def loop(command: str, batch: pathlib.Path) -> str:
    return f"i=0; while [ $i -lt {SUBMITS} ]; do {command} <{batch} || exit; i=$((i + 1)); done"


def ids(answer: bytes) -> list:
    """The jobs in answers of sbatch's or Weir's."""
    found = [first or second for first, second in re.findall(rb'^(\d+)$|\["(\d+)"', answer, re.M)]
    submitted.extend(id.decode() for id in found)
    return found


def milliseconds(action) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def run_one(command: dict):
    assert len(ids(subprocess.run(**command, check=True, capture_output=True).stdout)) == 1


@contextlib.contextmanager
def started(commands: list):
    """Clients that submit, all at once. What they send was made before."""
    with contextlib.ExitStack() as files:
        answers = [files.enter_context(tempfile.TemporaryFile()) for _ in commands]
        clients = [subprocess.Popen(**command, stdout=answer) for command, answer in zip(commands, answers)]
        yield clients
        for client, answer in zip(clients, answers):
            client.wait()
            answer.seek(0)
            assert len(ids(answer.read())) == SUBMITS


def rate(commands: list) -> float:
    """Submits a second."""
    began = time.perf_counter()
    with started(commands) as clients:
        for client in clients:
            client.wait()
        return len(commands) * SUBMITS / (time.perf_counter() - began)


def cancel_all(upstream: Upstream):
    """Held jobs would slow the ones to come, and so would Weir's work for those that have just ended."""
    for start in range(0, len(submitted), 500):
        Cluster().run("scancel", *submitted[start : start + 500])
    submitted.clear()
    wait_until(lambda: upstream.call("GET", "/queued").strip() == b"[]", 60)
    time.sleep(2)


def row(name: str, unit: str, weir: float, *peers: float):
    cells = "".join(f"{peer:>12.1f} {weir / peer:>6.2f}" for peer in peers)
    print(f"{name:<44} {weir:>9.2f} {unit:<8}{cells}", flush=True)
    note(name, unit, weir)


def submits(upstream: Upstream, host: Host, ssh: OpenSSH):
    print(f"{'':<44} {'Weir':>9} {'':<8}" + "".join(f"{peer.name:>12} {'ratio':>6}" for peer in (host, ssh)))
    times = [[], [], []]
    for _ in range(ROUNDS):
        times[0].append(milliseconds(lambda: upstream.submit(held=True)))
        times[1].append(milliseconds(lambda: run_one(host.one())))
        times[2].append(milliseconds(lambda: run_one(ssh.one())))
    row("one submit, median", "ms", *map(statistics.median, times))
    row("one submit, 95th percentile", "ms", *(statistics.quantiles(some, n=20)[-1] for some in times))
    cancel_all(upstream)
    rates = [[], [], []]
    for _ in range(TURNS):
        for results, side in zip(rates, (upstream, host, ssh)):
            results.append(rate([side.many() for _ in range(CLIENTS)]))
            cancel_all(upstream)
    row(f"submits, {CLIENTS} clients, median of {TURNS}", "/s", *map(statistics.median, rates))


def reads(upstream: Upstream):
    job, _ = upstream.submit(held=True)
    for name, call in (
        ("GET /running", lambda: upstream.call("GET", "/running")),
        ("POST /runstatus", lambda: upstream.call("POST", "/runstatus", job)),
    ):
        alone = [milliseconds(call) for _ in range(500)]
        row(name + ", median", "ms", statistics.median(alone))
        busy = []
        with started([upstream.many() for _ in range(CLIENTS)]) as clients:
            while any(client.poll() is None for client in clients):
                busy.append(milliseconds(call))
        row(f"{name} while {CLIENTS} submit, median", "ms", statistics.median(busy))
        row(f"{name} while {CLIENTS} submit, 99th percentile", "ms", statistics.quantiles(busy, n=100)[-1])
    cancel_all(upstream)


def ends(upstream: Upstream):
    """Between the moment when scontrol says that a job is over and the moment when Weir says so."""
    delays = []
    for _ in range(ENDS):
        job, _ = upstream.submit(body="sleep 1")
        over = {}

        def watch_slurm():
            show = ("scontrol", "show", "job", job["jobid"])
            wait_until(lambda: "JobState=COMPLETED" in Cluster().run(*show), 60, 0.03)
            over["Slurm"] = time.monotonic()

        watcher = threading.Thread(target=watch_slurm)
        watcher.start()
        named = json.dumps(job["name"]).encode()
        wait_until(lambda: all(named not in upstream.call("GET", "/" + path) for path in ("queued", "running")), 60, 0.02)
        seen = time.monotonic()
        watcher.join()
        delays.append(seen - over["Slurm"])
    row("an end is seen, after Slurm knows it, median", "s", statistics.median(delays))
    row("an end is seen, after Slurm knows it, longest", "s", max(delays))


def logins(weir: Weir, log: str):
    """By what sshd has logged meanwhile of the ports from which Weir is connected, and by Weir's own log."""
    inodes = {os.readlink(file) for file in pathlib.Path(f"/proc/{weir.process.pid}/fd").iterdir()}
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {int(fields[1].split(":")[1], 16) for fields in rows if f"socket:[{fields[9]}]" in inodes}
    accepted = [user for user, port in re.findall(r"Accepted publickey for (\w+) from \S+ port (\d+)", log)
                if int(port) in ports]
    made = len(re.findall(r"SSH to \S+ connected", weir.log))
    print(f"SSH logins: {made} for {len(set(accepted))} accounts, {len(accepted)} of them in use at the end")


with tempfile.TemporaryDirectory() as directory:
    directory = pathlib.Path(directory)
    directory.chmod(0o711)
    sshd_log = TESTBED / "log/sshd.log"
    log_start = sshd_log.stat().st_size
    weir = Weir(directory).start()
    upstream = Upstream(weir, directory)
    batch = directory / "batch"
    batch.write_text(upstream.submit(held=True)[1])
    batch.chmod(0o644)
    ssh = OpenSSH(batch, directory)
    try:
        submits(upstream, Host(batch), ssh)
        reads(upstream)
        ends(upstream)
        logins(weir, sshd_log.read_bytes()[log_start:].decode(errors="replace"))
        status = pathlib.Path(f"/proc/{weir.process.pid}/status").read_text()
        row("resident memory", "MB", int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
        print(RECORDED)
    finally:
        cancel_all(upstream)
        ssh.close()
        weir.stop()
