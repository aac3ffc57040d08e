"""What Weir refuses: calls of no form, callers it does not know, input that would be run."""

import hashlib
import hmac
import http.client
import json
import socket
import time

import mkjwt
import pytest
from harness import TESTBED, base64_text, job_name, on_the_node, script, token, wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


# ------------------------------------------------------------ calls


@pytest.mark.parametrize(
    "status, method, path, body, headers",
    [
        (404, "GET", "/nothing", None, {}),
        (404, "POST", "/request/a/1/2/dance", "args=%7B%7D", FORM),
        (405, "DELETE", "/running", None, {}),
        (405, "PUT", "/submit", "x", {}),
        (415, "POST", "/submit", "<a/>", {"Content-Type": "application/xml"}),
        (400, "POST", "/submit", "", FORM),
        (400, "POST", "/submit", "args=", FORM),
        (400, "POST", "/submit", "args=%7B", FORM),
        (422, "POST", "/runstatus", "args=%5B%5D", FORM),
        (422, "POST", "/exitstatus", "args=%7B%7D", FORM),
        (422, "POST", "/terminate", "args=%7B%22name%22%3A%7B%7D%7D", FORM),
    ],
)
def test_call_of_no_form(weir, status, method, path, body, headers):
    answer = weir.call(method, path, body, headers)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.error and answer.json()["code"]
    if status == 405:
        assert answer.headers["allow"]


def test_body_past_the_limit_is_413(weir):
    with socket.create_connection(weir.address, timeout=10) as connection:
        key = base64_text(weir.settings["JARVICE_SCHED_SERVER_KEY"])
        head = (
            f"POST /submit HTTP/1.1\r\nHost: weir\r\nAuthorization: Basic {key}\r\nContent-Length: 99999999999\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["exitstatus", "terminate", "release", "events", "request"])
def test_unknown_job_is_404(weir, path):
    args = {"name": job_name(), "number": 1, "jobid": "4711"}
    if path == "request":
        answer = weir.post(f"/request/{args['name']}/1/4711/tail", {"qs": {}})
    else:
        answer = weir.post("/" + path, args)
    assert answer.status == 404 and answer.error


def test_unknown_job_has_no_run_status(weir):
    answer = weir.post("/runstatus", {"name": job_name(), "number": 1, "jobid": "4711"})
    assert (answer.status, answer.body) == (200, b"[null,null,null,null]\n")


def test_job_is_known_by_name_number_and_id_together(weir):
    job = weir.submit(script(on_the_node("true")))
    weir.end(job)
    for change in ({"name": job_name()}, {"number": 2}, {"jobid": job.id + "0"}):
        assert weir.post("/exitstatus", {**job.args, **change}).status == 404, change


@pytest.mark.parametrize(
    "method, path, body, media",
    [
        ("GET", "/live", b'{"status":"OK"}\n', "application/json"),
        ("GET", "/gc", b'{"status":"OK"}\n', "application/json"),
        ("GET", "/nodes", b"true", "text/html"),
        ("POST", "/online", b"true\n", "application/json"),
    ],
)
def test_plain_answers(weir, method, path, body, media):
    answer = weir.call(method, path, "" if method == "POST" else None, FORM if method == "POST" else {})
    assert answer.status == 200 and answer.body.strip() == body.strip()
    assert answer.headers["content-type"].startswith(media)
    if method == "GET":
        head = weir.call("HEAD", path)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(answer.body)))


def test_requests_of_a_running_job(weir, gate):
    job = weir.submit(script(on_the_node(gate.wait)))
    for method in ("ping", "connect"):
        answer = weir.request(job, method)
        assert (answer.status, answer.body) == (200, b"")
    assert weir.request(job, "info").body == b'{"about":"","actions":{},"help":"","url":""}\n'


def test_arguments_come_as_multipart_too(weir):
    body = '--x\r\nContent-Disposition: form-data; name="args"\r\n\r\n{"name":"n","number":1,"jobid":"1"}\r\n--x--\r\n'
    answer = weir.call("POST", "/runstatus", body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.body == b"[null,null,null,null]\n"


# ------------------------------------------------------------ callers


def confused() -> str:
    """Signed with the public key as if it were a shared secret."""
    claims = {"email": "kirby@example.com", "exp": int(time.time()) + 600}
    message = b".".join(mkjwt.encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    key = (TESTBED / "keys/idp-rs256.pub.pem").read_bytes()
    return (message + b"." + mkjwt.encode(hmac.new(key, message, hashlib.sha256).digest())).decode()


BAD_TOKENS = {
    "garbage": lambda: "a.b.c",
    "empty": lambda: "",
    "unsigned": lambda: token(algorithm="none"),
    "another algorithm": lambda: token(algorithm="hs256"),
    "public key as secret": confused,
    "expired": lambda: token(exp=int(time.time()) - 600),
    "not yet valid": lambda: token(nbf=int(time.time()) + 600),
    "another's signature": lambda: token().rsplit(".", 1)[0] + "." + token("mario@example.com").rsplit(".", 1)[1],
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_bad_token_is_401(weir, make):
    bad = make()
    args = {
        "name": job_name(),
        "number": 1,
        "nodes": 1,
        "hpc_script": {"singularity": base64_text(script())},
        "bearer": bad,
    }
    for answer in (weir.post("/submit", args), weir.get("/running", credentials="Bearer " + bad)):
        assert answer.status == 401, answer.body
        assert answer.error
        assert len(bad) < 9 or bad not in answer.body.decode()


def test_user_without_an_account_is_403(weir):
    answer = weir.try_submit(bearer=token("luigi@example.com"))
    assert answer.status == 403 and "luigi@example.com" in answer.error


@pytest.mark.parametrize(
    "credentials",
    ["Basic " + base64_text("testbed:wrong"), "Basic !", "Bearer", "Digest x", "Basic " + base64_text("testbed")],
)
def test_wrong_credentials_are_401(weir, credentials):
    answer = weir.get("/running", credentials=credentials)
    assert answer.status == 401 and answer.error
    assert answer.headers["www-authenticate"].startswith('Basic realm="weir"')
    assert "Bearer realm=" in answer.headers["www-authenticate"]


def test_no_credentials_are_401_but_for_the_probes(weir):
    def status(path):
        connection = http.client.HTTPConnection(*weir.address, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    assert {path: status(path) for path in ("/live", "/ready", "/running", "/gc", "/nodes")} == {
        "/live": 200, "/ready": 200, "/running": 401, "/gc": 401, "/nodes": 401,
    }  # fmt: skip


def test_user_sees_and_ends_only_what_is_his(weir, gate):
    job = weir.submit(script(on_the_node(gate.wait)))
    mario, kirby = ("Bearer " + token(email) for email in ("mario@example.com", "kirby@example.com"))
    for path in ("/exitstatus", "/terminate", "/release", "/events"):
        assert weir.post(path, job.args, credentials=mario).status in (403, 404), path
    assert weir.request(job, "tail", credentials=mario).status in (403, 404)
    assert weir.request(job, "abort", credentials=mario).status in (403, 404)
    assert job.name not in str(weir.get("/running", credentials=mario).json())
    assert weir.request(job, "tail", credentials=kirby).status == 200
    assert weir.post("/terminate", job.args, credentials=kirby).json() is True


# ------------------------------------------------------------ input that would be run


@pytest.fixture(scope="module")
def marker(tmp_path_factory):
    """A file that only injected text would make."""
    directory = tmp_path_factory.mktemp("marker")
    for path in (directory.parents[1], directory.parents[0], directory):
        path.chmod(0o777)
    marker = directory / "marker"
    yield marker
    assert not marker.exists(), "something that was sent has been run"


PAYLOADS = [
    "$(touch M)",
    "`touch M`",
    "; touch M #",
    "' ; touch M ; '",
    '" ; touch M ; "',
    "\ntouch M\n",
    "| touch M",
    "-x\ttouch M",
    "\\'; touch M #",
]


@pytest.fixture(params=PAYLOADS)
def payload(request, marker):
    return request.param.replace("M", str(marker))


def test_injected_identity_is_never_run(weir, marker, payload):
    for place in ("name", "number", "jobid"):
        args = {"name": job_name(), "number": 1, "jobid": "1", **{place: payload}}
        for path in ("/runstatus", "/exitstatus", "/terminate", "/release", "/events"):
            assert weir.post(path, args).status in (200, 400, 404, 422), (path, place)
        assert weir.post("/terminate", args).status != 200
    assert weir.post("/online", {"host": payload, "status": payload, "comment": payload}).status in (200, 400, 422)
    assert not marker.exists()


def test_injected_request_is_never_run(weir, marker, payload):
    job = weir.submit(script(on_the_node("true")))
    assert weir.request(job, "tail", {"lines": [payload]}).status in (200, 400, 422)
    assert weir.post("/request/pvcls", {"qs": {"path": [payload], "details": [payload]}}).status in (403, 422)
    for expression in ("-exec", "-delete", f"/ -exec touch {marker} ;"):
        weir.post("/request/pvcls", {"qs": {"path": [expression]}})
    assert not marker.exists()


def test_injected_need_is_never_run(weir, marker, payload):
    if "\n" in payload:
        payload = payload.replace("\n", ";")
    line = json.dumps([payload]), json.dumps(["partition=" + payload]), json.dumps(["sbatch_comment=" + payload])
    jobs = []
    for needs in (
        *({"JOBOBJ_DEVICES": devices} for devices in line),
        *(
            {key: payload}
            for key in ("JOBOBJ_WALLTIME", "JOBOBJ_LICENSES", "JOBOBJ_GPUS", "JOBOBJ_RAM", "JARVICE_CPU_CORES")
        ),
        *(
            {key: payload}
            for key in ("JOBOBJ_ARCH", "JOBOBJ_NAE", "JOBOBJ_REPO", "JOBOBJ_USER", "JOBOBJ_APPDEFVERSION")
        ),
        {"JOBOBJ_REPO": "127.0.0.1:5055/app:" + payload},
    ):
        # Among the lines of a here-document, so that it is not the script itself that runs the text.
        text = ": <<'NEEDS'\n" + script("\nNEEDS\n{DOWNSTREAM_PARAMETERS}\n" + on_the_node("true"), **needs)
        answer = weir.try_submit(text.replace("{DOWNSTREAM_PARAMETERS}", "", 1))
        assert answer.status in (200, 422), (needs, answer.body)
        if answer.status == 200:
            jobs.append(answer.json()[0])
    name_answer = weir.try_submit(script(on_the_node("true")), name=payload)
    assert name_answer.status in (400, 422), name_answer.body
    living = lambda: {id for path in ("/queued", "/running") for _, id in weir.get(path).json()}  # noqa: E731
    wait_until(lambda: not living() & set(jobs), 60)
    assert not marker.exists()


@pytest.mark.parametrize("nodes", [0, -1, "2; true", 10**20, None, 1.5, [], True])
def test_nodes_that_are_no_number(weir, nodes):
    assert weir.try_submit(nodes=nodes).status in (400, 422)


# ------------------------------------------------------------ jobs of others


def test_jobs_of_others_are_not_listed(weir, cluster, gate):
    foreign = [
        cluster.sbatch("--job-name=jarvice_" + name, text=gate.wait)
        for name in ("20200101000000-AAAAA-testapp-kirbystar_s1", "a|b|R", "a\x1fR", "a b", "ä'\"$(x)")
    ]
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    listed = [id for path in ("/queued", "/running") for _, id in weir.get(path).json()]
    assert job.id in listed and not set(foreign) & set(listed)
    cluster.run("scancel", *foreign)
