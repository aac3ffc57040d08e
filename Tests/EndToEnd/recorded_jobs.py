"""The recorded calls about jobs: submits, jobs that wait, run and ended, on the connectors dummy and local."""

import json
import pathlib
import shutil
import tempfile

from harness import Job, base64_text, wait_until
from recorder import JOB_CALLS, NAME, REQUESTS, NobodysWeir, Recorder, script


def job_path(job: Job, method: str) -> str:
    return f"/request/{job.name}/{job.number}/{job.id}/{method}"


# ------------------------------------------------------------ submits


def submit(r: Recorder):
    """What is answered to a submit."""
    r.start(JARVICE_SINGULARITY_VERBOSE="true", JARVICE_JOB_SCRATCH_DIR="/scratch", JARVICE_IMAGES_TAG="v3-amd64")
    r.submit("accepted", NAME)
    r.call("again", "POST", "/submit", r.submission(NAME))
    r.call("again-with-other-content", "POST", "/submit", r.submission(NAME, script("other")))
    r.submit("other-number", NAME, number=2)
    r.submit("numbers-as-text", NAME, number="3", nodes="2")
    secret = '{"server":"registry.example.com","username":"u","password":"hidden"}'
    text = script(JOBOBJ_DOCKER_SECRET=secret, JOBOBJ_ARCH="arm64", JOBOBJ_DEVICES='["overlay=7","partition=p"]')
    r.submit("secrets-hidden", "secrets", text)
    r.submit("unicode-and-braces", "unicode", script("echo ümläut {a} \t\"quoted\" \\ \x7f \u2028 </script>"))
    r.submit("held", "held", held=True)
    args = r.submission("as-json")
    r.call("as-json", "POST", "/submit", body=json.dumps(args), Content_Type="application/json")
    body = f'--x\r\nContent-Disposition: form-data; name="args"\r\n\r\n{json.dumps(r.submission("multipart"))}\r\n--x--\r\n'
    r.call("as-multipart", "POST", "/submit", body=body, Content_Type="multipart/form-data; boundary=x")


def submit_refused(r: Recorder):
    """Submits that are refused."""
    r.start()

    def refused(case: str, change=None, key: str = "service", **lines):
        args = {**r.submission(NAME, script(**lines)), **(change or {})}
        args = {name: value for name, value in args.items() if value is not None}
        r.call(case, "POST", "/submit", args, key)

    refused("no-script", {"hpc_script": None})
    refused("script-of-another-executor", {"hpc_script": {"docker": "eA=="}})
    refused("script-not-base64", {"hpc_script": {"singularity": "***"}})
    refused("script-not-utf8", {"hpc_script": {"singularity": "/w=="}})
    refused("script-lone-brace", {"hpc_script": {"singularity": "e2E="}})
    refused("nodes-missing", {"nodes": None})
    refused("nodes-0", {"nodes": 0})
    refused("held-wrong", {"held": "yes"})
    refused("appdef-1", JOBOBJ_APPDEFVERSION="1")
    refused("interactive", JOBOBJ_INTERACTIVE="True")
    refused("interactive-missing", JOBOBJ_INTERACTIVE=None)
    refused("cores-missing", JARVICE_CPU_CORES=None)
    refused("gpus-wrong", JOBOBJ_GPUS="many")
    refused("walltime-wrong", JOBOBJ_WALLTIME="soon")
    refused("device-unknown", JOBOBJ_DEVICES='["color=red"]')
    refused("devices-no-list", JOBOBJ_DEVICES="x")
    refused("docker-secret-no-json", JOBOBJ_DOCKER_SECRET="x")
    user, other = r.bearer(), r.bearer("luigi@example.com")
    refused("bearer-missing", {"bearer": None})
    refused("bearer-garbage", {"bearer": "a.b.c"})
    refused("bearer-expired", {"bearer": r.bearer(label="expired", exp=1)})
    refused("bearer-of-another", {"bearer": other}, key=user)
    r.start(WEIR_OWNER_WAITING_JOBS=1, JARVICE_DUMMY_JOB_QUEUED_TIME=86400)
    r.weir.post("/submit", r.submission("first"))
    r.call("owner-limit", "POST", "/submit", r.submission("second"))
    r.call("owner-limit-of-another", "POST", "/submit", {**r.submission("third", user="luigi@example.com"), "nodes": 0})


def idempotency(r: Recorder):
    """The header Idempotency-Key."""
    r.start(WEIR_JOB_IDEMPOTENCY_KEYS=1)
    args = r.submission(NAME)
    r.call("accepted", "POST", "/submit", args, Idempotency_Key="a-key")
    r.call("again", "POST", "/submit", args, Idempotency_Key="a-key")
    r.call("conflict", "POST", "/submit", r.submission("another"), Idempotency_Key="a-key")
    r.call("wrong", "POST", "/submit", args, Idempotency_Key="a key")
    r.call("empty", "POST", "/submit", args, Idempotency_Key="")
    r.call("limit", "POST", "/submit", args, Idempotency_Key="another-key")


# ------------------------------------------------------------ jobs


def job_calls(r: Recorder, job: Job, case: str, **options):
    """The calls about a job that change nothing."""
    r.call(f"{case}-runstatus", "POST", "/runstatus", job.args, **options)
    r.call(f"{case}-exitstatus", "POST", "/exitstatus", job.args, **options)
    r.call(f"{case}-events", "POST", "/events", job.args, **options)
    for name in ("ping", "connect", "info", "tail"):
        r.call(f"{case}-{name}", "POST", job_path(job, name), {"qs": {}}, **options)


def waiting(r: Recorder):
    """Jobs that wait, and one that is held."""
    r.start(JARVICE_DUMMY_JOB_QUEUED_TIME=86400)
    job = r.submit("submit", NAME)
    held = r.submit("submit-held", "held", held=True)
    r.await_list("/queued", job, held)
    wait_until(lambda: "queued" in r.weir.post("/events", job.args).json(), 20, 0.02)
    r.call("queued", "GET", "/queued")
    r.call("running", "GET", "/running")
    r.call("queued-ping-get", "GET", job_path(job, "ping"))
    job_calls(r, job, "queued")
    job_calls(r, held, "held")
    r.call("release", "POST", "/release", held.args)
    r.call("release-again", "POST", "/release", held.args)
    r.call("release-not-held", "POST", "/release", job.args)
    r.call("terminate", "POST", "/terminate", job.args)
    ended(r, job)
    r.call("canceled-exitstatus", "POST", "/exitstatus", job.args)
    r.call("canceled-runstatus", "POST", "/runstatus", job.args)
    r.call("canceled-tail", "GET", job_path(job, "tail"))
    r.call("release-ended", "POST", "/release", job.args)
    r.call("release-another's", "POST", "/release", held.args, key=r.bearer("luigi@example.com"))


def running(r: Recorder):
    """Jobs that run, and what others see of them."""
    r.start()
    job, second = r.submit("submit", NAME), r.submit("submit-second", "second", user="luigi@example.com")
    r.await_list("/running", job, second)
    user, other = r.bearer(), r.bearer("luigi@example.com")
    admin = r.bearer("mario@example.com", "administrator", groups=["weir-admins"])
    for case, key in {"service": "service", "user": user, "other": other, "admin": admin}.items():
        r.call(f"running-{case}", "GET", "/running", key=key)
    r.call("running-head", "HEAD", "/running")
    job_calls(r, job, "running")
    job_calls(r, job, "running-user", key=user)
    r.call("tail-lines", "GET", job_path(job, "tail") + "?lines=1")
    r.call("tail-lines-in-form", "POST", job_path(job, "tail"), {"qs": {"lines": ["1"]}})
    r.call("unknown-method", "POST", job_path(job, "dance"), {"qs": {}})
    for name in JOB_CALLS:
        r.call(f"another's-{name}", "POST", f"/{name}", job.args, key=other)
        r.call(f"wrong-number-{name}", "POST", f"/{name}", {**job.args, "number": 2})
        r.call(f"wrong-id-{name}", "POST", f"/{name}", {**job.args, "jobid": "dummy_4711"})
    for name in REQUESTS:
        r.call(f"another's-{name}", "GET", job_path(job, name), key=other)
    r.call("release", "POST", "/release", job.args)
    r.call("terminate", "POST", "/terminate", {**job.args, "nodes": [], "force": False})
    ended(r, job)
    r.call("terminate-ended", "POST", "/terminate", job.args)
    job_calls(r, job, "canceled")
    r.call("abort", "GET", job_path(second, "abort"))
    ended(r, second)
    r.call("shutdown-ended", "GET", job_path(second, "shutdown"))


def ended(r: Recorder, job: Job):
    wait_until(lambda: r.weir.post("/exitstatus", job.args).status != 409, 20, 0.05)


def ends(r: Recorder):
    """Jobs that ended by themselves, well and badly; their times are part of the answer."""
    r.compares_times = True
    for case, percent in (("succeeded", 0), ("failed", 100)):
        r.start(JARVICE_DUMMY_JOB_RUNNING_TIME=1, JARVICE_DUMMY_JOB_FAILING_PERCENT=percent)
        job = r.submit(f"{case}-submit", NAME)
        ended(r, job)
        job_calls(r, job, case)
        r.call(f"{case}-tail-head", "HEAD", job_path(job, "tail"))
        r.call(f"{case}-tail-lines", "GET", job_path(job, "tail") + "?lines=1")
        r.call(f"{case}-exitstatus-again", "POST", "/exitstatus", job.args)
        r.call(f"{case}-terminate", "POST", "/terminate", job.args)
        r.call(f"{case}-release", "POST", "/release", job.args)
        r.call(f"{case}-submit-again", "POST", "/submit", r.submission(NAME))
    r.start(JARVICE_DUMMY_JOB_RUNNING_TIME=0, WEIR_KEEP_OUTPUT=1)
    job = r.submit("expired-submit", NAME)
    wait_until(lambda: r.weir.post("/exitstatus", job.args).status == 410, 20, 0.05)
    # The script goes a moment after the output is no longer told.
    wait_until(lambda: r.weir.post("/submit", r.submission(NAME)).status == 410, 20, 0.05)
    r.call("expired-exitstatus", "POST", "/exitstatus", job.args)
    r.call("expired-runstatus", "POST", "/runstatus", job.args)
    r.call("expired-tail", "GET", job_path(job, "tail"))
    r.call("expired-submit-again", "POST", "/submit", r.submission(NAME))


def this_machine(r: Recorder):
    """Jobs of the connector local: what the upstream reads of their ends, and directories."""
    vault = pathlib.Path(tempfile.mkdtemp(prefix="weir-vault-"))
    r.names[str(vault)] = "vault"
    r.start(
        kind=NobodysWeir, JARVICE_BAREMETAL_CONNECTOR="local", WEIR_LOCAL_GPUS=1, WEIR_CANCEL_GRACE=1, WEIR_VAULT_ROOTS=vault,
        JARVICE_DUMMY_JOB_QUEUED_TIME=None, JARVICE_DUMMY_JOB_RUNNING_TIME=None, JARVICE_DUMMY_JOB_FAILING_PERCENT=None,
    )  # fmt: skip
    bodies = {
        "succeeded": "echo one; echo two >&2; /bin/echo JARVICE_CMD_SUCCESS",
        "failed": "echo wrong; exit 3",
        "without-the-word": "echo done",
        "killed": "kill -9 $$",
        "over-time": "echo began; sleep 600",
        "canceled": "echo began; sleep 600",
    }
    limits = {"over-time": "00:00:01"}
    jobs = {
        case: r.submit(f"{case}-submit", case, script(body, JOBOBJ_WALLTIME=limits.get(case, "00:05:00")))
        for case, body in bodies.items()
    }
    wait_until(lambda: r.weir.request(jobs["canceled"], "tail").body == b"began\n", 20, 0.05)
    r.call("canceled-runstatus", "POST", "/runstatus", jobs["canceled"].args)
    r.call("canceled-tail", "GET", job_path(jobs["canceled"], "tail"))
    gpus = script("sleep 600", JOBOBJ_GPUS="1")
    first = r.submit("with-gpu-submit", "with-gpu", gpus)
    wait_until(lambda: r.weir.runs(first), 20, 0.05)
    second = r.submit("queued-submit", "queued", gpus)
    held = r.submit("held-submit", "held", gpus, held=True)
    r.call("queued-runstatus", "POST", "/runstatus", second.args)
    r.call("queued-tail", "GET", job_path(second, "tail"))
    r.call("terminate-queued", "POST", "/terminate", second.args)
    r.call("terminate-held", "POST", "/terminate", held.args)
    r.call("terminate-running", "POST", "/terminate", jobs["canceled"].args)
    r.weir.post("/terminate", first.args)
    for case, job in {**jobs, "terminated-queued": second, "terminated-held": held}.items():
        ended(r, job)
        r.call(f"{case}-exitstatus", "POST", "/exitstatus", job.args)
        r.call(f"{case}-runstatus-ended", "POST", "/runstatus", job.args)
    vault.chmod(0o755)
    (vault / "inner").mkdir()
    (vault / "file").write_text("text")
    r.call("refused-nodes", "POST", "/submit", r.submission("nodes", nodes=2))
    r.call("refused-cores", "POST", "/submit", r.submission("cores", script(JARVICE_CPU_CORES="65536")))
    r.call("refused-gpus", "POST", "/submit", r.submission("gpus", script(JOBOBJ_GPUS="2")))
    for method in ("GET", "POST"):
        r.call(f"pvcls-{method.lower()}", method, f"/request/pvcls?path={vault}", body="" if method == "POST" else None)
    r.call("pvcls-file", "GET", f"/request/pvcls?path={vault}/file")
    r.call("pvcls-missing", "GET", f"/request/pvcls?path={vault}/none")
    shutil.rmtree(vault)
    ended(r, first)


def interactive(r: Recorder):
    """Where jobs are interactive."""
    r.start(JARVICE_DUMMY_JOBS_ARE_INTERACTIVE="true")
    job = r.submit("submit", NAME, script(JOBOBJ_INTERACTIVE="True"))
    r.await_list("/running", job)
    r.call("info", "POST", job_path(job, "info"), {"qs": {}})
