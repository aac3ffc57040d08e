"""The recorded calls whose bodies come from a real backend: servers with GPUs over SSH, and the Slurm cluster."""

from harness import Job, Weir, job_name, wait_until
from recorded_jobs import ended, job_path
from recorder import SERVICE_KEY, TOKEN_KEY, Recorder, script
from rig import GPUWeir, Rig


def shown_ends(r: Recorder, jobs: dict):
    for case, job in jobs.items():
        ended(r, job)
        r.call(f"{case}-exitstatus", "POST", "/exitstatus", job.args)
        r.call(f"{case}-runstatus", "POST", "/runstatus", job.args)


def gpu_servers(r: Recorder):
    """How jobs on GPU servers end, and why others wait."""
    rig = Rig()
    try:
        rig.token_key.write_bytes(TOKEN_KEY)
        alpha = rig.server("alpha")
        r.start(kind=lambda directory: GPUWeir(rig, directory, (alpha,), JARVICE_SCHED_SERVER_KEY=SERVICE_KEY))
        long = "echo began; sleep 600"
        jobs = {
            "succeeded": r.submit("succeeded-submit", "succeeded", script("echo $BARE_GPU\n/bin/echo JARVICE_CMD_SUCCESS")),
            "failed": r.submit("failed-submit", "failed", script("echo wrong; exit 3")),
            "killed": r.submit("killed-submit", "killed", script("kill -9 $$")),
            "over-time": r.submit("over-time-submit", "over-time", script(long, JOBOBJ_WALLTIME="00:00:01")),
            "canceled": r.submit("canceled-submit", "canceled", script(long, JOBOBJ_GPUS="2")),
        }
        wait_until(lambda: r.weir.request(jobs["canceled"], "tail").body == b"began\n", 20, 0.05)
        queued = jobs["queued"] = r.submit("queued-submit", "queued", script(long, JOBOBJ_GPUS="1"))
        held = jobs["held"] = r.submit("held-submit", "held", held=True)
        r.patterns.append((r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d", "<time>"))
        for case, job in (("queued", queued), ("held", held)):
            r.call(f"{case}-events", "POST", "/events", job.args)
        for job in (queued, held, jobs["canceled"]):
            r.weir.post("/terminate", job.args)
        shown_ends(r, jobs)
        r.call("refused-gpus", "POST", "/submit", r.submission("gpus", script(JOBOBJ_GPUS="3")))
        r.call("refused-nodes", "POST", "/submit", r.submission("nodes", nodes=2))
    finally:
        r.close()
        rig.remove()


def slurm_cluster(r: Recorder):
    """How jobs on a cluster end. A job that is past its time limit takes more than a minute there, and is left out."""
    key = r.directory / "token_key"
    key.write_bytes(TOKEN_KEY)
    key.chmod(0o600)
    r.start(
        kind=Weir, JARVICE_SCHED_SERVER_KEY=SERVICE_KEY, WEIR_JWT_KEY_FILE=key, WEIR_JWT_ALGORITHMS="HS256",
        WEIR_POLL_INTERVAL=1,
    )  # fmt: skip
    r.patterns += [
        (r'"jobid": "\d+"', '"jobid": "<id>"'),
        (r'(?m)^\["\d+",', '["<id>",'),
        (r"/1/\d+\b", "/1/<id>"),
        (r"srun: (?:(?!\\n).)*\\n", ""),  # differs with the order in which tasks end
        (r"Hello from [\w.-]+", "Hello from <host>"),
        (r"\bnode\d+\b", "<node>"),
    ]

    def name(case: str) -> str:
        """A name that the cluster does not remember from an earlier run."""
        made = job_name()
        r.names[made] = case
        return made

    def submit(case: str, body: str, **options) -> Job:
        text = script(body, JOBOBJ_DEVICES='["exclusive=False"]')
        return r.submit(f"{case}-submit", name(case), text, **options)

    jobs = {
        "succeeded": submit("succeeded", "echo output\n/bin/echo JARVICE_CMD_SUCCESS"),
        "failed": submit("failed", "echo wrong; exit 3"),
        "without-the-word": submit("without-the-word", "echo done"),
        "held": submit("held", "true", held=True),
    }
    wait_until(lambda: "JobHeldUser" in r.weir.post("/events", jobs["held"].args).json(), 20, 0.1)
    r.call("held-runstatus", "POST", "/runstatus", jobs["held"].args)
    r.call("held-exitstatus", "POST", "/exitstatus", jobs["held"].args)
    assert r.weir.post("/terminate", jobs.pop("held").args).json() is True
    shown_ends(r, jobs)
    r.call("succeeded-tail", "GET", job_path(jobs["succeeded"], "tail"))
    text = script(JOBOBJ_DEVICES='["partition=none"]')
    r.call("refused-partition", "POST", "/submit", r.submission(name("refused"), text))
