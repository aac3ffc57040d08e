#!/usr/bin/python3
"""Makes the state directories of Tests/Fixtures/stores-0.1.0 with a running Weir of that release.

    WEIR_BINARY=/path/to/weir-0.1.0 python3 Tests/EndToEnd/make_stores.py [dummy | local | gpu | slurm]...

Needs root for the servers of gpu, and the test cluster for slurm. Each job is named after its state.
"""

import pathlib
import sys
import tempfile
import threading
import time

from harness import Cluster, Job, Weir, on_the_node, token, wait_until
from harness import script as cluster_script
from recorder import SERVICE_KEY, TOKEN_KEY, NobodysWeir, RecordedWeir, script
from recorder import token as own_token
from rig import GPUWeir, Proxy, Rig
from stores import save

SUCCESS = "\n/bin/echo JARVICE_CMD_SUCCESS"


class Maker:
    """Submits jobs to one Weir, and waits for their states."""

    def __init__(self, weir, text=script, bearer=own_token):
        self.weir, self.text, self.bearer = weir, text, bearer

    def submit(self, name: str, body: str = "echo output" + SUCCESS, held: bool = False, **lines) -> Job:
        more = {"held": True} if held else {}
        answer = self.weir.try_submit(self.text(body, **lines), name=name, bearer=self.bearer(), **more)
        assert answer.status == 200, answer.body
        return Job(name, answer.json()[0])

    def end(self, job: Job) -> None:
        """Waits for the end, and reads it."""
        wait_until(lambda: self.weir.post("/exitstatus", job.args).status == 200, 60)

    def see_end(self, job: Job) -> None:
        """Waits for the end, and leaves its output unread."""
        wait_until(lambda: self.weir.post("/release", job.args).status == 409, 60)

    def run(self, job: Job) -> None:
        wait_until(lambda: self.weir.runs(job), 60)

    def aside(self, call) -> None:
        """A call that is not answered."""

        def ignored():
            try:
                call()
            except OSError:
                pass

        threading.Thread(target=ignored, daemon=True).start()
        time.sleep(2)

    def ends(self) -> None:
        """Jobs that ended, read and unread."""
        self.end(self.submit("succeeded-read"))
        self.end(self.submit("failed-read", "echo wrong; exit 3"))
        self.see_end(self.submit("succeeded-unread"))
        self.see_end(self.submit("failed-unread", "echo wrong; exit 3"))


# For states that last a moment only, or that need a fault of the backend: a copy of another job's row, changed.
COPY = """
INSERT INTO job SELECT '{id}', '{name}', number, owner, account, connector, '{id}', '{id}', backendID, outputPath, state,
  stateSource, stateTime, backendWord, reason, ending, exitCode, signal, nodes, elapsed, submittedAt, startedAt, endedAt,
  missingSince, attempt, unknownSince, priority, needs, devices, input, submittedStamp FROM job WHERE name = '{of}';
INSERT INTO shownScript SELECT '{id}', text FROM shownScript JOIN job ON job.id = job WHERE name = '{of}';
INSERT INTO kept SELECT '{id}', kept.owner, script, answer, kept.input, output FROM kept JOIN job ON job.id = job
  WHERE name = '{of}';
INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason)
  SELECT '{id}', submittedAt, owner, NULL, 'submitting', 'weir', '' FROM job WHERE name = '{name}';
INSERT INTO retention SELECT '{id}', due, answeredAt, expiredAt, failures, failure, filesSince FROM retention
  JOIN job ON job.id = job WHERE name = '{of}';
UPDATE job SET backendID = {backend}, {change} WHERE name = '{name}';
"""
LOST = "state = 'lost', ending = 'lost', endedAt = stateTime, stateSource = 'weir', reason = 'the backend no longer shows the job'"


CANCELING = "state = 'canceling', stateSource = 'weir', reason = 'canceled by service'"
UNANSWERED = {
    "submitting": "state = 'submitting', stateSource = 'weir', reason = 'handed to the backend'",
    "in-doubt": "state = 'submitting', stateSource = 'weir', reason = 'looked for at the backend: the connection broke', "
    "missingSince = stateTime",
}  # fmt: skip


def copies(of: str, kinds: dict, backend: str = "'{id}'", first: int = 0) -> str:
    """Copies of the row of the job `of`, one for each kind: a name, and what is different."""
    text = ""
    for serial, (name, change) in enumerate(kinds.items(), first):
        id = f"01KB00000000000000000000{serial:02}"
        own = "NULL" if "submitting" in change else backend.format(id=id)
        text += COPY.format(id=id, name=name, of=of, change=change, backend=own)
    return text


def dummy(top: pathlib.Path) -> None:
    weir = RecordedWeir(top, JARVICE_DUMMY_JOB_RUNNING_TIME=1)
    weir.start()
    maker = Maker(weir)
    for kind, percent in (("succeeded", 0), ("failed", 100)):
        weir.stop()
        weir.settings["JARVICE_DUMMY_JOB_FAILING_PERCENT"] = str(percent)
        weir.start()
        maker.end(maker.submit(f"{kind}-read"))
        maker.see_end(maker.submit(f"{kind}-unread"))
    weir.stop()
    weir.settings["JARVICE_DUMMY_JOB_RUNNING_TIME"] = "86400"
    weir.start()
    maker.run(maker.submit("running"))
    canceled = maker.submit("canceled")
    weir.post("/terminate", canceled.args)
    maker.end(canceled)
    maker.submit("held", held=True)
    weir.kill()
    kinds = {**UNANSWERED, "queued": "state = 'queued'", "starting": "state = 'starting'", "canceling": CANCELING}
    changes = copies("held", kinds, "'dummy_{id}'") + copies("failed-unread", {"lost": LOST}, "'dummy_{id}'", 50)
    save("dummy", top / "state", changes)


def local(top: pathlib.Path) -> None:
    weir = NobodysWeir(top, JARVICE_BAREMETAL_CONNECTOR="local", WEIR_LOCAL_GPUS=1, WEIR_CANCEL_GRACE=1)
    weir.start()
    maker = Maker(weir)
    maker.ends()
    running = maker.submit("running", "echo began; exec sleep 600", JOBOBJ_GPUS="1")
    maker.run(running)
    canceled = maker.submit("canceled", "echo began; exec sleep 600")
    maker.run(canceled)
    weir.post("/terminate", canceled.args)
    maker.end(canceled)
    maker.submit("queued", JOBOBJ_GPUS="1")
    maker.submit("held", held=True)
    wait_until(lambda: "began" in weir.request(running, "tail").body.decode(), 20)
    weir.kill()
    save("local", weir.top / "state", copies("failed-unread", {"lost": LOST}))
    weir.start()
    weir.post("/terminate", running.args)
    maker.see_end(running)
    weir.stop()


def gpu(top: pathlib.Path) -> None:
    rig = Rig()
    try:
        alpha, distant = rig.server("alpha"), rig.server("distant")
        rig.token_key.write_bytes(TOKEN_KEY)
        weir = GPUWeir(rig, top, (alpha, distant), JARVICE_SCHED_SERVER_KEY=SERVICE_KEY)
        weir.start()
        maker = Maker(weir)
        maker.ends()
        running = maker.submit("running", "echo began; exec sleep 600", JOBOBJ_GPUS="2")
        maker.run(running)
        canceling = maker.submit("canceling", "echo began; exec sleep 600", JOBOBJ_GPUS="1")
        maker.run(canceling)
        canceled = maker.submit("canceled", "echo began; exec sleep 600", JOBOBJ_GPUS="1")
        maker.run(canceled)
        weir.post("/terminate", canceled.args)
        maker.end(canceled)
        distant.proxy.block()
        maker.aside(lambda: weir.post("/terminate", canceling.args))
        maker.submit("starting", JOBOBJ_GPUS="1")
        maker.submit("queued", JOBOBJ_GPUS="2")
        maker.submit("held", held=True)
        time.sleep(2)
        weir.kill()
        save("gpu", top / "state", copies("failed-unread", {"lost": LOST}))
    finally:
        rig.remove()


def slurm(top: pathlib.Path) -> None:
    proxy = Proxy()
    known_hosts = proxy.known_hosts(top / "known_hosts")
    weir = Weir(
        top, JARVICE_SLURM_CLUSTER_PORT=proxy.port, WEIR_SSH_KNOWN_HOSTS=known_hosts, WEIR_POLL_INTERVAL=1
    )
    weir.start()
    maker = Maker(weir, lambda body, **lines: cluster_script(on_the_node(body), **lines), token)
    maker.ends()
    running = maker.submit("running", "echo began; sleep 600")
    canceling = maker.submit("canceling", "echo began; sleep 600")
    canceled = maker.submit("canceled", "echo began; sleep 600")
    for job in (running, canceling, canceled):
        maker.run(job)
    weir.post("/terminate", canceled.args)
    maker.end(canceled)
    maker.submit("queued", JOBOBJ_DEVICES='["sbatch_begin=now+1hour"]')
    maker.submit("held", held=True)
    time.sleep(2)
    proxy.block()
    maker.aside(lambda: maker.submit("submitting"))
    weir.kill()
    proxy.close()
    Cluster().end(["running", "canceling", "queued", "held", "submitting"])
    changes = f"UPDATE job SET {CANCELING} WHERE name = 'canceling';"
    changes += copies("failed-unread", {"lost": LOST}, "'99999999'")
    changes += copies("queued", {"in-doubt": UNANSWERED["in-doubt"], "starting": "state = 'starting', reason = ''"}, "'99999998'", 50)
    save("slurm", top / "state", changes)


MAKERS = {"dummy": dummy, "local": local, "gpu": gpu, "slurm": slurm}

if __name__ == "__main__":
    if set(sys.argv[1:]) - MAKERS.keys():
        sys.exit(__doc__)
    for name in sys.argv[1:] or MAKERS:
        with tempfile.TemporaryDirectory(prefix="weir-store-") as top:
            directory = pathlib.Path(top)
            directory.chmod(0o755)
            MAKERS[name](directory)
            print(f"made {name}")
