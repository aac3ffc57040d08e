"""Secrets reach the place where they are needed, and no other."""

import hashlib
import json
import os
import pathlib
import stat

import pytest
from harness import Weir, base64_text, on_the_node, script, settings, token
from test_scripts import CLOSED, docker_config

PASSWORDS = ["Own-pa55-of-the-job", "Pa55-from-the-config"]


def command_lines() -> list:
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:  # it ended meanwhile
            pass
    return found


@pytest.fixture(scope="module")
def traces(cluster, tmp_path_factory):
    """All that a Weir left behind after a job with secrets: its answers, log, state and command lines."""
    weir = Weir(tmp_path_factory.mktemp("secrets"), JARVICE_SCHED_LOGLEVEL="10").start()
    try:
        return collect(weir, cluster)
    finally:
        if weir.process.poll() is None:
            weir.kill()


def collect(weir, cluster):
    bearer = token()
    text = script(
        on_the_node("echo $JARVICE_DOCKER_PASSWORD | base64 -d | md5sum; sleep 1"),
        JOBOBJ_REPO=CLOSED + "/app:latest",
        JOBOBJ_CTRSECRET=base64_text(docker_config(CLOSED, "jarvice", PASSWORDS[1])),
        JOBOBJ_DOCKER_SECRET=json.dumps({"server": CLOSED, "username": "jarvice", "password": PASSWORDS[0]}),
    )
    job = weir.submit(text, bearer=bearer)
    found = [job.rendered.encode(), *command_lines()]
    found += [weir.post(path, job.args).body for path in ("/events", "/runstatus", "/exitstatus")]
    found += [weir.get(path).body for path in ("/running", "/queued", "/ready", "/gc")]
    output = weir.end(job)[2][0]
    assert weir.stop() == 0
    found += [path.read_bytes() for path in weir.directory.rglob("*") if path.is_file()]
    found.append(cluster.run("sacct", "-j", job.id, "-P", "-o", "ALL").encode())
    return {"all": b"\n".join(found), "bearer": bearer, "output": output, "state": weir.directory / "state"}


def test_password_reaches_the_job(traces):
    assert hashlib.md5(PASSWORDS[0].encode()).hexdigest() in traces["output"]


def test_registry_passwords_are_kept_nowhere(traces):
    for password in PASSWORDS:
        for form in (password, base64_text(password), base64_text("jarvice:" + password)):
            assert form.encode() not in traces["all"]


def test_tokens_are_kept_nowhere(traces):
    assert traces["bearer"].rsplit(".", 1)[1].encode() not in traces["all"]


def test_keys_are_kept_nowhere(traces):
    assert settings()["JARVICE_SLURM_SSH_PKEY"].encode() not in traces["all"]
    assert b"PRIVATE KEY" not in traces["all"]
    assert b"testbed:secret" not in traces["all"]


def test_state_is_for_its_owner_only(traces):
    assert stat.S_IMODE(os.stat(traces["state"]).st_mode) == 0o700


def test_effective_settings_mask_the_secrets(new_weir):
    done = new_weir().run("config")
    assert done.returncode == 0
    for name in ("JARVICE_SLURM_CLUSTER_ADDR", "JARVICE_SCHED_SERVER_KEY", "JARVICE_SLURM_SSH_PKEY"):
        assert name in done.stdout
    assert "127.0.0.1" in done.stdout
    assert "testbed:secret" not in done.stdout + done.stderr
    assert settings()["JARVICE_SLURM_SSH_PKEY"][:40] not in done.stdout + done.stderr
