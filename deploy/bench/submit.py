"""What it costs to submit a job: by Weir, and by sbatch over a connection that OpenSSH keeps open."""

import concurrent.futures
import http.client
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import urllib.parse

from harness import TESTBED, Cluster, Weir, base64_text, job_name, on_the_node, script, settings, token

ROUNDS = 40
CLIENTS = 8


class KeptSSH:
    """ssh -o ControlMaster as kirby."""

    def __init__(self, directory: pathlib.Path):
        self.command = [
            "ssh", "-p", settings()["JARVICE_SLURM_CLUSTER_PORT"], "-i", f"{TESTBED}/keys/kirby.ed25519",
            "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={TESTBED}/keys/known_hosts", "-o", "BatchMode=yes",
            "-o", f"ControlPath={directory}/ssh", "kirby@127.0.0.1",
        ]
        subprocess.run([*self.command[:-1], "-o", "ControlMaster=yes", "-fN", self.command[-1]], check=True)

    def submit(self, batch: bytes):
        command = "sbatch --parsable --hold --output=/dev/null --job-name=jarvice_bench"
        subprocess.run([*self.command, command], input=batch, check=True, capture_output=True)

    def close(self):
        subprocess.run([*self.command[:-1], "-O", "exit", self.command[-1]], check=True, capture_output=True)


class Upstream:
    """A client of Weir's that keeps its connection."""

    def __init__(self, weir: Weir):
        self.connection = http.client.HTTPConnection(*weir.address)
        self.headers = {
            "Authorization": "Basic " + base64_text(weir.settings["JARVICE_SCHED_SERVER_KEY"]),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def call(self, method: str, path: str, args=None) -> bytes:
        body = urllib.parse.urlencode({"args": json.dumps(args)}) if args else None
        self.connection.request(method, path, body, self.headers)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
        return answer

    def submit(self):
        text = script(on_the_node("true"))
        hpc = {"singularity": base64_text(text)}
        name = job_name()
        args = {"name": name, "number": 1, "nodes": 1, "hpc_script": hpc, "bearer": bearer, "held": True}
        return json.loads(self.call("POST", "/submit", args))


def milliseconds(action) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def rate(action, clients) -> float:
    """Calls a second, all clients at once."""
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        done = sum(pool.map(lambda client: [action(client) for _ in range(10)] and 10, clients))
    return done / (time.perf_counter() - began)


def row(name: str, weir: float, peer: float, unit: str):
    print(f"{name:<36} {weir:>10.1f} {peer:>10.1f} {unit:<7} {weir / peer:>6.2f}", flush=True)


bearer = token()
with tempfile.TemporaryDirectory() as directory:
    directory = pathlib.Path(directory)
    weir = Weir(directory).start()
    ssh = KeptSSH(directory)
    upstream = Upstream(weir)
    batch = upstream.submit()[1].encode()
    ssh.submit(batch)
    mine, theirs = [], []
    for _ in range(ROUNDS):
        mine.append(milliseconds(upstream.submit))
        theirs.append(milliseconds(lambda: ssh.submit(batch)))
    print(f"{'':<36} {'Weir':>10} {'OpenSSH':>10} {'':<7} {'ratio':>6}")
    row("one submit, median", statistics.median(mine), statistics.median(theirs), "ms")
    row("one submit, 95th percentile", statistics.quantiles(mine, n=20)[-1], statistics.quantiles(theirs, n=20)[-1], "ms")
    upstreams = [Upstream(weir) for _ in range(CLIENTS)]
    rates = [(rate(Upstream.submit, upstreams), rate(lambda _: ssh.submit(batch), upstreams)) for _ in range(3)]
    row(f"submits, {CLIENTS} clients", *map(statistics.median, zip(*rates)), "a second")
    reads = [milliseconds(lambda: upstream.call("GET", "/running")) for _ in range(200)]
    print(f"{'GET /running, median':<36} {statistics.median(reads):>10.2f} {'':>10} ms")
    status = pathlib.Path(f"/proc/{weir.process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    print(f"{'resident memory':<36} {int(resident.split()[1]) / 1024:>10.1f} {'':>10} MB")
    ssh.close()
    weir.stop()
    Cluster().run("scancel", "--user=kirby", "--state=PENDING")
