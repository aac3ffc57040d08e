"""Weir's HTTP server beside nginx: every row in turns on the same machine, medians and their ratio."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.parse

from figures import note

BINARY = pathlib.Path(os.environ["WEIR_BINARY"])
TURNS = int(os.environ.get("BENCH_TURNS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
JOBS = 1000
KEY = "bench:" + "k" * 40
LIVE = b'{"status":"OK"}'

NGINX = """
worker_processes 2;
worker_rlimit_nofile 16384;
daemon off;
pid {directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  server_tokens off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  open_file_cache max=10;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    location = /live {{ return 200 '{live}'; }}
    location = /running {{ root {directory}; gzip_static on; }}
  }}
}}
"""

PIPELINE = """
init = function(args)
  local requests = {}
  for index = 1, 16 do requests[index] = wrk.format() end
  pipeline = table.concat(requests)
end
request = function() return pipeline end
"""

FORM = """
wrk.method = "POST"
wrk.body = "%s"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def get(port: int, path: str, **headers) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.content = response.read()
    connection.close()
    return response


def await_port(port: int, process: subprocess.Popen):
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
            time.sleep(0.001)


class Load:
    """What wrk saw: requests a second, and the 99th percentile of latency in milliseconds."""

    def __init__(self, port: int, path: str, connections: int, script: pathlib.Path | None = None, **headers):
        command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", "--timeout", "10s"]
        for name, value in headers.items():
            command += ["-H", f"{name.replace('_', '-')}: {value}"]
        if script:
            command += ["-s", str(script)]
        command.append(f"http://127.0.0.1:{port}{path}")
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "Non-2xx" not in output, output
        self.rate = float(re.search(r"Requests/sec: +([\d.]+)", output)[1])
        number, unit = re.search(r"99% +([\d.]+)(us|ms|s)", output).groups()
        self.p99 = float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Weir:
    """`weir serve` with a thousand jobs that run as long as the bench does."""

    def __init__(self, directory: pathlib.Path):
        self.port = free_port()
        self.authorization = "Basic " + base64.b64encode(KEY.encode()).decode()
        settings = {
            "JARVICE_BAREMETAL_CONNECTOR": "dummy", "JARVICE_DUMMY_JOB_QUEUED_TIME": "0",
            "JARVICE_DUMMY_JOB_RUNNING_TIME": "86400", "JARVICE_DUMMY_JOB_FAILING_PERCENT": "0",
            "JARVICE_SCHED_SERVER_KEY": KEY, "JARVICE_SCHED_LOGLEVEL": "40", "WEIR_PORT": str(self.port),
            "WEIR_STATE_DIR": str(directory / "state"), "WEIR_HTTP_CONNECTIONS": "12000",
        }
        self.log = open(directory / "weir.log", "wb")
        began = time.perf_counter()
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **settings}
        self.process = subprocess.Popen([BINARY, "serve"], env=environment, stdout=self.log, stderr=self.log)
        await_port(self.port, self.process)
        assert get(self.port, "/live").content.strip() == LIVE
        self.start = (time.perf_counter() - began) * 1000
        # Idle is what it is a moment after it has started.
        time.sleep(1)
        self.idle, self.own = self.memory("VmRSS"), self.memory("RssAnon")

    def memory(self, kind: str) -> float:
        """Megabytes: VmRSS of all that is resident, RssAnon without the pages of the program and its libraries."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) / 1024

    def submit(self, count: int):
        """Returns the form of a `/runstatus` of one of the jobs, once all of them run."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Authorization": self.authorization, "Content-Type": "application/x-www-form-urlencoded"}
        lines = ["JOBOBJ_INTERACTIVE=False", "JOBOBJ_APPDEFVERSION=2", "JOBOBJ_REPO=registry.example.com/app:latest"]
        lines += ["JARVICE_CPU_CORES=1", "JARVICE_CMD=dHJ1ZQo=", "{DOWNSTREAM_PARAMETERS}", "/bin/true"]
        script = base64.b64encode("\n".join(lines).encode()).decode()
        usual = {"number": 1, "nodes": 1, "bearer": "", "hpc_script": {"singularity": script}}
        for number in range(count):
            args = {"name": f"bench-{number}", **usual}
            connection.request("POST", "/submit", urllib.parse.urlencode({"args": json.dumps(args)}), headers)
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
            job = {"name": args["name"], "number": 1, "jobid": json.loads(answer)[0]}
        while len(json.loads(get(self.port, "/running", Authorization=self.authorization).content)) < count:
            time.sleep(0.2)
        return urllib.parse.urlencode({"args": json.dumps(job)})

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0


@contextlib.contextmanager
def nginx(directory: pathlib.Path, live: bytes):
    port = free_port()
    # Its workers give up root, and have to reach the file.
    directory.chmod(0o755)
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(directory=directory, port=port, live=live.decode()))
    process = subprocess.Popen(["nginx", "-c", configuration, "-p", directory, "-e", "stderr"])
    try:
        await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def row(what: str, weir, peer, reach: str, unit: str = "", good: bool | None = None, aim: str = ""):
    ratio = f"{weir / peer:.2f}" if peer else ""
    peer = f"{peer:,.1f}" if peer else ""
    mark = {None: "", True: "yes", False: "NO"}[good]
    print(f"{what:<44} {weir:>10,.1f} {peer:>10} {unit:<6} {ratio:>6}  {reach:<9} {aim:<8} {mark}", flush=True)
    note(what, unit, weir)


def compare(what: str, reach: float, weir, peer, latency: bool = False, aim: str = ""):
    """Loads both in turns; the ratio is that of the medians."""
    pairs = [(weir(), peer()) if turn % 2 == 0 else (peer(), weir())[::-1] for turn in range(TURNS)]
    mine, theirs = (statistics.median(load.rate for load in loads) for loads in zip(*pairs))
    row(what, mine, theirs, f">= {reach}", "/s", mine / theirs >= reach, aim)
    if latency:
        mine, theirs = (statistics.median(load.p99 for load in loads) for loads in zip(*pairs))
        row("  its 99th percentile", mine, theirs, "<= 1.0", "ms", mine <= theirs)


def hold_idle(weir: Weir, count: int):
    """What is left of /live while so many connections wait, each after one request; with them and without in turns."""
    request = b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n"
    without, beside, resident = [], [], []
    for _ in range(TURNS):
        without.append(Load(weir.port, "/live", 64).p99)
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(socket.create_connection(("127.0.0.1", weir.port))) for _ in range(count)]
            for client in idle:
                client.sendall(request)
            for client in idle:
                assert client.recv(1000).startswith(b"HTTP/1.1 200")
            resident.append(weir.memory("VmRSS"))
            beside.append(Load(weir.port, "/live", 64).p99)
    without, beside, resident = (statistics.median(values) for values in (without, beside, resident))
    row(f"{count:,} idle connections: resident", resident, None, "< 100", "MB", resident < 100)
    row("  99th percentile of /live, beside none idle", beside, without, "<= 2.0", "ms", beside <= 2 * without)


def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        directory = pathlib.Path(directory)
        starts = []
        for number in range(5):
            fresh = directory / f"fresh-{number}"
            fresh.mkdir()
            weir = Weir(fresh)
            starts.append((weir.start, weir.idle, weir.own))
            weir.process.kill()
            weir.process.wait()
        weir = Weir(directory)
        stack.callback(weir.stop)
        form = weir.submit(JOBS)
        known = dict(Authorization=weir.authorization)
        live = get(weir.port, "/live").content
        (directory / "running").write_bytes(get(weir.port, "/running", **known).content)
        zipped = get(weir.port, "/running", **known, **{"Accept-Encoding": "gzip"})
        assert zipped.getheader("Content-Encoding") == "gzip"
        (directory / "running.gz").write_bytes(zipped.content)
        pipeline, post = directory / "pipeline.lua", directory / "post.lua"
        pipeline.write_text(PIPELINE)
        post.write_text(FORM % form)
        peer = stack.enter_context(nginx(directory, live))
        assert get(peer, "/running", **{"Accept-Encoding": "gzip"}).content == zipped.content

        print(f"{'':<44} {'Weir':>10} {'nginx':>10} {'':<6} {'ratio':>6}  {'reach':<9} aim")
        for connections in (64, 1, 1000):
            what = f"GET /live, {connections:,} connection{'s' if connections > 1 else ''}"
            compare(
                what, 1.0, lambda: Load(weir.port, "/live", connections), lambda: Load(peer, "/live", connections),
                **(dict(latency=True, aim=">= 1.15") if connections == 64 else {}))
        compare(
            "GET /live, 64 connections, 16 deep", 1.0, lambda: Load(weir.port, "/live", 64, pipeline),
            lambda: Load(peer, "/live", 64, pipeline))
        compare(
            "POST /runstatus, beside GET /live", 0.5, lambda: Load(weir.port, "/runstatus", 64, post, **known),
            lambda: Load(peer, "/live", 64))
        for name, coding in (("plain", {}), ("gzip", {"Accept_Encoding": "gzip"})):
            compare(
                f"GET /running, {JOBS:,} jobs, {name}, beside a file", 0.7,
                lambda: Load(weir.port, "/running", 64, **known, **coding),
                lambda: Load(peer, "/running", 64, **coding))
        hold_idle(weir, 10_000)
        start, resident, own = (statistics.median(values) for values in zip(*starts))
        row("start to the first answer", start, None, "<= 60", "ms", start <= 60)
        row("resident when idle", resident, None, "<= 25", "MB", resident <= 25)
        row("  without the pages of program and libraries", own, None, "", "MB")


main()
