"""Secrets reach the place where they are needed, and no other."""

import base64
import hashlib
import json
import os
import pathlib
import signal
import sqlite3
import stat
import subprocess
import threading
import urllib.parse

import mkjwt
import pytest
from harness import TESTBED, Weir, base64_text, on_the_node, private_key, script, settings, token
from test_scripts import CLOSED, docker_config

PASSWORDS = {
    "the job's own": "Own-pa55-of-the-job",
    "the job's configuration": "Pa55-from-the-config",
    "the system registry's": "Pa55-of-the-system's-registry",
    "the proxy's": "Pa55-of-the-proxy",
}
PROXY = "http://proxy:" + PASSWORDS["the proxy's"] + "@127.0.0.1:3128"
SERVICE_KEY = "upstream:Key-0f-the-upstream"
PASSPHRASE = "Pa55-phrase-of-the-key"


def forms(secret: bytes) -> set:
    """A secret as it may be written: plain, quoted, in hexadecimal, and in base64 wherever it begins."""
    found = {secret, secret.hex().encode(), urllib.parse.quote(secret).encode()}
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + secret).rstrip(b"=")
        found.add(encoded[(before * 4 + 2) // 3 : -1])
        found.add(encoded[(before * 4 + 2) // 3 : -1].replace(b"+", b"-").replace(b"/", b"_"))
    return found


class CommandLines(threading.Thread):
    """Every command line that any process of this machine, and so of the cluster, has for longer than a moment."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.over = set(), threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:  # it ended meanwhile
                    pass

    def stop(self) -> set:
        self.over.set()
        self.join()
        return self.seen


@pytest.fixture(scope="module")
def traces(cluster, tmp_path_factory):
    """All that a Weir leaves behind while a job with secrets runs: its answers, its log, its state, command lines, and
    what Slurm and sshd keep."""
    directory = tmp_path_factory.mktemp("secrets")
    weir = Weir(
        directory,
        JARVICE_SCHED_LOGLEVEL="10",
        JARVICE_SCHED_SERVER_KEY=SERVICE_KEY,
        JARVICE_DOCKER_USERNAME=base64_text("system"),
        JARVICE_DOCKER_PASSWORD=base64_text(PASSWORDS["the system registry's"]),
        JARVICE_BAREMETAL_HTTP_PROXY=PROXY,
        WEIR_JWT_KEY_FILE=TESTBED / "etc/jwt_hs256.key",
        WEIR_JWT_ALGORITHMS="HS256",
    )
    key = tmp_path_factory.mktemp("keys") / "observer"
    key.write_bytes(private_key("jarvice"))
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", key], check=True)
    weir.settings.update(WEIR_SSH_PASSPHRASE=PASSPHRASE, JARVICE_SLURM_SSH_PKEY=base64_text(key.read_bytes()))
    offsets = {path: path.stat().st_size for path in (TESTBED / "log").glob("*")}
    processes = CommandLines()
    processes.start()
    try:
        return collect(weir.start(), cluster, processes, offsets)
    finally:
        processes.stop()
        if weir.process.poll() is None:
            weir.kill()


def collect(weir, cluster, processes, offsets):
    bearer = token(algorithm="hs256", iss=mkjwt.ISSUER, aud=mkjwt.AUDIENCE)
    text = script(
        on_the_node("echo $JARVICE_DOCKER_PASSWORD | base64 -d | md5sum; echo $SCHTTP_PROXY | md5sum; sleep 2"),
        JOBOBJ_REPO=CLOSED + "/app:latest",
        JOBOBJ_CTRSECRET=base64_text(docker_config(CLOSED, "jarvice", PASSWORDS["the job's configuration"])),
        JOBOBJ_DOCKER_SECRET=json.dumps(
            {"server": CLOSED, "username": "jarvice", "password": PASSWORDS["the job's own"]}
        ),
    )
    # While the controller sleeps sbatch waits, so that its command line is there for longer than a moment.
    controller = cluster.pid("slurmctld")
    os.kill(controller, signal.SIGSTOP)
    threading.Timer(1.5, os.kill, (controller, signal.SIGCONT)).start()
    job = weir.submit(text, bearer=bearer, nodes=2)
    found = [job.rendered.encode(), weir.try_submit(text, job.name, bearer=bearer, nodes=2).body]
    found += [weir.post(path, job.args).body for path in ("/events", "/runstatus", "/exitstatus")]
    found += [weir.get(path).body for path in ("/running", "/queued", "/ready", "/gc")]
    found.append(cluster.run("scontrol", "-d", "show", "job", job.id).encode())
    found.append(cluster.run("squeue", "-a", "-j", job.id, "-O", "ALL").encode())
    found += refusals(weir, text, bearer)
    output = weir.end(job)[2][0]
    found += [weir.request(job, "tail").body, output.encode(), weir.post("/events", job.args).body]
    found.append(cluster.run("sacct", "-j", job.id, "-P", "-o", "ALL").encode())
    assert weir.stop() == 0
    listed = weir.run("config")
    found += [listed.stdout.encode(), listed.stderr.encode()]
    found += [path.read_bytes() for path in weir.directory.rglob("*") if path.is_file()]
    with sqlite3.connect(weir.directory / "state/weir.sqlite") as database:
        found += [line.encode() for line in database.iterdump()]
    for path, offset in offsets.items():
        with open(path, "rb") as log:
            log.seek(offset)
            found.append(log.read())
    lines = processes.stop()
    assert any(b"sbatch" in line for line in lines) and any(b"srun" in line for line in lines)
    return {
        "all": b"\n".join([*found, *lines]), "bearer": bearer, "output": output, "state": weir.directory / "state",
    }  # fmt: skip


def refusals(weir, text, bearer) -> list:
    """What is said of secrets that are wrong."""
    broken = [
        text.replace("JOBOBJ_DOCKER_SECRET=", "JOBOBJ_DOCKER_SECRET=!"),
        text.replace("JOBOBJ_CTRSECRET=", "JOBOBJ_CTRSECRET=!").replace("JOBOBJ_DOCKER_SECRET=", "X="),
        text + "{",
    ]
    answers = [weir.try_submit(each, bearer=bearer) for each in broken]
    assert [answer.status for answer in answers] == [422] * 3
    answers += [weir.try_submit(text, bearer=bearer + "x"), weir.try_submit(text, bearer=bearer[:-9])]
    answers += [weir.get("/running", credentials=each) for each in (f"Bearer {bearer}x", "Basic " + SERVICE_KEY)]
    assert {answer.status for answer in answers[3:]} <= {400, 401}
    return [answer.body for answer in answers]


def absent(secret, traces) -> bool:
    secret = secret.encode() if isinstance(secret, str) else secret
    return not any(form in traces["all"] for form in forms(secret))


def test_secrets_reach_the_job(traces):
    for secret in (PASSWORDS["the job's own"], PROXY + "\n"):
        assert traces["output"].count(hashlib.md5(secret.encode()).hexdigest()) == 2


@pytest.mark.parametrize("secret", PASSWORDS.values(), ids=PASSWORDS.keys())
def test_passwords_are_kept_nowhere(traces, secret):
    assert absent(secret, traces)


def test_service_key_is_kept_nowhere(traces):
    assert absent(SERVICE_KEY, traces) and absent(SERVICE_KEY.split(":")[1], traces)


def test_tokens_are_kept_nowhere(traces):
    assert traces["bearer"].rsplit(".", 1)[1].encode() not in traces["all"]


def test_secret_that_tokens_are_verified_with_is_kept_nowhere(traces):
    assert absent((TESTBED / "etc/jwt_hs256.key").read_bytes(), traces)


@pytest.mark.parametrize("user", ["jarvice", "kirby", "mario"])
def test_private_keys_are_kept_nowhere(traces, user):
    lines = private_key(user).decode().splitlines()[1:-1]
    # The first line of a key in this form is the same in all of them.
    for line in lines[1:]:
        assert line.encode() not in traces["all"]
        assert absent(base64.b64decode("".join(lines))[-120:-40], traces)
    assert b"PRIVATE KEY" not in traces["all"]


def test_passphrase_is_kept_nowhere(traces):
    assert absent(PASSPHRASE, traces)


def test_the_search_finds_what_is_there(traces):
    """A search that finds nothing proves nothing unless it would."""
    assert not absent("upstream", {"all": base64_text("an upstream!").encode()})
    for word in (b"weir:", b"***@127.0.0.1:3128", b"srun", b"SubmitLine", b"shownScript"):
        assert word in traces["all"], word


@pytest.mark.parametrize(
    "name, value",
    [
        ("JARVICE_SCHED_SERVER_KEY", "S3cret-without-a-colon"),
        ("JARVICE_SLURM_SSH_PKEY", "S3cret-that-is-no-key"),
        ("JARVICE_DOCKER_PASSWORD", "S3cret that is no base64!"),
        ("JARVICE_BAREMETAL_HTTP_PROXY", "http://user:S3cret@proxy:99999999"),
    ],
)
def test_settings_that_are_wrong_are_not_repeated(new_weir, name, value):
    done = new_weir(**{name: value}).run("config")
    assert "S3cret" not in done.stdout + done.stderr


def test_state_is_for_its_owner_only(traces):
    assert stat.S_IMODE(os.stat(traces["state"]).st_mode) == 0o700
    for path in traces["state"].rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_effective_settings_mask_the_secrets(new_weir):
    done = new_weir().run("config")
    assert done.returncode == 0
    for name in ("JARVICE_SLURM_CLUSTER_ADDR", "JARVICE_SCHED_SERVER_KEY", "JARVICE_SLURM_SSH_PKEY"):
        assert name in done.stdout
    assert "127.0.0.1" in done.stdout
    assert "testbed:secret" not in done.stdout + done.stderr
    assert settings()["JARVICE_SLURM_SSH_PKEY"][:40] not in done.stdout + done.stderr
