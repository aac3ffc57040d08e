"""Who may call, who sees what, whose account it is, and what the log says of it."""

import base64
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import http.client
import http.server

import pytest
from harness import (
    BINARY, TESTBED, account, base64_text, job_name, mkjwt, on_the_node, script, settings, token, wait_until
)

TRUE = on_the_node("true")


def bearer(email: str = "kirby@example.com", **claims) -> str:
    return "Bearer " + token(email, **claims)


@pytest.fixture(scope="module")
def held(weir):
    """A job of kirby's that waits."""
    job = weir.submit(script(TRUE), held=True)
    yield job
    weir.post("/terminate", job.args)


# ------------------------------------------------------------ tokens


@pytest.mark.parametrize(
    "claims, reason",
    [
        ({"exp": int(time.time()) - 120}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": int(time.time()) + 600}, "not valid"),
        ({"iat": int(time.time()) + 600}, "future"),
        ({"iss": "https://elsewhere.example.com"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another service"}, "(aud)"),
        ({"aud": ["a", "b"]}, "(aud)"),
        ({"email": None}, "email"),
        ({"email": ["kirby@example.com"]}, "email"),
    ],
)
def test_refused_token_is_401_with_the_reason(weir, claims, reason):
    sent = token(**{"email": "kirby@example.com", **claims})
    answer = weir.get("/running", credentials="Bearer " + sent)
    assert answer.status == 401, answer.body
    assert reason in answer.error, answer.error
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert sent.split(".")[2] not in answer.body.decode() + answer.headers["www-authenticate"]


def test_audience_may_be_one_of_several(weir):
    assert weir.get("/running", credentials=bearer(aud=["other", "weir"])).status == 200


def test_token_in_the_query_is_no_token(weir):
    for name in ("access_token", "bearer", "token"):
        answer = weir.call("GET", f"/running?{name}={token()}", credentials="Basic !")
        assert answer.status == 401


# ------------------------------------------------------------ rights


@pytest.mark.parametrize("path", ["runstatus", "exitstatus", "terminate", "release", "events"])
def test_job_of_another_is_as_one_there_is_not(weir, held, path):
    def hidden(args):
        answer = weir.post("/" + path, args, credentials=bearer("mario@example.com"))
        return answer.status, answer.body.replace("{name}/{number}/{jobid}".format(**args).encode(), b"JOB")

    none = {"name": job_name(), "number": 1, "jobid": "999999"}
    assert hidden(held.args) == hidden({**held.args, "jobid": "999999"}) == hidden(none)
    assert weir.runs(held) is False and weir.listed()[held.name] == "queued"


def test_users_lists_hold_their_own_jobs(weir, held):
    row = [held.name, held.id]
    assert row in weir.get("/queued", credentials=bearer()).json()
    assert row not in weir.get("/queued", credentials=bearer("mario@example.com")).json()
    assert row in weir.get("/queued").json()


def test_administrators_see_and_end_everybodys_jobs(new_weir):
    weir = new_weir(WEIR_ADMIN_CLAIM="groups:weir-admins").start()
    job = weir.submit(script(TRUE), held=True)
    plain = bearer("mario@example.com", groups=["users"])
    assert weir.post("/terminate", job.args, credentials=plain).status == 404
    admin = bearer("mario@example.com", groups=["users", "weir-admins"])
    assert [job.name, job.id] in weir.get("/queued", credentials=admin).json()
    assert weir.post("/terminate", job.args, credentials=admin).status == 200
    assert weir.end(job)[0] == -15


def test_user_may_not_submit_for_another(weir):
    args = {
        "name": job_name(), "number": 1, "nodes": 1, "held": True, "bearer": token("kirby@example.com"),
        "hpc_script": {"singularity": base64_text(script(TRUE))},
    }
    assert weir.post("/submit", args, credentials=bearer("mario@example.com")).status == 403
    assert weir.post("/submit", {**args, "bearer": "x.y.z"}, credentials=bearer("mario@example.com")).status == 401
    assert args["name"] not in weir.listed()


def test_either_service_key_is_good_while_it_changes(new_weir):
    weir = new_weir(JARVICE_SCHED_SERVER_KEY="old:one,new:other").start()
    for key, status in (("old:one", 200), ("new:other", 200), ("old:other", 401), ("one", 401), ("", 401)):
        assert weir.get("/running", credentials="Basic " + base64_text(key)).status == status


def test_metrics_are_for_the_service_and_administrators(new_weir):
    weir = new_weir(WEIR_ADMIN_CLAIM="groups:weir-admins").start()
    weir.get("/running", credentials="Bearer x.y.z")
    assert weir.get("/metrics", credentials=bearer()).status == 403
    assert weir.get("/metrics", credentials="").status == 401
    assert weir.get("/metrics", credentials=bearer(groups=["weir-admins"])).status == 200
    job = weir.submit(script(TRUE), held=True)
    text = weir.get("/metrics").body.decode()
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert samples['weir_refused_credentials_total{reason="malformed"}'] == "1", text
    assert samples['weir_refused_credentials_total{reason="no_credentials"}'] == "1", text
    assert int(samples['weir_jobs{state="held"}']) >= 1 and samples["weir_backend_up"] == samples["weir_store_up"] == "1"
    assert int(samples["weir_ssh_logins_total"]) >= 2 and int(samples["weir_ssh_commands_total"]) >= 2, text
    weir.post("/terminate", job.args)


# ------------------------------------------------------------ keys


class KeySetServer:
    """A key set's address, which may change what it answers, die and return."""

    def __init__(self):
        self.set = {"keys": []}
        self.server = None
        self.port = 0

    def start(self) -> "KeySetServer":
        keys = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(keys.set).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def web_key(kid: str) -> dict:
    """The test cluster's public key as a member of a key set."""
    file = settings()["WEIR_JWT_KEY_FILE"]
    text = subprocess.run(
        ["openssl", "rsa", "-pubin", "-in", file, "-noout", "-modulus"], capture_output=True, text=True, check=True).stdout
    modulus = bytes.fromhex(text.strip().removeprefix("Modulus="))
    encoded = base64.urlsafe_b64encode(modulus).rstrip(b"=").decode()
    return {"kty": "RSA", "kid": kid, "n": encoded, "e": "AQAB", "use": "sig"}


def test_key_set_dies_rotates_and_returns(new_weir):
    keys = KeySetServer().start()
    keys.set = {"keys": [web_key("testbed-1")]}
    weir = new_weir(WEIR_JWT_KEY_FILE=None, WEIR_JWT_JWKS_URL=f"http://127.0.0.1:{keys.port}/keys").start()
    call = lambda kid: weir.get("/running", credentials="Bearer " + mkjwt.token("rs256", {"email": "kirby@example.com"}, kid))
    assert call("testbed-1").status == 200
    answer = call("testbed-2")
    assert answer.status == 401 and "kid" in answer.error

    # A key that is not known asks for the set again, 30 s after the time before.
    keys.stop()
    wait_until(lambda: call("testbed-2").status == 401 and "warnings" in weir.get("/ready").json(), 75, 0.3)
    [warning] = weir.get("/ready").json()["warnings"]
    assert str(keys.port) in warning and "the last valid one stays in use" in warning
    assert str(keys.port) not in weir.get("/ready", credentials="").body.decode(), "that is for administrators"
    assert call("testbed-1").status == 200

    keys.set = {"keys": [web_key("testbed-2")]}
    keys.start()
    wait_until(lambda: call("testbed-2").status == 200, 75, 0.3)
    assert call("testbed-1").status == 401, "its key is gone, and what was remembered with it"
    assert "warnings" not in weir.get("/ready").json()


def test_key_file_is_read_again_when_it_changes(new_weir):
    file = new_weir().directory / "key.pem"
    good = open(settings()["WEIR_JWT_KEY_FILE"]).read()
    file.write_text(good)
    weir = new_weir(WEIR_JWT_KEY_FILE=file).start()
    assert weir.get("/running", credentials=bearer()).status == 200
    file.write_text("-----BEGIN PUBLIC KEY-----\n")
    warnings = wait_until(lambda: weir.get("/ready").json().get("warnings"), 10, 0.2)
    assert str(file) in warnings[0] and weir.get("/running", credentials=bearer()).status == 200
    private = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    file.write_bytes(subprocess.run(["openssl", "rsa", "-pubout"], input=private, capture_output=True, check=True).stdout)
    wait_until(lambda: weir.get("/running", credentials=bearer()).status == 401, 10, 0.3)
    file.write_text(good)
    wait_until(lambda: weir.get("/running", credentials=bearer()).status == 200, 10, 0.3)


# ------------------------------------------------------------ accounts


def test_users_file_is_read_again_when_it_changes(new_weir, cluster):
    first = open(settings()["WEIR_USERS_FILE"]).read()
    kirby, mario = first.split("  - user: mario")[0], first
    file = new_weir().directory / "users.yaml"
    file.touch(0o600)
    file.write_text(kirby)
    weir = new_weir(WEIR_USERS_FILE=file).start()
    submit = lambda: weir.try_submit(script(TRUE), bearer=token("mario@example.com"), held=True)
    answer = submit()
    assert answer.status == 403 and "mario@example.com" in answer.error

    file.write_text(mario)
    answer = wait_until(lambda: (a := submit()).status == 200 and a, 10, 0.3)
    assert cluster.run("squeue", "-h", "-o", "%u", "-j", answer.json()[0]).strip() == account("mario")

    file.write_text("users_id_mapping: [")
    warnings = wait_until(lambda: weir.get("/ready").json().get("warnings"), 10, 0.2)
    assert any("users file" in warning and str(file) in warning for warning in warnings), warnings
    assert submit().status == 200, "the previous state still counts"

    file.write_text(kirby)
    wait_until(lambda: submit().status == 403, 10, 0.3)
    assert "warnings" not in weir.get("/ready").json()
    # Jobs that were taken before stay reachable for their owner, by the key that is kept in their connection or not at all.
    assert weir.get("/queued", credentials=bearer("mario@example.com")).status == 200


def test_refused_login_is_tried_again_once_the_users_file_changes(new_weir):
    good = open(settings()["WEIR_USERS_FILE"]).read()
    kirbys, marios = re.findall(r"ssh_private_key_b64: (\S+)", good)
    file = new_weir().directory / "users.yaml"
    file.touch(0o600)
    file.write_text(good.replace(marios, kirbys))
    weir = new_weir(WEIR_USERS_FILE=file).start()
    log = TESTBED / "log/sshd.log"
    refusals = lambda: log.read_text(errors="replace").count(
        f"Connection closed by authenticating user {account('mario')} ")
    submit = lambda: weir.try_submit(script(TRUE), bearer=token("mario@example.com"), held=True)
    assert submit().status == 503
    warnings = wait_until(lambda: weir.get("/ready").json().get("warnings"), 10, 0.2)
    assert any("mario" in warning for warning in warnings), warnings
    assert "mario" not in weir.get("/ready", credentials="").body.decode(), "that is for administrators"
    before = refusals()
    assert {submit().status for _ in range(3)} == {503} and refusals() == before, "nothing changed, so it is not tried"
    file.write_text(good)
    wait_until(lambda: submit().status == 200, 10, 0.3)
    assert "warnings" not in weir.get("/ready").json()


@pytest.mark.parametrize("name", ["WEIR_USER_CLAIM", "JARVICE_SLURM_USERNAME_CLAIM"])
def test_claim_may_be_the_account_itself(new_weir, cluster, name):
    weir = new_weir(WEIR_USER_MAPPING="claim", **{name: "sub"}).start()

    def submit(sub):
        return weir.try_submit(script(TRUE), bearer=token(sub=sub), held=True)

    answer = submit(account("kirby"))
    assert answer.status == 200, answer.body
    assert cluster.run("squeue", "-h", "-o", "%u", "-j", answer.json()[0]).strip() == account("kirby")
    others = ("root", "slurm", "munge", "daemon", account("jarvice"), account("Kirby"), account("kirby") + "\n")
    for sub in (*others, "-x", "a b", "../x", "x;id", "k" * 33):
        answer = submit(sub)
        assert answer.status in (401, 403), (sub, answer.body)


# ------------------------------------------------------------ secrets from files


def test_secrets_may_come_from_files(new_weir):
    plain = settings()
    directory = new_weir().directory
    changes = {}
    for name in ("JARVICE_SCHED_SERVER_KEY", "JARVICE_SLURM_SSH_PKEY"):
        (directory / name).write_text(plain[name] + "\n")
        changes |= {name: None, name + "_FILE": directory / name}
    weir = new_weir(**changes).start()
    assert weir.get("/running", credentials="Basic " + base64_text(plain["JARVICE_SCHED_SERVER_KEY"])).status == 200
    listing = weir.run("config").stdout
    assert "JARVICE_SCHED_SERVER_KEY=***  # from JARVICE_SCHED_SERVER_KEY_FILE" in listing
    both = new_weir(JARVICE_SCHED_SERVER_KEY_FILE=directory / "JARVICE_SCHED_SERVER_KEY").run("config")
    assert both.returncode == 78 and "JARVICE_SCHED_SERVER_KEY is set too" in both.stderr


def test_memory_is_private(weir):
    limits = open(f"/proc/{weir.process.pid}/limits").read()
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    environment = ["setpriv", "--reuid", account("kirby"), "--clear-groups", "cat", f"/proc/{weir.process.pid}/environ"]
    assert subprocess.run(environment, capture_output=True).returncode != 0


def as_kirby() -> list:
    return ["setpriv", "--reuid", account("kirby"), "--regid", account("kirby"), "--clear-groups"]


def alone(**changes):
    """A Weir without a cluster that runs as kirby, and its log once it listens or has had the time to."""
    directory = tempfile.mkdtemp()
    os.chmod(directory, 0o700)
    shutil.chown(directory, account("kirby"), account("kirby"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"], "HOME": directory, "JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_AUTH": "none",
        "WEIR_PORT": str(port), "WEIR_STATE_DIR": directory + "/state", **changes,
    }
    with open(directory + "/log", "wb") as log:
        process = subprocess.Popen(
            [*as_kirby(), BINARY, "serve"],
            env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory)

    def is_up():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_up, 20, 0.05)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/nodes")
    assert connection.getresponse().read() == b"true"
    return process, pathlib.Path(directory)


def test_memory_is_private_from_other_programs_of_its_account():
    process, directory = alone()
    read = [*as_kirby(), "cat", f"/proc/{process.pid}/environ"]
    try:
        assert open(f"/proc/{process.pid}/status").read().split("Uid:\t")[1].split()[0] != "0"
        assert subprocess.run(read, capture_output=True).returncode != 0
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


# ------------------------------------------------------------ the log


@pytest.mark.parametrize("level, present", [("20", True), ("30", False), ("40", False)])
def test_log_holds_what_its_level_says(level, present):
    process, directory = alone(JARVICE_SCHED_LOGLEVEL=level)
    process.terminate()
    assert process.wait(20) == 0
    log = (directory / "log").read_text()
    assert ("listening on" in log) == (" info request " in log) == present, log
    assert present or log == "", log
    shutil.rmtree(directory)


def lines(weir) -> list:
    return [json.loads(line) for line in weir.log.splitlines()]


def test_each_call_and_each_command_is_a_line_of_json(new_weir):
    weir = new_weir(WEIR_LOG_FORMAT="json").start()
    answer = weir.call(
        "POST", "/submit?secret=hunter2", json.dumps({
            "name": job_name(), "number": 1, "nodes": 1, "held": True, "bearer": token(),
            "hpc_script": {"singularity": base64_text(script(TRUE))},
        }), {"Content-Type": "application/json", "X-Request-ID": "upstream-17"})
    assert answer.status == 200 and answer.headers["x-request-id"] == "upstream-17"
    id = answer.json()[0]
    assert weir.post("/terminate", {"name": "none", "number": 1, "jobid": "1"}).headers["x-request-id"]
    weir.get("/nothing", credentials="Bearer x")
    assert weir.stop() == 0
    found = lines(weir)
    [request] = [line for line in found if line.get("request-id") == "upstream-17" and line["message"] == "request"]
    assert request["method"] == "POST" and request["path"] == "/submit" and request["status"] == 200
    assert request["caller"] == "service" and request["job"] == id and request["address"].startswith("127.0.0.1")
    assert float(request["ms"]) > 0 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", request["time"])
    [command] = [line for line in found if line["message"] == "command" and "sbatch" in line["command"]]
    assert command["request-id"] == "upstream-17" and command["user"] == account("kirby") and str(command["exit"]) == "0"
    assert "127.0.0.1" in command["host"] and float(command["ms"]) > 0
    statuses = [line["status"] for line in found if line["message"] == "request"]
    assert 404 in statuses
    assert "hunter2" not in weir.log


def test_id_of_a_request_that_is_none_is_made_anew(weir):
    for sent in ("a" * 65, "a b", "x\"y", "é"):
        got = weir.get("/live", headers={"X-Request-ID": sent.encode()}).headers["x-request-id"]
        assert got != sent and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", got)


def test_text_from_a_client_cannot_look_like_a_line_of_the_log(new_weir):
    weir = new_weir().start()
    weir.post("/terminate", {"name": "x\n2026-01-01T00:00:00.000Z error made up", "number": 1, "jobid": "1"})
    weir.get("/a%0a2026-01-01T00:00:00.000Z%20error%20made%20up")
    weir.stop()
    assert not re.search(r"^2026-01-01", weir.log, re.M)


def test_log_that_nobody_reads_stops_nothing(new_weir):
    weir = new_weir(JARVICE_SCHED_LOGLEVEL="10")
    with open(weir.log_file, "wb") as log:
        pass
    reader, writer = os.pipe()
    from harness import BINARY

    process = subprocess.Popen(
        [BINARY, "serve"], env=weir.environment, stdout=writer, stderr=writer, stdin=subprocess.DEVNULL,
        cwd=weir.directory)
    weir.process = process
    os.close(writer)
    head = b""
    while not (found := re.search(rb"listening on ([\d.]+):(\d+)", head)):
        head += os.read(reader, 4096)
    weir.address = (found[1].decode(), int(found[2]))
    for _ in range(3000):  # far more than a pipe holds
        assert weir.get("/nothing").status == 404
    began = time.monotonic()
    assert weir.get("/live").status == 200 and time.monotonic() - began < 5
    assert weir.stop() == 0
    os.close(reader)
