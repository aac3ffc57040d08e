"""Calls that are recorded as files and compared with them: the request, the status, the header fields and the body.

A value that differs between two runs is replaced by its name in angle brackets. The body of a 2xx answer is compared byte
for byte. Of an error the texts for people are left out; the members of the object, and its code, are compared.
"""

import difflib
import gzip
import hashlib
import hmac
import http.client
import json
import pathlib
import re
import shutil
import socket
import tempfile
import time
import urllib.parse

from harness import Job, Weir, base64_text, doubled_braces, wait_until

DIRECTORY = pathlib.Path(__file__).with_name("recorded")

SERVICE_KEY = "upstream:not-a-secret"
TOKEN_KEY = b"a key for the recordings, of no use elsewhere"
ISSUER, AUDIENCE = "https://idp.example.com", "weir"
FORM = "application/x-www-form-urlencoded"

# A job's name in the upstream's form, and one that no Weir here knows.
NAME = "20261121010101-AAAAA-testapp-kirbystar_s1"
UNKNOWN = {"name": NAME, "number": 1, "jobid": "4711"}
JOB_CALLS = ["runstatus", "exitstatus", "terminate", "release", "events"]
REQUESTS = ["ping", "connect", "info", "tail", "shutdown", "abort"]

# The texts for people in the object of an error.
TEXTS = ("error", "hint")


def token(email: str = "kirby@example.com", key: bytes = TOKEN_KEY, **claims) -> str:
    """A token by HS256; a claim that is None is left out."""
    now = int(time.time())
    claims = {"email": email, "iat": now, "exp": now + 3600, "iss": ISSUER, "aud": AUDIENCE, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}

    def encode(data: bytes) -> str:
        return base64_text(data).rstrip("=").translate(str.maketrans("+/", "-_"))

    message = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{message}.{encode(hmac.new(key, message.encode(), hashlib.sha256).digest())}"


def script(body: str = "echo hello\n/bin/echo JARVICE_CMD_SUCCESS", **lines) -> str:
    """A script as the upstream sends it; a line that is None is left out."""
    lines = {
        "JOBOBJ_INTERACTIVE": "False",
        "JOBOBJ_APPDEFVERSION": "2",
        "JOBOBJ_ARCH": "x86_64",
        "JOBOBJ_NAE": "testapp",
        "JOBOBJ_REPO": "registry.example.com/app:latest",
        "JOBOBJ_DEVICES": "[]",
        "JOBOBJ_GPUS": "0",
        "JOBOBJ_RAM": "1",
        "JOBOBJ_WALLTIME": "00:05:00",
        "JARVICE_CPU_CORES": "1",
        "JARVICE_CMD": base64_text("true"),
        **lines,
    }
    head = "".join(f"{key}={value}\n" for key, value in lines.items() if value is not None)
    return doubled_braces(head) + "\n{DOWNSTREAM_PARAMETERS}\n" + doubled_braces(body) + "\n"


class RecordedWeir(Weir):
    """A Weir of which every setting is given here: no test cluster is needed."""

    def __init__(self, directory: pathlib.Path, **changes):
        self.directory = directory
        self.log_file = directory / "log"
        key = directory / "token_key"
        key.write_bytes(TOKEN_KEY)
        key.chmod(0o600)
        own = {
            "WEIR_PORT": 0,
            "WEIR_STATE_DIR": directory / "state",
            "WEIR_POLL_INTERVAL": 1,
            "JARVICE_BAREMETAL_CONNECTOR": "dummy",
            "JARVICE_DUMMY_JOB_QUEUED_TIME": 0,
            "JARVICE_DUMMY_JOB_RUNNING_TIME": 86400,
            "JARVICE_DUMMY_JOB_FAILING_PERCENT": 0,
            "JARVICE_SCHED_SERVER_KEY": SERVICE_KEY,
            "JARVICE_SYSTEM_REGISTRY": "registry.example.com",
            "JARVICE_SYSTEM_REPO_BASE": "base",
            "WEIR_ADMIN_CLAIM": "groups:weir-admins",
            "WEIR_JWT_KEY_FILE": key,
            "WEIR_JWT_ALGORITHMS": "HS256",
            "WEIR_JWT_ISSUER": ISSUER,
            "WEIR_JWT_AUDIENCE": AUDIENCE,
            **changes,
        }
        self.settings = {key: str(value) for key, value in own.items() if value is not None}
        self.process = None
        self.address = ("127.0.0.1", 0)


class NobodysWeir(RecordedWeir):
    """One that runs as the account nobody, below /tmp: jobs on this machine never run as root."""

    def __init__(self, directory: pathlib.Path, **changes):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="weir-recorded-"))
        super().__init__(self.top, **changes)
        shutil.copy(Weir.binary, self.top / "program")
        self.binary = self.top / "weir"
        self.binary.write_text(
            f'#!/bin/sh\nexec setpriv --reuid nobody --regid nogroup --clear-groups {self.top}/program "$@"\n'
        )
        self.binary.chmod(0o755)
        for path in (self.top, *self.top.iterdir()):
            shutil.chown(path, "nobody", "nogroup")

    def stop(self) -> int:
        status = super().stop()
        shutil.rmtree(self.top, ignore_errors=True)
        return status


class Recorder:
    """Runs the calls of one scene and compares each with its file, or writes it."""

    def __init__(self, scene: str, directory: pathlib.Path, writes: bool):
        self.scene, self.directory, self.writes = scene, directory, writes
        self.weir = None
        self.weirs = []
        self.patterns = []  # of what differs between two runs and is no fixed text, each with what is shown
        self.seen = set()
        self.jobs = set()
        self.differences = []
        self.names = {base64_text(SERVICE_KEY): "service-key", str(directory): "directory"}

    # ------------------------------------------------------------ Weirs

    def start(self, ready: bool = True, kind=RecordedWeir, **settings) -> Weir:
        directory = self.directory / f"weir{len(self.weirs)}"
        directory.mkdir()
        self.weir = kind(directory, **settings)
        self.weirs.append(self.weir)
        self.version = self.weir.run("--version").stdout.strip()
        self.names[f'"version":"{self.version}"'] = '"version":"<version>"'
        return self.weir.start(ready)

    def close(self):
        for weir in self.weirs:
            if weir.process and weir.process.poll() is None:
                weir.stop()

    def bearer(self, email: str = "kirby@example.com", label: str = None, **options) -> str:
        """A token, shown by a name."""
        made = token(email, **options)
        self.names[made] = f"token-of-{label or email}"
        return made

    # ------------------------------------------------------------ calls

    def call(self, case: str, method: str, path: str, args=None, key: str = "service", body=None, **fields) -> "Reply":
        """Sends a request and compares the answer.

        - `args`: sent as the upstream does.
        - `key`: `service`, a token, or None for a request without credentials.
        - `fields`: more header fields; `_` stands for `-`.
        """
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if args is not None:
            body = urllib.parse.urlencode({"args": args if isinstance(args, str) else json.dumps(args)})
        if args is not None or (body == "" and "Content-Type" not in fields):
            fields["Content-Type"] = FORM
        if key:
            own = "Basic " + base64_text(SERVICE_KEY) if key == "service" else "Bearer " + key
            fields = {"Authorization": own, **fields}
        if body is not None:
            body = body.encode() if isinstance(body, str) else body
            fields["Content-Length"] = len(body)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        raw = f"{method} {path} HTTP/1.1\r\nHost: weir\r\n{head}\r\n".encode() + (body or b"")
        return self.send(case, raw, method, shown_args=args)

    def send(self, case: str, raw: bytes, method: str = "GET", shown_args=None) -> "Reply":
        """Sends these bytes and compares the answer."""
        reply = Reply(self.weir.address, raw, method)
        assert case not in self.seen, f"two cases are called {case}"
        self.seen.add(case)
        if raw.startswith(b"POST /submit ") and reply.status == 200:
            self.learn(json.loads(reply.body)[0])
        self.compare(case, self.request_text(raw, shown_args) + self.answer_text(reply, method))
        return reply

    def learn(self, id: str):
        """A job's id is shown by a name. One of a few digits could be anything: the scene's patterns find it."""
        if len(id) > 10 and id not in self.names:
            self.names[id] = f"job-{len(self.jobs) + 1}"
            self.jobs.add(id)

    def submit(self, case: str, name: str, text: str = None, number: int = 1, user: str = "kirby@example.com", **more) -> Job:
        """A submit by the service that is accepted."""
        reply = self.call(case, "POST", "/submit", self.submission(name, text, number, user, **more))
        assert reply.status == 200, reply.body
        return Job(name, *json.loads(reply.body), int(number))

    def submission(self, name: str, text: str = None, number: int = 1, user: str = "kirby@example.com", **more) -> dict:
        encoded = base64_text(script() if text is None else text)
        self.names[encoded] = "script"
        return {
            "name": name, "number": number, "nodes": 1, "hpc_script": {"singularity": encoded}, "bearer": self.bearer(user),
            **more,
        }  # fmt: skip

    def await_list(self, path: str, *jobs: Job):
        """Waits until these jobs are in a list. One that moved is in the other as well for some seconds."""
        names = [[job.name, job.id] for job in jobs]
        wait_until(lambda: all(name in self.weir.get(path).json() for name in names), 20, 0.02)

    # ------------------------------------------------------------ text

    def request_text(self, raw: bytes, args) -> str:
        head, _, body = raw.decode(errors="backslashreplace").partition("\r\n\r\n")
        lines = [line for line in head.split("\r\n") if line != "Host: weir" and not line.startswith("Content-Length: ")]
        if args is not None:
            body = "args=" + (args if isinstance(args, str) else json.dumps(args))
        text = "\n".join([*lines, *([body] if body else [])])
        text = re.sub(r"(.)\1{99,}", lambda run: f"<{len(run[0])} times {run[1]}>", text)
        return self.named(text) + "\n\n"

    def answer_text(self, reply: "Reply", method: str) -> str:
        body = self.body_text(reply)
        lines = [f"HTTP/1.1 {reply.status} {reply.reason}"]
        for name, value in reply.fields:
            if name == "Date":
                assert time.strptime(value, "%a, %d %b %Y %H:%M:%S GMT")
                value = "<date>"
            elif name == "X-Request-ID":
                value = "<request id>"
            elif name == "Content-Length" and method != "HEAD":
                assert int(value) == reply.length, (value, reply.length)
                value = "<length of the body>"
            elif name == "Content-Length" and reply.path == "/ready":
                value = f"{int(value) - len(self.version)} and the length of <version>"
            lines.append(f"{name}: {self.named(value)}")
        return "\n".join(lines) + "\n\n" + body

    def body_text(self, reply: "Reply") -> str:
        text = self.named(reply.body.decode(errors="backslashreplace"))
        if reply.path.startswith("/metrics") and reply.status == 200:
            return re.sub(r"(?m)^(# HELP \w+) .*$", r"\1 <text>", text)
        is_ready = reply.path.startswith("/ready")
        if not text.startswith("{") or (reply.status < 400 and not is_ready):
            return text
        object = json.loads(text)
        assert json.dumps(object, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" == text, text
        if is_ready:
            for name in {"reasons", "warnings"} & object.keys():
                object[name] = ["<text>" for _ in object[name]]
        for name in TEXTS:
            if name in object:
                assert isinstance(object[name], str) and object[name], text
                object[name] = "<text>"
        return json.dumps(object, sort_keys=True, separators=(",", ":")) + "\n"

    def named(self, text: str) -> str:
        """The text with names in the place of what differs between two runs."""
        for value, name in self.names.items():
            text = text.replace(value, name if name.startswith('"') else f"<{name}>")
        for pattern, name in self.patterns:
            text = re.sub(pattern, name, text)
        if not self.compares_times:
            text = re.sub(r'"\d\d:\d\d:\d\d"', '"<elapsed>"', text)
            text = re.sub(r"\bpretended to run for \d+ s", "pretended to run for <elapsed> s", text)
        return text

    # Set by a scene whose jobs ended by themselves: how long they ran is known.
    compares_times = False

    # ------------------------------------------------------------ files

    def compare(self, case: str, text: str):
        file = DIRECTORY / self.scene / f"{case}.txt"
        if self.writes:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, newline="")
            return
        expected = file.read_bytes().decode() if file.exists() else ""
        if text != expected:
            parts = [part.splitlines(keepends=True) for part in (expected, text)]
            difference = "".join(line if line.endswith("\n") else line + "¶\n" for line in difflib.unified_diff(*parts))
            name = file.relative_to(DIRECTORY)
            self.differences.append(f"{name}: {'differs' if expected else 'no such recording'}\n{difference}")

    def finish(self):
        """Says what differs, and which files no call was made for."""
        left = [file for file in sorted((DIRECTORY / self.scene).glob("*")) if file.stem not in self.seen]
        if self.writes:
            for file in left:
                file.unlink()
        else:
            self.differences += [f"{file.relative_to(DIRECTORY)}: no call was made for it" for file in left]
        assert not self.differences, "\n".join(self.differences)


class Reply:
    """What was answered to a request, as it came."""

    def __init__(self, address, raw: bytes, method: str):
        self.path = raw.split(b" ", 2)[1].decode(errors="replace") if raw.count(b" ") > 1 else ""
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(raw)
            response = http.client.HTTPResponse(connection, method=method)
            response.begin()
            body = response.read()
        self.status, self.reason = response.status, response.reason
        self.fields = list(response.headers.items())
        self.length = len(body)
        self.body = gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body


def write_all(scenes: dict, make_directory) -> None:
    """Writes the recordings of all scenes again."""
    for name, scene in scenes.items():
        run(name, scene, make_directory(), writes=True)
        print(f"{name}: {len(list((DIRECTORY / name).iterdir()))} recordings")


def run(name: str, scene, directory: pathlib.Path, writes: bool = False) -> None:
    recorder = Recorder(name, directory, writes)
    try:
        scene(recorder)
    finally:
        recorder.close()
    recorder.finish()
