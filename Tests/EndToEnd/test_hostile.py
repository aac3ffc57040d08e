"""Thousands of hostile values through every field of every call, on the real cluster: none is read as anything but itself.

A value that some shell, template, database or terminal took for its own would leave a trace: a file with the canary's
name, or the canary's word, which no value holds in one piece. The same seed makes the same values:
WEIR_HOSTILE_SEED, and WEIR_HOSTILE_ROUNDS for a longer run.
"""

import concurrent.futures
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import random
import threading
import urllib.parse

import pytest
from harness import TESTBED, Weir, base64_text, doubled_braces, job_name, on_the_node, script, settings, token

SEED = int(os.environ.get("WEIR_HOSTILE_SEED", "4711"))
ROUNDS = int(os.environ.get("WEIR_HOSTILE_ROUNDS", "1"))
WORD = "WEIRCANARY"
MARK = f"weir-canary-{os.getpid()}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# What makes a file, F, if it is run; W is a command's.
RUN = [
    "$(W)", "`W`", ";W;", "'; W; '", '"; W; "', "\nW\n", "\r\nW\r\n", "|W", "&W&", "&& W", "\\'; W; #", "x'$(W)'", "$'\\n'W",
    ">F", ">>F", ">(W)", "<(W)", "${x:-$(W)}", "$((a[$(W)]))", "${IFS}W", "=(W)", "--wrap=W", "x --wrap=W", "x\t--wrap=W",
    "--output=F", "-oF", "-eF", "a --error=F", "--export=ALL,X=$(W)", "-D F", "F", "../../../../../../../../../..F",
    "....//....//F", "x\nEND_OF_SCRIPT\nW\n", "\nEND\nW\n", "\nEOF\nW\n", "{{#x}}W{{/x}}", "-exec W ;", "; -fprint F",
    "@F", "!W", "| tee F", "a\x00; W", "%0aW", "$(W", "\\$(W)", "'$(W)'", '"$(W)"', "\x1b]0;W\x07", "()\u007b :; }; W",
]  # fmt: skip

# What yields the canary's word if it is expanded.
EXPAND = [
    "WEIR''CANARY", 'WEIR""CANARY', "WEIR\\\nCANARY", "WEIR$()CANARY", "WEIR${x}CANARY", "WEIR``CANARY", "WEIR$@CANARY",
    "WEIR%sCANARY", "WEIR%.0dCANARY", "WEIR{{x}}CANARY", "WEIR{{{x}}}CANARY", "WEIR{{!x}}CANARY", "WEIR{%x%}CANARY",
    "WEIR{}CANARY", "WEIR{DOWNSTREAM_PARAMETERS!s:.0}CANARY", "WEIR{DOWNSTREAM_PARAMETERS:.0}CANARY", "WEIR{0}CANARY",
    "WEIR\\CANARY", "WEIR<!-- -->CANARY", "WEIR' || 'CANARY", "WEIR\x00CANARY", "WEIR\bCANARY", "#{'WEIR'+'CANARY'}",
    "$(echo WEIR; echo CANARY)", "{{'WEIR'+'CANARY'}}",
]  # fmt: skip

# What merely is not what belongs there.
ODD = [
    "", " ", "\t", "\n", "\r", "\r\n", "\x00", "\x1b[2J", "\x7f", "\x1f", "\x85", "*", "?", "/*", "[a-z]*", "~", "~root", "-", "--",
    ".", "..", "/", "//", "../", "-1", "+1", " 1", "1 ", "0", "1e3", "0x10", "01", "1.0", "1,2", "1;2", "NaN", "null", "true", "None",
    "%A%j%u%x", "%s%s%n", "%00", "%2e%2e%2f", "\\u0000", "\\x00", "\\", "'", '"', "`", "$", "$$", "${", "}", "{", "{{", "}}", "|",
    "a|b|c", "weir:01KAZ9", "' OR 1=1 --", "'; DROP TABLE job; --", '"},"number":2,"x":{"', '{"a":1}', "[]", "a=b", "a&args={}",
    "\u202egpj.exe", "\u2066x", "\u200b", "\ufeff", "e\u0301", "\u0661\u0662", "\uff11", "\uff0d\uff0dwrap", "\u2010x", "\u2028",
    "\U0001f600", "\ufffd", "\r\nX-Injected: 1", "<script>alert(1)</script>", "http://127.0.0.1:1/", "file:///etc/passwd", "A" * 129,
    "A" * 5000, "9" * 400, "a/" * 1000, "(" * 500, "\n" * 500,
]  # fmt: skip

NO_TEXT = [
    None, True, False, [], {}, [None], [[]], {"a": "$(id)"}, ["a", "b"], 0, -1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64,
    10**400, -(10**400),
]  # fmt: skip


@pytest.fixture(scope="module")
def canaries(open_directory):
    """A directory in which everybody can make files: nobody does, neither there nor where commands find themselves."""
    yield open_directory
    assert caught(open_directory) == []


def caught(directory) -> list:
    places = (pathlib.Path("/"), pathlib.Path("/tmp"), *(TESTBED / "home").iterdir(), TESTBED / "spool")
    return list(directory.iterdir()) + [path for place in places for path in place.glob(f"{MARK}*")]


class Values:
    """Hostile values, each with a canary of its own so that a file tells which it was."""

    def __init__(self, directory):
        self.directory = directory
        self.random = random.Random(SEED)
        self.serials = itertools.count()

    def armed(self, text: str) -> str:
        name = f"{MARK}-{next(self.serials)}"
        file = str(self.directory / name) if self.random.random() < 0.8 else name
        return text.replace("W", f"touch {file}").replace("F", file)

    def payload(self) -> str:
        kind = self.random.random()
        if kind < 0.5:
            return self.armed(self.random.choice(RUN))
        return self.random.choice(EXPAND if kind < 0.75 else ODD)

    def texts(self, valid: str, mixed: int = 40) -> list:
        """Every payload alone, and some inside of what belongs there."""
        found = [self.armed(text) for text in RUN] + EXPAND + ODD
        for _ in range(mixed * ROUNDS):
            at = self.random.randint(0, len(valid))
            found.append(valid[:at] + self.payload() + self.random.choice(["", self.payload()]) + valid[at:])
        return found

    def all(self, valid) -> list:
        texts = self.texts(str(valid))
        return texts + NO_TEXT + [[text] for text in self.random.sample(texts, 10)]


class Attack:
    """Calls, made over some connections at once, and what is wrong with their answers."""

    def __init__(self, weir, canaries):
        self.weir, self.canaries = weir, canaries
        self.local = threading.local()
        self.calls = []
        self.faults = []
        self.taken = []
        self.statuses = {}

    def add(self, label, method, path, body=None, headers=None):
        self.calls.append((label, method, path, body, headers or {}))

    def add_args(self, label, path, args):
        form = urllib.parse.urlencode({"args": json.dumps(args)}, errors="surrogatepass")
        self.add(label, "POST", path, form, FORM)

    def send(self, method, path, body, headers):
        key = "Basic " + base64_text(self.weir.settings["JARVICE_SCHED_SERVER_KEY"])
        for attempt in (0, 1):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = self.local.connection = http.client.HTTPConnection(*self.weir.address, timeout=60)
            try:
                connection.request(method, path, body, {"Authorization": key, **headers})
                response = connection.getresponse()
                return response.status, response.getheaders(), response.read()
            except (http.client.HTTPException, OSError):
                # A kept connection may end at any time; a fresh one must answer.
                connection.close()
                self.local.connection = None
                if fresh or attempt:
                    raise

    def make(self, call):
        label, *request = call
        try:
            status, headers, body = self.send(*request)
        except Exception as error:
            self.faults.append((label, request, repr(error)))
            return
        fault = None
        if not 200 <= status < 500 or 300 <= status < 400:
            fault = "status"
        elif WORD.encode() in body or WORD in str(headers) or "x-injected" in str(headers).lower():
            fault = "expanded"
        elif status >= 400 and not json.loads(body).get("error"):
            fault = "no reason"
        elif request[1] == "/submit" and status == 200:
            self.taken.append(json.loads(body)[0])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if fault:
            self.faults.append((fault, label, request, status, body[:300]))

    def run(self, threads=8):
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(self.make, self.calls))
        print(f"seed {SEED}: {len(self.calls)} calls, answers {dict(sorted(self.statuses.items()))}")
        assert caught(self.canaries) == []
        assert self.faults == [], f"{len(self.faults)} of {len(self.calls)}: {self.faults[:5]}"


@pytest.fixture(scope="module")
def target(cluster, canaries, tmp_path_factory):
    """A Weir that may list the directory of the canaries; it is as well afterwards as before."""
    weir = Weir(tmp_path_factory.mktemp("weir"), JARVICE_SCHED_LOGLEVEL="10", WEIR_VAULT_ROOTS=canaries).start()
    yield weir
    assert weir.get("/live").status == 200 and weir.get("/ready").status == 200
    assert weir.stop() == 0, weir.log
    log = weir.log_file.read_bytes()
    assert WORD.encode() not in log
    assert not {b for b in log if b < 0x20} - {0x0A, 0x09}, "no value writes to a terminal by way of the log"


@pytest.fixture(scope="module")
def held(target, cluster):
    """A job that waits until it is let go, which nothing here does."""
    job = target.submit(script(on_the_node("true")), held=True)
    yield job
    cluster.run("scancel", job.id)


@pytest.fixture
def values(canaries, request):
    return Values(canaries)


@pytest.fixture
def attack(target, cluster, canaries):
    attack = Attack(target, canaries)
    yield attack
    if attack.taken:
        cluster.run("scancel", *attack.taken)


def test_what_names_a_job(attack, values, held):
    for path, field in itertools.product(("runstatus", "exitstatus", "terminate", "release", "events"), held.args):
        for value in values.all(held.args[field]):
            if str(value).lstrip("0") != str(held.args[field]):  # or it is what belongs there after all
                attack.add_args(field, "/" + path, {**held.args, field: value})
    for field, value in itertools.product(("host", "status", "comment"), values.all("x")):
        attack.add_args(field, "/online", {field: value})
    for field, value in itertools.product(("nodes", "force"), values.all("x")):
        attack.add_args(field, "/terminate", {**held.args, "jobid": "999999", field: value})
    attack.run()
    assert held.name in attack.weir.listed(), "the job is still there"


def test_what_stands_in_a_path(attack, values, held):
    parts = [held.name, str(held.number), held.id, "ping"]
    for index, part in enumerate(parts):
        for value in values.texts(part):
            path = "/".join(urllib.parse.quote(text, safe="") for text in (*parts[:index], value, *parts[index + 1 :]))
            attack.add(f"part {index}", "GET", "/request/" + path)
    attack.run()


def test_what_is_asked_of_a_job_or_a_directory(attack, values, held, canaries):
    tail = f"/request/{held.name}/{held.number}/{held.id}/tail"
    for path, field, valid in (
        (tail, "lines", "100"), ("/request/pvcls", "path", str(canaries)), ("/request/pvcls", "details", "true"),
    ):  # fmt: skip
        rest = {} if field == "path" else {"path": [str(canaries)]}
        for value in values.all(valid):
            attack.add_args(field, path, {"qs": {**rest, field: value}})
            attack.add_args("qs", path, {"qs": value})
        for value in values.texts(valid):
            attack.add(field, "GET", path + "?" + urllib.parse.urlencode({**rest, field: value}, doseq=True))
    for value in values.texts("x"):
        attack.add_args("below a root", "/request/pvcls", {"qs": {"path": [f"{canaries}/{value}"]}})
    attack.run()


def submission(**changes) -> dict:
    return {
        "name": job_name(), "number": 1, "nodes": 1, "held": True, "bearer": BEARER,
        "hpc_script": {"singularity": base64_text(script(on_the_node("true")))}, **changes,
    }  # fmt: skip


BEARER = token()


def test_what_stands_in_header_fields_and_signed_claims(attack, values):
    texts = [text for text in values.texts("a", 0) if "\n" not in text and "\r" not in text]
    for text in texts:
        sent = text.encode(errors="surrogatepass")
        attack.add("X-Request-ID", "GET", "/queued", None, {"X-Request-ID": sent})
        form = urllib.parse.urlencode({"args": json.dumps(submission())})
        attack.add("Idempotency-Key", "POST", "/submit", form, {**FORM, "Idempotency-Key": sent})
    for text in values.texts("kirby", 0):
        credentials = "Bearer " + token(text)
        attack.add("email", "GET", "/queued", None, {"Authorization": credentials})
        attack.add_args("email", "/submit", submission(bearer=token(text)))
    attack.run()


def test_what_a_job_is_called_and_needs(attack, values):
    for field, valid in (("name", "a-job"), ("number", "1"), ("nodes", "1"), ("hpc_script", "eA==")):
        for value in values.all(valid):
            attack.add_args(field, "/submit", submission(**{field: value}))
    for value in values.all("eA=="):
        attack.add_args("the script", "/submit", submission(hpc_script={"singularity": value}))
    for value in NO_TEXT + values.texts("true", 0)[:20]:
        if value is not False and value is not None:  # it would run
            attack.add_args("held", "/submit", submission(held=value))
    for value in values.random.sample(values.texts(BEARER), 8):
        attack.add_args("bearer", "/submit", submission(bearer=value))
    attack.run()


LINES = {
    "JOBOBJ_INTERACTIVE": "False", "JOBOBJ_APPDEFVERSION": "2", "JOBOBJ_ARCH": "x86_64", "JOBOBJ_NAE": "app",
    "JOBOBJ_REPO": "127.0.0.1:5055/app:latest", "JOBOBJ_GPUS": "1", "JOBOBJ_RAM": "1", "JOBOBJ_LICENSES": "matlab:1",
    "JOBOBJ_WALLTIME": "00:05:00", "JARVICE_CPU_CORES": "1", "JOBOBJ_DEVICES": "[]", "JOBOBJ_CTRSECRET": "e30=",
    "JOBOBJ_DOCKER_SECRET": "{}",
}  # fmt: skip


def test_what_the_lines_of_a_script_say(attack, values):
    for key, valid in LINES.items():
        for value in values.texts(valid, 20):
            text = script(on_the_node("true"), **{key: value})
            attack.add_args(key, "/submit", submission(hpc_script={"singularity": base64_text(text)}))
    attack.run()


def test_what_the_devices_of_a_job_say(attack, values):
    keys = "overlay partition exclusive sbatch_qos sbatch_constraint sbatch_nodelist sbatch_begin sbatch_dependency".split()
    keys += "sbatch_gres sbatch_signal sbatch_mail-user sbatch_wrap sbatch_output sbatch_comment".split()
    devices = [[f"{key}={value}"] for key in keys for value in values.texts("1", 10)]
    devices += [[f"{value}=1"] for value in values.texts("sbatch_qos", 20)]
    devices += [[f"sbatch_{value}=1"] for value in values.texts("qos", 20)]
    devices += NO_TEXT + [[value] for value in NO_TEXT]
    for device in devices:
        text = script(on_the_node("true"), JOBOBJ_DEVICES=json.dumps(device))
        attack.add_args("devices", "/submit", submission(hpc_script={"singularity": base64_text(text)}))
    attack.run()


def test_bodies_of_no_form(attack, values, held):
    whole = json.dumps(held.args)
    bodies = [b"args=" + bytes([byte]) for byte in range(256)]
    bodies += [b"args=%" + b"%02x" % byte for byte in range(256)]
    bodies += [b"args=" + whole[:at].encode() for at in range(len(whole))]
    bodies += [b"args=%7B%22name%22%3A%22\xff%22%7D", b"args=%7B%22name%22%3A%22%ff%fe%22%7D", b"args=%", b"args=%0"]
    bodies += [b"&" * 2000, b"args=1&" * 500, b"=" * 100, b"args", b"\x00" * 100]
    for body, path in zip(bodies, itertools.cycle(("/runstatus", "/submit", "/terminate", "/request/pvcls"))):
        attack.add("form", "POST", path, body, FORM)
    raw = [
        b"\xff", b"\xef\xbb\xbf{}", b'{"name":"\xff"}', b'{"name":"\\ud800"}', b'{"name":"a","name":"b"}', b"{" * 1000, b"[" * 60_000,
        b'{"name":' + b"9" * 5000 + b"}", b"{'name':1}", b'{"name":NaN}', b'{"name":1e999}', b'{"a":1}{"b":2}', b"\x00{}",
        b'{"number":1,"jobid":"1","name":"\x1b"}',
    ]  # fmt: skip
    for body, path in itertools.product(raw, ("/runstatus", "/submit", "/release", "/request/pvcls")):
        attack.add("JSON", "POST", path, body, {"Content-Type": "application/json"})
    for value in values.texts("x", 10):
        part = f'--x\r\nContent-Disposition: form-data; name="args"\r\n\r\n{value}\r\n--x--\r\n'
        for body in (part, part.replace('name="args"', f'name="{value}"'), part.replace("--x--", value)):
            content = {"Content-Type": "multipart/form-data; boundary=x"}
            attack.add("multipart", "POST", "/runstatus", body.encode(), content)
    attack.run()


BODY = """
for value in "$JARVICE_CMD" "$(echo $JARVICE_DOCKER_USERNAME | base64 -d; echo .)" "$(echo $JARVICE_DOCKER_PASSWORD | base64 -d; echo .)"
do printf '%s' "$value" | md5sum; done
md5sum <<'THE-END'
"""


def test_what_is_opaque_reaches_the_job_as_it_is(target, values, canaries):
    """The command, the credentials and the script's own text, from everything above, in jobs that run."""
    jobs = []
    for number in range(3 * ROUNDS):
        texts = [text for text in values.texts("x") if len(text) < 1000]
        values.random.shuffle(texts)
        # A line is a line, a shell's variable holds no NUL, and a user's name no colon.
        command = "".join(texts).translate({10: "%", 13: "%", 0: "%"})
        user, password = ("".join(half).replace("\x00", "%") for half in (texts[::2], texts[1::2]))
        user = user.replace(":", "%")
        text = "\n".join(texts).replace("\x00", "%")
        secret = json.dumps({"server": settings()["JARVICE_SYSTEM_REGISTRY"], "username": user, "password": password})
        body = doubled_braces(BODY + text + "\nTHE-END\n") + "/bin/echo JARVICE_CMD_SUCCESS\n"
        lines = script(body, JARVICE_CMD="", JOBOBJ_DOCKER_SECRET=secret)
        lines = lines.replace("JARVICE_CMD=\n", "JARVICE_CMD=" + doubled_braces(command) + "\n", 1)
        # What goes before the parameters is for Weir to read, not for a shell to run.
        head, rest = lines.split("\n{DOWNSTREAM_PARAMETERS}\n", 1)
        lines = f": <<'NEEDS'\n{head}\nNEEDS\n{{DOWNSTREAM_PARAMETERS}}\n{rest}"
        expected = [command, user + ".", password + ".", text + "\n"]
        jobs.append((target.submit(lines), expected))
    for job, expected in jobs:
        code, _, (output, _) = target.end(job)
        assert code == 0, output[-2000:]
        found = [line.split()[0] for line in output.splitlines() if line.endswith("  -")]
        assert found == [hashlib.md5(text.encode()).hexdigest() for text in expected]
        assert WORD not in output and WORD not in job.rendered
    assert caught(canaries) == []
