"""The worst that one user and one network without credentials can send at once: memory stays bounded, others are served.

Weir runs with 512 MB of data at most, so that what is not bounded ends it.
"""

import base64
import concurrent.futures
import contextlib
import functools
import json
import resource
import socket
import threading
import time

import pytest
from harness import Weir, token

MB = 1 << 20
# Each of these was once hundreds of megabytes.
RESIDENT = 300 * MB
DATA = 512 * MB
CONNECTIONS = 60


def bearer(name: str) -> str:
    return "Bearer " + token(f"{name}@example.com")


@pytest.fixture(scope="module")
def bounded(tmp_path_factory):
    """A Weir without a cluster, that dies when it takes more than it may."""
    directory = tmp_path_factory.mktemp("bounded")
    weir = Weir(directory, JARVICE_BAREMETAL_CONNECTOR="dummy", JARVICE_DUMMY_JOB_QUEUED_TIME="0")
    weir.settings["JARVICE_DUMMY_JOB_RUNNING_TIME"] = "1"
    # Readers that take nothing for long are meant to stay, however slow this machine is.
    weir.settings["WEIR_HTTP_WRITE_STALL_SECONDS"] = "600"
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (DATA, before[1]))
    try:
        weir.start()
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
    yield weir
    assert weir.stop() == 0, weir.log


def resident(weir, field: str) -> int:
    """VmRSS, or VmHWM, the most of it there was."""
    for line in open(f"/proc/{weir.process.pid}/status"):
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


def post(path: str, authorization: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    if authorization:
        head += f"Authorization: {authorization}\r\n"
    return head.encode() + b"\r\n" + body


def submission(text: bytes, bearer_token: str, limit: int) -> bytes:
    """A submit whose body is below the limit of its call."""
    args = {
        "name": "worst", "number": 1, "nodes": 1, "hpc_script": {"singularity": ""}, "bearer": bearer_token,
    }  # fmt: skip
    room = limit - len(json.dumps(args)) - 1000
    encoded = base64.b64encode(text[: room // 4 * 3])
    args["hpc_script"]["singularity"] = encoded.decode()
    return json.dumps(args).encode()


@functools.cache
def worst(user: str) -> list:
    """Bodies that would be many times their size in memory."""
    limit = 8 * MB
    own = token(f"{user}@example.com")
    head = b"JOBOBJ_INTERACTIVE=False\nJOBOBJ_APPDEFVERSION=2\nJARVICE_CPU_CORES=1\n"
    command = b"JARVICE_CMD=" + b"A" * 131_000 + b"\n"
    field = b"{DOWNSTREAM_PARAMETERS}"
    texts = [
        head + b"\n" * (limit // 8),
        head + command + field * 12_000,
        head + b"".join(b"JOBOBJ_X%d=1\n" % i for i in range(100_000)),
        head + b"{{" * (limit // 16),
        head + b"\x00" * limit,
        head + "\u00e9".encode() * (limit // 4),
        head + b"JOBOBJ_DEVICES=[" + b"0," * 32_000 + b"0]\n" + b"a\n" * (limit // 8),
    ]
    bodies = [submission(text, own, limit) for text in texts]
    zeros = b"[" + b"0," * (limit // 2 - 4) + b"0]"
    bodies += [zeros, b'{"x":' + zeros[: limit - 100] + b"}", b"[" * limit, b'{"a' * (limit // 3), b'"' + b"\\u0001" * (limit // 7) + b'"']
    return bodies


class Probe:
    """Asks /live again and again, on a connection of its own, as somebody else would.

    Between two calls it sleeps, and notes how late it wakes: that is how long a process that has something to do waits
    on this machine, whatever Weir does.
    """

    PAUSE = 0.01

    def __init__(self, weir):
        self.weir, self.times, self.delays, self.ended = weir, [], [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def run(self):
        with socket.create_connection(self.weir.address, timeout=30) as client:
            slept = time.monotonic()
            while not self.ended.wait(self.PAUSE):
                began = time.monotonic()
                self.delays.append(began - slept - self.PAUSE)
                client.sendall(b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
                slept = time.monotonic()
                self.times.append(slept - began)

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def percentile(self, part: float) -> float:
        return sorted(self.times)[int(len(self.times) * part)]

    def stall(self, part: float) -> float:
        """How late a process wakes on this machine."""
        return sorted(self.delays)[int(len(self.delays) * part)]


def send(weir, request: bytes, linger: float = 0) -> int:
    """The status of the answer; 0 when the connection was cut."""
    with contextlib.suppress(OSError), socket.create_connection(weir.address, timeout=60) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(request)
        answer = client.recv(100)
        time.sleep(linger)
        return int(answer.split(b" ", 2)[1]) if answer else 0
    return 0


@pytest.mark.parametrize("index", range(12))
def test_a_hostile_body_takes_a_small_multiple_of_its_size(bounded, index):
    """One after the other: how much more memory there was at most while it was read."""
    body = worst("kirby")[index]
    # What the first request of all needs, code that is read from disk for one, is not the body's.
    send(bounded, post("/submit", bearer("kirby"), "application/json", b'{"name": "small"}'))
    bounded.submit(held=True)
    open(f"/proc/{bounded.process.pid}/clear_refs", "w").write("5")
    before = resident(bounded, "VmRSS")
    status = send(bounded, post("/submit", bearer("kirby"), "application/json", body))
    assert status in (200, 400, 409, 422), status
    more = resident(bounded, "VmHWM") - before
    assert more < 10 * len(body) + 16 * MB, f"{more / len(body)} times {len(body)} bytes"


def test_worst_of_one_user_and_one_network_is_bounded_and_keeps_nobody_out(bounded):
    began = time.monotonic()
    requests = [post("/submit", bearer("kirby"), "application/json", body) for body in worst("kirby")]
    strangers = [
        post("/submit", "", "application/json", b"[" + b"0," * (8 * MB // 2 - 10))[: 8 * MB],
        b"GET /live HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 30_000,
        b"GET /live HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000,
    ]
    most = 0
    statuses = []
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        probe = stack.enter_context(Probe(bounded))
        # They take nothing and send nothing more.
        for index in range(CONNECTIONS):
            client = stack.enter_context(socket.create_connection(bounded.address, timeout=60))
            client.setblocking(False)
            with contextlib.suppress(OSError):
                client.send(strangers[index % len(strangers)])
        sent = [pool.submit(send, bounded, requests[i % len(requests)], 0.2) for i in range(CONNECTIONS)]
        while not all(future.done() for future in sent):
            assert bounded.process.poll() is None, bounded.log[-4000:]
            most = max(most, resident(bounded, "VmRSS"))
            # Somebody else, and the service, are served meanwhile.
            assert bounded.get("/running").status == 200
            assert bounded.get("/queued", credentials=bearer("mario")).status == 200
            time.sleep(0.05)
        statuses = [future.result() for future in sent]
    median, late, stall = probe.percentile(0.5), probe.percentile(0.99), probe.stall(0.99)
    print(f"{most // MB} MB, /live: {median:.4f} and {late:.4f} s, the machine: {stall:.4f} s, {sorted(statuses)}")
    assert most < RESIDENT, most
    assert set(statuses) <= {0, 200, 400, 409, 422, 429, 503}, statuses
    assert any(status in (400, 409, 422) for status in statuses)
    # A call waits for a processor several times: to be sent, in Weir's loop, beside Weir's work for the hostile user, and to
    # be received. On a machine that is busy with others each may take as long as the probe's own waking.
    assert late < 0.05 + 5 * stall, (late, stall)
    assert median < 0.05 + 5 * probe.stall(0.5), (median, probe.stall(0.5))
    assert time.monotonic() - began < 120


def test_slow_readers_of_large_output_hold_little_and_get_every_byte(bounded):
    """2 MB of control bytes are 12 MB of JSON, for each of 60 readers that read nothing of it for now."""
    job = bounded.submit(name="slow")
    bounded.end(job)
    # What it printed is kept here; the dummy prints little.
    (kept,) = [file for file in (bounded.directory / "state/output").iterdir() if not file.name.endswith(".new")]
    kept.write_bytes(b"\x01" * (2 * MB))
    body = json.dumps(job.args).encode()
    request = post("/exitstatus", bearer("kirby"), "application/json", body)
    tail = post(f"/request/{job.name}/{job.number}/{job.id}/tail", bearer("kirby"), "application/json", b"{}")
    with contextlib.ExitStack() as stack:
        readers = []
        for index in range(CONNECTIONS):
            client = stack.enter_context(socket.socket())
            client.settimeout(60)
            # What the system takes for a slow reader would else be as much as what is sent.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.connect(bounded.address)
            client.sendall(tail if index % 4 == 3 else request)
            readers.append(client)
        for client in readers:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert resident(bounded, "VmRSS") < RESIDENT
        assert bounded.get("/queued", credentials=bearer("mario")).status == 200
        with Probe(bounded) as probe:
            time.sleep(0.5)
        assert probe.percentile(0.5) < 0.05
        # One of them takes it all after all.
        pieces = [b"    "]
        while not pieces[-1].endswith(b'"]]\n'):
            pieces.append(readers[0].recv(4 * MB))
            assert pieces[-1], "cut off"
        answer = b"".join(pieces)
        assert answer.count(b"\\u0001") == 2 * MB
    assert resident(bounded, "VmRSS") < RESIDENT
