"""What the tests drive: a Weir process, the calls an upstream makes, and the cluster behind it."""

import base64
import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import string
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TESTBED = pathlib.Path(os.environ.get("TESTBED", "/tmp/testbed"))
sys.path.insert(0, str(REPOSITORY / "deploy/testbed"))
import mkjwt  # noqa: E402

BINARY = pathlib.Path(os.environ.get("WEIR_BINARY", REPOSITORY / ".build/debug/weir"))

HELLO = 'echo "app says hello from $(. /etc/os-release; echo $ID)"'

# The body of the upstream's script: the command in its container, and the word that makes it a success.
IN_CONTAINER = """
export SINGULARITY_NOHTTPS=1
if singularity -s exec $JARVICE_APP_IMAGE /bin/bash -c "$(echo $JARVICE_CMD | base64 -d)"; then
/bin/echo JARVICE_CMD_SUCCESS
else
/bin/echo JARVICE_CMD_FAILURE
fi
"""


def doubled_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def on_the_node(text: str) -> str:
    """A body that runs this shell text on the node itself, which is quicker than in a container."""
    return doubled_braces(text) + "\n/bin/echo JARVICE_CMD_SUCCESS\n"


def base64_text(data) -> str:
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def script(body: str = IN_CONTAINER, command: str = HELLO, **lines: str) -> str:
    """A script as the upstream sends it; `lines` replaces or adds KEY=value lines.

    The job shares its nodes, unlike the upstream's standard, so that tests do not wait for each other's jobs.
    """
    needs = {
        "JOBOBJ_INTERACTIVE": "False",
        "JOBOBJ_APPDEFVERSION": "2",
        "JOBOBJ_ARCH": "x86_64",
        "JOBOBJ_NAE": "testapp",
        "JOBOBJ_REPO": settings()["JARVICE_SYSTEM_REGISTRY"] + "/app:latest",
        "JOBOBJ_CTRSECRET": "",
        "JOBOBJ_USER": "kirbystar",
        "JOBOBJ_DOCKER_SECRET": "",
        "JOBOBJ_DEVICES": '["exclusive=False"]',
        "JOBOBJ_GPUS": "0",
        "JOBOBJ_RAM": "1",
        "JOBOBJ_LICENSES": "",
        "JOBOBJ_WALLTIME": "00:05:00",
        "JARVICE_CPU_CORES": "1",
        "JARVICE_CMD": base64_text(command),
        **lines,
    }
    head = "".join(f"{key}={value}\n" for key, value in needs.items())
    return doubled_braces(head) + "\n{DOWNSTREAM_PARAMETERS}\n" + body


def token(email: str = "kirby@example.com", algorithm: str = "rs256", **claims) -> str:
    return mkjwt.token(algorithm, {"email": email, **claims})


def settings() -> dict:
    """The settings of a Weir for the test cluster."""
    lines = (TESTBED / "weir.env").read_text().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def account(user: str) -> str:
    """The account of a user of the cluster: the names may end with a suffix, which that of the polling account shows."""
    suffix = settings()["JARVICE_SLURM_SSH_USER"].removeprefix("jarvice")
    return user if user.endswith(suffix) else user + suffix


def private_key(user: str, kind: str = "ed25519") -> bytes:
    return (TESTBED / f"keys/{account(user)}.{kind}").read_bytes()


def wait_until(condition, seconds: float = 20, every: float = 0.1):
    """What the condition returned once it was true; an AssertionError when it was not in time."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition.__name__}"
        time.sleep(every)


def fill(directory: pathlib.Path) -> pathlib.Path:
    """Takes all the space that is free on a file system, in one file there."""
    file = directory / "fill"
    with open(file, "ab", buffering=0) as filler:
        for size in (65536, 4096, 512, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                pass
    return file


@contextlib.contextmanager
def kept_full(directory: pathlib.Path):
    """A file system without free space: what others free there meanwhile is taken, too."""
    is_over = threading.Event()

    def keep():
        while not is_over.wait(0.05):
            fill(directory)

    file, keeper = fill(directory), threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        is_over.set()
        keeper.join()
        file.unlink()


def promises_are_kept(result: dict):
    """Of a run of deploy/chaos. Each broken promise is shown in full: pytest shortens a message that is no text."""
    broken = [f"{kind}: {sentence}" for kind in ("lost", "doubled", "faults") for sentence in result[kind]]
    assert not broken, "\n".join(broken)


serials = itertools.count()
names = []


def job_name(user: str = "kirbystar") -> str:
    """One that nobody had before, in the upstream's form."""
    mark = "".join(random.choices(string.ascii_uppercase + string.digits, k=5))
    names.append(f"{time.strftime('%Y%m%d%H%M%S')}-{mark}-testapp-{user}_s{next(serials)}")
    return names[-1]


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return self.json()["error"]


@dataclasses.dataclass
class Job:
    name: str
    id: str
    rendered: str = ""
    number: int = 1

    @property
    def args(self) -> dict:
        return {"name": self.name, "number": self.number, "jobid": self.id}


class Weir:
    """`weir serve` on a free port with a state directory of its own; settings given as None are left out."""

    binary = BINARY

    def __init__(self, directory: pathlib.Path, **changes):
        self.directory = directory
        self.log_file = directory / "log"
        own = {"WEIR_PORT": "0", "WEIR_STATE_DIR": str(directory / "state")}
        # With an upstream's key of its own it does not take the jobs of the others for its own.
        own["JARVICE_SCHED_SERVER_KEY"] = settings()["JARVICE_SCHED_SERVER_KEY"] + uuid.uuid4().hex
        merged = {**settings(), **own, **changes}
        self.settings = {key: str(value) for key, value in merged.items() if value is not None}
        self.process = None
        self.address = ("127.0.0.1", 0)

    @property
    def environment(self) -> dict:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), **self.settings}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs the program to its end, as for settings it refuses."""
        return subprocess.run(
            [self.binary, *arguments], env=self.environment, capture_output=True, text=True, timeout=20, cwd=self.directory
        )

    def start(self, ready: bool = True) -> "Weir":
        offset = self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "serve"],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
            )

        def listens():
            assert self.process.poll() is None, f"Weir ended with {self.process.returncode}:\n{self.log}"
            return re.search(rb"listening on ([\d.]+):(\d+)", self.log_file.read_bytes()[offset:])

        found = wait_until(listens, 20, 0.02)
        self.address = (found[1].decode(), int(found[2]))
        if ready:
            wait_until(lambda: self.get("/ready", credentials="").status == 200, 20, 0.05)
        return self

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    def stop_faults(self) -> list:
        """Stops it; what is wrong with how it ended, as a sentence."""
        status = self.stop()
        return [f"ended with {status}, not 0: {self.log[-1000:]}"] if status else []

    def damage(self) -> list:
        """What PRAGMA integrity_check says of a copy, since opening it would do the recovery that is Weir's own to do."""
        faults = []
        with tempfile.TemporaryDirectory() as copy:
            for file in (self.directory / "state").glob("*.sqlite*"):
                if not file.name.endswith("-shm"):
                    shutil.copy(file, copy)
            for file in pathlib.Path(copy).glob("*.sqlite"):
                database = sqlite3.connect(file)
                result = database.execute("PRAGMA integrity_check").fetchall()
                foreign = database.execute("PRAGMA foreign_key_check").fetchall()
                database.close()
                if result != [("ok",)] or foreign:
                    faults.append(f"the database is damaged: {result} {foreign}")
        return faults

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    # ------------------------------------------------------------ calls

    def call(self, method: str, path: str, body=None, headers=None, credentials=None) -> Answer:
        if credentials is None:
            credentials = "Basic " + base64_text(self.settings.get("JARVICE_SCHED_SERVER_KEY", "none:none"))
        own = {"Authorization": credentials} if credentials else {}
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request(method, path, body, {**own, **(headers or {})})
            response = connection.getresponse()
            fields = {name.lower(): ", ".join(response.headers.get_all(name)) for name in response.headers}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, args=None, **options) -> Answer:
        form = urllib.parse.urlencode({} if args is None else {"args": json.dumps(args)})
        return self.call("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"}, **options)

    def try_submit(self, text=None, name=None, number=1, nodes=1, bearer=None, **more) -> Answer:
        args = {
            "name": name or job_name(),
            "number": number,
            "nodes": nodes,
            "hpc_script": {"singularity": base64_text(text or script())},
            "bearer": bearer or token(),
            **more,
        }
        return self.post("/submit", args)

    def submit(self, text=None, name=None, number=1, **options) -> Job:
        name = name or job_name()
        answer = self.try_submit(text, name, number, **options)
        assert answer.status == 200, answer.body
        id, rendered = answer.json()
        return Job(name, id, rendered, number)

    def listed(self) -> dict:
        """Every living job: its name, and the list it is in. One that just moved is in both, and counts as running; so no
        job is missed, whichever list is asked for first."""
        names = {}
        for path in random.sample(("queued", "running"), 2):
            answer = self.get("/" + path)
            assert answer.status == 200, answer.body
            names[path] = [name for name, _ in answer.json()]
        return {name: path for path in ("queued", "running") for name in names[path]}

    def runs(self, job: Job) -> bool:
        return [job.name, job.id] in self.get("/running").json()

    def request(self, job: Job, method: str, qs=None, **options) -> Answer:
        return self.post(f"/request/{job.name}/{job.number}/{job.id}/{method}", {"qs": qs or {}}, **options)

    def end(self, job: Job, seconds: float = 40) -> list:
        """[code, time, [output, termination state]] once the job is over."""

        def over():
            answer = self.post("/exitstatus", job.args)
            assert answer.status in (200, 409), answer.body
            return answer.status == 200 and answer

        try:
            return wait_until(over, seconds).json()
        except AssertionError as fault:
            raise AssertionError(f"{fault}\n{self.explanation(job)}") from None

    def explanation(self, job: Job) -> str:
        """Why a job is where it is."""
        return Cluster().explanation(job)


class Relay:
    """A way to the cluster's sshd that can be cut."""

    def __init__(self):
        self.target = ("127.0.0.1", int(settings()["JARVICE_SLURM_CLUSTER_PORT"]))
        self.port = 0
        self.open()

    def open(self):
        self.ends = []
        self.server = socket.create_server(("127.0.0.1", self.port))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.server,), daemon=True).start()

    def accept(self, server):
        try:
            while True:
                ends = server.accept()[0], socket.create_connection(self.target)
                self.ends += ends
                for pair in (ends, ends[::-1]):
                    threading.Thread(target=self.copy, args=pair, daemon=True).start()
        except OSError:
            pass

    def copy(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Ends what is connected, and refuses connections from now on."""
        for end in (self.server, *self.ends):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def known_hosts(self, path: pathlib.Path) -> pathlib.Path:
        """A file of the host keys that are found at this end."""
        keys = (TESTBED / "keys/known_hosts").read_text()
        path.write_text(keys.replace(f":{self.target[1]} ", f":{self.port} "))
        return path


class Cluster:
    """The cluster as its administrator sees it."""

    def __init__(self):
        self.environment = {**os.environ, "SLURM_CONF": str(TESTBED / "etc/slurm.conf")}
        # What was submitted here.
        self.ids = []

    def run(self, *command: str, user: str = None, stdin: str = None) -> str:
        user = user and account(user)
        prefix = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        done = subprocess.run(
            [*prefix, *command], env=self.environment, input=stdin, capture_output=True, text=True, timeout=30, cwd="/",
            errors="replace",
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def sbatch(self, *options: str, text: str = "sleep 60", user: str = "kirby") -> str:
        command = ["sbatch", "--parsable", "--output=/dev/null", *options]
        self.ids.append(self.run(*command, user=user, stdin=f"#!/bin/bash\n{text}\n").strip())
        return self.ids[-1]

    def submissions(self, name: str) -> set:
        """The ids of every job that this name ever was submitted as."""
        queue = self.run("squeue", "-h", "-t", "all", "-o", "%A", "--name", "jarvice_" + name)
        history = self.run(
            "sacct", "-X", "-n", "-P", "-a", "-o", "JobID", "--name", "jarvice_" + name, "-S", "now-1hour"
        )
        return set(queue.split()) | set(history.split())

    def end(self, names: list, ids: list = ()):
        """Cancels what is left of these jobs, and waits until their nodes are free."""
        ours = {"jarvice_" + name for name in names} | set(ids)

        def gone():
            # A name may hold line ends.
            queue = (line.split(" ", 2) for line in self.run("squeue", "-h", "-o", "%A %T %j").split("\n"))
            left = {row[0]: row[1] for row in queue if len(row) > 1 and ours & {row[0], row[-1]}}
            if running := [id for id, state in left.items() if state != "COMPLETING"]:
                subprocess.run(["scancel", *running], env=self.environment, timeout=30)
            return not left

        wait_until(gone, 30)

    def explanation(self, job: Job) -> str:
        """Why a job is where it is."""
        commands = ["scontrol", "show", "job", job.id], ["squeue", "--all"], ["sinfo", "-R"], ["sinfo", "-N", "-l"]
        return "\n".join(
            subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30).stdout
            for command in commands
        )

    def logins(self, user: str) -> int:
        return (TESTBED / "log/sshd.log").read_text(errors="replace").count(f"Accepted publickey for {account(user)} ")

    def pid(self, daemon: str) -> int:
        return int((TESTBED / f"runctld/{daemon}.pid").read_text())

    def home(self, user: str = "kirby") -> pathlib.Path:
        return TESTBED / "home" / account(user)
