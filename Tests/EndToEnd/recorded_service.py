"""The recorded calls that need no job: the service itself, refusals, and a service in trouble."""

import itertools
import json
import re
import subprocess

from harness import REPOSITORY, Job, base64_text, fill, wait_until
from recorder import FORM, JOB_CALLS, NAME, REQUESTS, UNKNOWN, RecordedWeir, Recorder
from rig import free_port
from stores import restore


def service(r: Recorder):
    """What the service says of itself, and of jobs that it does not know."""
    r.start()
    admin = r.bearer("mario@example.com", "administrator", groups=["weir-admins"])
    user = r.bearer()
    r.call("live", "GET", "/live", key=None)
    r.call("live-head", "HEAD", "/live", key=None)
    r.call("live-options", "OPTIONS", "/live", key=None)
    r.call("live-with-query", "GET", "/live?a=b", key=None)
    r.call("live-close", "GET", "/live", key=None, Connection="close")
    r.call("options-of-all", "OPTIONS", "*", key=None)
    r.call("ready", "GET", "/ready")
    r.call("ready-head", "HEAD", "/ready", key=None)
    r.call("ready-stranger", "GET", "/ready", key=None)
    r.call("ready-user", "GET", "/ready", key=user)
    r.call("ready-wrong-key", "GET", "/ready", key=None, Authorization="Basic d3Jvbmc6d3Jvbmc=")
    r.call("gc", "GET", "/gc")
    r.call("gc-head", "HEAD", "/gc")
    r.call("nodes", "GET", "/nodes")
    r.call("nodes-head", "HEAD", "/nodes")
    r.call("online", "POST", "/online", {"host": "node1", "status": "online", "comment": ""})
    r.call("online-without-body", "POST", "/online", body="")
    for name in ("queued", "running"):
        r.call(f"{name}-none", "GET", f"/{name}")
        r.call(f"{name}-none-head", "HEAD", f"/{name}")
        r.call(f"{name}-none-user", "GET", f"/{name}", key=user)
        r.call(f"{name}-none-admin", "GET", f"/{name}", key=admin)
    for name in JOB_CALLS:
        r.call(f"{name}-unknown-job", "POST", f"/{name}", UNKNOWN)
        r.call(f"{name}-unknown-job-user", "POST", f"/{name}", UNKNOWN, key=user)
    for name in REQUESTS:
        r.call(f"request-{name}-unknown-job", "POST", f"/request/{NAME}/1/4711/{name}", {"qs": {}})
    r.call("request-wrong-number", "GET", f"/request/{NAME}/one/4711/ping")
    r.call("request-wrong-name", "GET", "/request/a%20b/1/4711/ping")
    r.call("request-wrong-id", "GET", f"/request/{NAME}/1/47%2F11/ping")
    r.call("pvcls-off", "POST", "/request/pvcls", {"qs": {"path": ["/"]}})
    r.call("metrics-user", "GET", "/metrics", key=user)


def metrics(r: Recorder):
    """Metrics of a Weir that was asked nothing else, with a job in each list; then those of an administrator."""
    r.start()
    job = Job(NAME, *r.weir.post("/submit", r.submission(NAME)).json())
    r.await_list("/running", job)
    r.weir.get("/live", credentials="")
    r.weir.get("/queued", credentials="Basic d3Jvbmc6d3Jvbmc=")
    r.call("service", "GET", "/metrics")
    r.call("admin", "GET", "/metrics", key=r.bearer("mario@example.com", "administrator", groups=["weir-admins"]))
    head = r.weir.call("HEAD", "/metrics")
    assert head.status == 200 and not head.body


# ------------------------------------------------------------ refusals


def credentials(r: Recorder):
    """Requests with no or wrong credentials. A fresh Weir each few: after ten wrong ones it slows the sender down."""
    r.start()
    for method, pattern in sorted(routes()):
        if pattern in ("/live", "/ready"):
            continue
        path = pattern.format(name=NAME, number=1, jobid="4711", method="tail")
        body = "" if method == "POST" else None
        r.call(f"none-{method.lower()}{pattern.replace('/', '-').translate(BRACES)}", method, path, key=None, body=body)
    for case, value in {
        "wrong-key": "Basic d3Jvbmc6d3Jvbmc=",
        "basic-not-base64": "Basic ***",
        "basic-empty": "Basic ",
        "no-scheme": "secret",
        "unknown-scheme": 'Digest username="a"',
        "empty": "",
        "token-garbage": "Bearer a.b.c",
        "too-long": "Bearer " + "a" * 20_000,
    }.items():
        r.call(case, "GET", "/running", key=None, Authorization=value)
    r.start()
    for case, made in {
        "expired": {"exp": 1},
        "without-exp": {"exp": None},
        "not-yet-valid": {"nbf": 4_000_000_000},
        "other-issuer": {"iss": "https://elsewhere.example.com"},
        "other-audience": {"aud": "another"},
        "other-signature": {"key": b"another key of thirty-two bytes and more"},
        "without-user": {"email": None},
        "user-not-text": {"email": ["kirby@example.com"]},
    }.items():
        r.call(f"token-{case}", "GET", "/running", key=r.bearer(label=case, **{"email": "kirby@example.com", **made}))
    raw = b"GET /running HTTP/1.1\r\nHost: weir\r\nAuthorization: Basic YTpi\r\nAuthorization: Basic YTpi\r\n\r\n"
    r.send("repeated-header", raw)
    r.start(
        WEIR_JWT_KEY_FILE=None, WEIR_JWT_ALGORITHMS=None, WEIR_JWT_ISSUER=None, WEIR_JWT_AUDIENCE=None,
        WEIR_ADMIN_CLAIM=None,
    )  # fmt: skip
    r.call("tokens-not-taken", "GET", "/running", key=r.bearer())
    r.call("none-where-tokens-are-not-taken", "GET", "/running", key=None)


BRACES = str.maketrans("", "", "{}")


def paths(r: Recorder):
    """Paths and methods that nothing serves."""
    r.start()
    r.call("not-found", "GET", "/nothing")
    r.call("not-found-stranger", "POST", "/nothing", key=None, body="")
    r.call("not-found-below", "GET", "/live/")
    r.call("not-found-options", "OPTIONS", "/nothing")
    r.call("encoded-slash", "GET", "/request%2Fpvcls")
    r.call("path-not-utf8", "GET", "/%ff")
    r.call("unknown-method", "BREW", "/live")
    for pattern in sorted({pattern for _, pattern in routes()}):
        path = pattern.format(name=NAME, number=1, jobid="4711", method="tail")
        case = pattern[1:].replace("/", "-").translate(BRACES)
        r.call(f"{case}-delete", "DELETE", path)
        r.call(f"{case}-options", "OPTIONS", path, key=None)


def malformed(r: Recorder):
    """Requests that the HTTP server refuses before any call sees them."""
    r.start(WEIR_HTTP_HEADER_SECONDS=1)
    host = b"Host: weir\r\n"
    for case, raw in {
        "no-host": b"GET /live HTTP/1.1\r\n\r\n",
        "version-1.0": b"GET /live HTTP/1.0\r\n\r\n",
        "version-2.0": b"GET /live HTTP/2.0\r\n" + host + b"\r\n",
        "version-none": b"GET /live\r\n\r\n",
        "request-line": b"nonsense\r\n\r\n",
        "bare-control": b"GET /a\x01b HTTP/1.1\r\n" + host + b"\r\n",
        "space-before-colon": b"GET /live HTTP/1.1\r\nHost : weir\r\n\r\n",
        "long-line": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        "long-header": b"GET /live HTTP/1.1\r\n" + host + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
        "many-headers": b"GET /live HTTP/1.1\r\n" + host + b"X: y\r\n" * 101 + b"\r\n",
        "expectation": b"POST /online HTTP/1.1\r\n" + host + b"Expect: magic\r\nContent-Length: 1\r\n\r\nx",
        "transfer-encoding": b"POST /online HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "length-and-chunked": b"POST /online HTTP/1.1\r\n" + host
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two-lengths": b"POST /online HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "wrong-length": b"POST /online HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n",
        "unfinished-head": b"GET /live HTTP/1.1\r\nHost: we",
        "query-not-utf8": b"GET /live?a=%ff HTTP/1.1\r\n" + host + b"\r\n",
    }.items():
        r.send(case, raw)


def bodies(r: Recorder):
    """Bodies of the wrong size, kind or content."""
    r.start(WEIR_SUBMIT_BYTES=1024)
    key = r.weir.settings["JARVICE_SCHED_SERVER_KEY"]
    head = f"Host: weir\r\nAuthorization: Basic {base64_text(key)}\r\n"
    for case, path, length in (("submit", "/submit", 1025), ("runstatus", "/runstatus", 65_537)):
        raw = f"POST {path} HTTP/1.1\r\n{head}Content-Length: {length}\r\n\r\n"
        r.send(f"too-large-{case}", raw.encode(), "POST")
    r.call("no-content-type", "POST", "/runstatus", body="args={}")
    r.call("other-content-type", "POST", "/runstatus", body="<a/>", Content_Type="application/xml")
    r.call("compressed", "POST", "/runstatus", body="x", Content_Type=FORM, Content_Encoding="gzip")
    r.call("compressed-json", "POST", "/runstatus", body="{}", Content_Type="application/json", Content_Encoding="br")
    r.call("form-wrong-percent", "POST", "/runstatus", body="args=%zz", Content_Type=FORM)
    r.call("multipart-no-boundary", "POST", "/runstatus", body="x", Content_Type="multipart/form-data")
    r.call("args-missing", "POST", "/runstatus", body="", Content_Type=FORM)
    r.call("args-repeated", "POST", "/runstatus", body="args={}&args={}", Content_Type=FORM)
    r.call("args-empty", "POST", "/runstatus", "")
    r.call("args-not-json", "POST", "/runstatus", "{")
    r.call("args-not-object", "POST", "/runstatus", "[]")
    r.call("body-not-json", "POST", "/runstatus", body="{", Content_Type="application/json")
    for case, change in {
        "name-missing": {"name": None},
        "name-wrong": {"name": "a b"},
        "name-no-text": {"name": {}},
        "number-missing": {"number": None},
        "number-wrong": {"number": -1},
        "number-fraction": {"number": 1.5},
        "id-missing": {"jobid": None},
        "id-wrong": {"jobid": "$(id)"},
    }.items():
        args = {name: value for name, value in {**UNKNOWN, **change}.items() if value is not None}
        r.call(f"argument-{case}", "POST", "/runstatus", args)
    r.call("argument-text-numbers", "POST", "/runstatus", {"name": NAME, "number": "1", "jobid": 4711})
    r.call("argument-qs-no-object", "POST", f"/request/{NAME}/1/4711/tail", {"qs": []})
    r.call("argument-lines-wrong", "GET", f"/request/{NAME}/1/4711/tail?lines=many")


def sources() -> str:
    """The program's own text, without comments."""
    files = sorted(file for part in ("Sources", "connectors") for file in (REPOSITORY / part).rglob("*.swift"))
    return re.sub(r"(?m)^\s*//.*$", "", "\n".join(file.read_text() for file in files))


def routes() -> set:
    """The pairs of method and pattern that the program serves, as its sources register them."""
    text = sources()
    found = {(method, pattern) for method, pattern in re.findall(r'\brouter\.on\(\s*"(\w+)",\s*"([^"]+)"', text)}
    for methods, pattern in re.findall(r'\bon\(\s*&router,\s*\[([^\]]*)\],\s*"([^"]+)"', text):
        found |= {(method, pattern) for method in re.findall(r'"(\w+)"', methods)}
    return found


# ------------------------------------------------------------ the service in trouble


def standby(r: Recorder):
    """A Weir whose state directory another one holds."""
    first = r.start()
    r.start(ready=False, WEIR_STATE_DIR=first.settings["WEIR_STATE_DIR"])
    r.call("live", "GET", "/live", key=None)
    r.call("ready", "GET", "/ready")
    r.call("ready-stranger", "GET", "/ready", key=None)
    for method, path in (("GET", "/running"), ("POST", "/submit"), ("GET", "/nothing"), ("GET", "/metrics")):
        r.call(f"{method.lower()}{path.replace('/', '-')}", method, path, body="" if method == "POST" else None)


def unreachable(r: Recorder):
    """A cluster that cannot be reached."""
    key, users = r.directory / "key", r.directory / "users.yaml"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    users.write_text(json.dumps({"users_id_mapping": [
        {"user": "kirby", "jarvice_user": "kirby", "mail": "kirby@example.com", "mapped_user": "kirby",
         "ssh_private_key_b64": base64_text(key.read_bytes())}
    ]}))  # fmt: skip
    users.chmod(0o600)
    r.start(
        ready=False, JARVICE_BAREMETAL_CONNECTOR="slurm", JARVICE_SLURM_CLUSTER_ADDR="127.0.0.1",
        JARVICE_SLURM_CLUSTER_PORT=free_port(), JARVICE_SLURM_SSH_USER="observer", JARVICE_SLURM_SSH_PKEY_FILE=key,
        WEIR_USERS_FILE=users, WEIR_VAULT_ROOTS="/data",
    )  # fmt: skip
    user = r.bearer()
    wait_until(lambda: r.weir.get("/gc").status == 500, 20, 0.05)
    r.call("live", "GET", "/live", key=None)
    r.call("ready", "GET", "/ready")
    r.call("ready-stranger", "GET", "/ready", key=None)
    r.call("gc", "GET", "/gc")
    r.call("queued", "GET", "/queued")
    r.call("running", "GET", "/running")
    r.call("running-user", "GET", "/running", key=user)
    for name in JOB_CALLS:
        r.call(f"{name}-unknown-job", "POST", f"/{name}", UNKNOWN)
        r.call(f"{name}-unknown-job-user", "POST", f"/{name}", UNKNOWN, key=user)
    r.call("submit", "POST", "/submit", r.submission(NAME))
    r.call("submit-user-not-mapped", "POST", "/submit", r.submission("other", user="luigi@example.com"))
    r.call("pvcls", "POST", "/request/pvcls", {"qs": {"path": ["/data"]}})
    r.call("pvcls-outside", "GET", "/request/pvcls?path=/etc")
    r.call("pvcls-path-wrong", "GET", "/request/pvcls?path=/data/../etc")
    r.call("pvcls-user-not-mapped", "GET", "/request/pvcls?path=/data", key=r.bearer("luigi@example.com"))


def directories(r: Recorder):
    """Listing where the connector has no files."""
    r.start(WEIR_VAULT_ROOTS="/data")
    r.call("get", "GET", "/request/pvcls?path=/data&details=true")
    r.call("post", "POST", "/request/pvcls", {"qs": {"path": ["/data/a"], "details": ["false"]}})
    r.call("details-wrong", "GET", "/request/pvcls?path=/data&details=maybe")


def open_to_all(r: Recorder):
    """A Weir that asks nobody for credentials."""
    r.start(
        WEIR_AUTH="none", JARVICE_SCHED_SERVER_KEY=None, WEIR_ADMIN_CLAIM=None, WEIR_JWT_KEY_FILE=None,
        WEIR_JWT_ALGORITHMS=None, WEIR_JWT_ISSUER=None, WEIR_JWT_AUDIENCE=None,
    )  # fmt: skip
    r.call("foreign-host", "GET", "/running", key=None)
    r.call("foreign-origin", "GET", "/running", key=None, Origin="http://elsewhere.example.com")
    host = "Host: localhost\r\n"
    r.send("running", f"GET /running HTTP/1.1\r\n{host}\r\n".encode())
    r.send("ready", f"GET /ready HTTP/1.1\r\n{host}\r\n".encode())
    r.send("foreign-site", f"GET /running HTTP/1.1\r\n{host}Sec-Fetch-Site: cross-site\r\n\r\n".encode())


def in_doubt(r: Recorder):
    """Calls about a job of which nobody knows whether its submit was accepted: one of an older store."""

    class Restored(RecordedWeir):
        def start(self, ready: bool = True):
            self.jobs = {name: Job(name, id, "", number) for name, number, id, _ in restore("dummy", self.directory / "state")}
            return super().start(ready)

    job = r.start(kind=Restored).jobs["in-doubt"]
    for name in JOB_CALLS:
        r.call(name, "POST", f"/{name}", job.args)
    for name in ("ping", "info", "tail", "abort"):
        r.call(f"request-{name}", "GET", f"/request/{job.name}/{job.number}/{job.id}/{name}")


def full_disk(r: Recorder):
    """A state directory on a disk that is full."""
    disk = r.directory / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "none", disk], check=True)
    try:
        r.start(WEIR_STATE_DIR=disk / "state")
        job = Job(NAME, *r.weir.post("/submit", r.submission(NAME)).json())
        r.learn(job.id)
        r.await_list("/running", job)
        fill(disk)
        numbers = itertools.count(2)
        # The database's log may have room for some more.
        wait_until(lambda: r.weir.post("/submit", r.submission(NAME, number=next(numbers))).status == 503, 20, 0)
        wait_until(lambda: r.weir.get("/ready").status == 503, 20, 0.05)
        r.call("submit", "POST", "/submit", r.submission("refused"))
        r.call("live", "GET", "/live", key=None)
        r.call("ready", "GET", "/ready")
        r.call("ready-stranger", "GET", "/ready", key=None)
        r.call("gc", "GET", "/gc")
        r.call("runstatus", "POST", "/runstatus", job.args)
    finally:
        r.close()
        subprocess.run(["umount", "-l", disk], check=True)
