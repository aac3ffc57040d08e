"""Release 0.1.0 is stopped or killed while it has jobs in every state, and today's program is started on its state directory.

No job is lost or runs twice, each ends as it would have ended, and cancels work. `WEIR_OLD_BINARY` names the program of 0.1.0;
`deploy/test.sh --only upgrade` builds it. Without it today's program takes its place and is killed, and the test writes the
store in the tables of 0.1.0 (`stores.write_back`) before it is opened again: jobs live on, only the old program is not there.
"""

import http.client
import random
import re
import threading
import time

import pytest
from gpu_fixtures import timed_out  # noqa: F401
from harness import Job, wait_until
from rig import Rig
from test_evidence import login, programs  # noqa: F401
from upgrade_sites import IS_RELEASED, OLD, DummySite, GPUSite, LocalSite, SlurmSite

ENDS = ["stopped", "killed"] if IS_RELEASED else ["killed"]

# How jobs end that do not succeed: the code and the state that are reported.
CANCELED = "-15 CA"
OUTCOMES = {"failed": "1 F", "canceled": CANCELED, "canceling": CANCELED, "withdrawn": CANCELED}
# What has ended before the change; of `read` the upstream has read it.
ENDED = ["read", "unread", "failed"]
# What runs before the change. `passing` ends while no Weir runs.
RUNNING = ["running", "passing", "canceled", "canceling"]
NEVER_RUN = {"withdrawn"}


@pytest.fixture(scope="module")
def rig():
    rig = Rig()
    yield rig
    rig.remove()


@pytest.fixture
def site(request, tmp_path):
    """One whose old program runs."""
    if request.param == "dummy":
        site = DummySite(tmp_path)
    elif request.param == "slurm":
        cluster, login, shared = map(request.getfixturevalue, ("cluster", "login", "open_directory"))
        site = SlurmSite(cluster, login, tmp_path, shared)
    else:
        rig = request.getfixturevalue("rig")
        site = LocalSite(rig) if request.param == "local" else GPUSite(rig, tmp_path)
    site.use(OLD)
    site.weir.start()
    yield site
    site.close()


@pytest.mark.parametrize("site", ["local", "gpu", "slurm"], indirect=True)
@pytest.mark.parametrize("how", ENDS)
def test_living_jobs_are_taken_over(site, how):
    read = submit_and_end(site)
    submit_and_run(site)
    starting = site.cut_starts()
    for role in ("queued", "withdrawn", "held"):
        site.submit(role, held=role == "held", gpus=2)
    before = {role: site.call("/runstatus", role) for role in [*ENDED, *RUNNING]}
    assert site.call("/terminate", "canceling") is True
    submitting = site.cut_submits()
    site.await_states(running=3, canceling=1, queued=2, held=1, starting=len(starting), submitting=len(submitting))

    site.end_old(how)
    site.early.open()
    site.heal()
    site.start_new(kills=3 if how == "killed" else 0)

    assert site.weir.end(site.jobs["read"]) == read
    are_as_before(site, before)
    for role in ("canceled", "withdrawn"):
        assert site.call("/terminate", role) is True
    assert site.call("/release", "held") is True
    for role in submitting:
        site.jobs[role] = site.send(role)
    site.let_queued_run()
    site.gate.open()
    end_once(site, read)
    site.finish()


def submit_and_end(site) -> list:
    """Jobs of which the output of one is read, and is returned."""
    for role in ENDED:
        site.submit(role, "echo wrong; exit 3" if role == "failed" else "echo more")
    for role in ENDED:
        site.await_end(role)
    return site.weir.end(site.jobs["read"])


def submit_and_run(site) -> None:
    forever = "while :; do sleep 0.1; done"
    site.submit("running", f"{site.gate.wait}; echo after running", gpus=2)
    site.submit("passing", f"{site.early.wait}; echo after passing")
    site.submit("canceled", forever)
    site.submit("canceling", f"exec 2>/dev/null; trap '' TERM; {forever}")
    site.await_runs(*RUNNING)


def are_as_before(site, before: dict) -> None:
    for role in ENDED:
        assert site.call("/runstatus", role) == before[role]
    wait_until(lambda: all(site.weir.runs(site.jobs[role]) for role in ("running", "canceled")))
    for role in ("running", "canceled"):
        assert site.call("/runstatus", role)[0] == before[role][0], "the nodes"
    listed = site.weir.listed()
    assert {listed[site.jobs[role].name] for role in ("queued", "withdrawn", "held")} == {"queued"}


def end_once(site, read: list) -> None:
    """Each job ends as it should, with its output, and has run once; it is not taken again when its request comes again."""
    ends = {role: site.weir.end(job, site.seconds) for role, job in site.jobs.items()}
    assert {role: outcome(end) for role, end in ends.items()} == {role: OUTCOMES.get(role, "0 CD") for role in ends}
    for role, (_, _, (output, _)) in ends.items():
        goes_on = role in ("running", "passing")
        lines = [] if role in NEVER_RUN else [f"out {role}", *([f"after {role}"] if goes_on else [])]
        assert [line for line in output.splitlines() if line.endswith(f" {role}")] == lines, (role, output)
    assert ends["unread"][2][0] == read[2][0].replace("read", "unread")
    for role, job in site.jobs.items():
        assert site.send(role) == job
    assert site.weir.listed() == {}
    assert sorted(site.runs.read_text().split()) == sorted(site.jobs.keys() - NEVER_RUN)
    site.check_backend()


@pytest.mark.parametrize("site", ["dummy"], indirect=True)
@pytest.mark.parametrize("how", ENDS)
def test_living_jobs_of_the_clock_are_taken_over(site, how):
    """On the connector dummy jobs ask for nothing but time."""
    weir = site.weir
    site.submit("read")
    site.submit("unread")
    site.await_end("unread")
    read = weir.end(site.jobs["read"])
    site.restart(FAILING_PERCENT=100)
    site.submit("failed")
    site.await_end("failed")
    site.restart(FAILING_PERCENT=0, RUNNING_TIME=3600)
    for role in ("running", "canceled"):
        site.submit(role)
    wait_until(lambda: all(weir.runs(site.jobs[role]) for role in ("running", "canceled")))
    for role in ("withdrawn", "held"):
        site.submit(role, held=True)
    site.await_states(running=2, held=2)
    before = {role: site.call("/runstatus", role) for role in ENDED}

    site.end_old(how)
    site.start_new(kills=3 if how == "killed" else 0)

    site.await_states(running=2, held=2)
    assert weir.end(site.jobs["read"]) == read
    for role in ENDED:
        assert site.call("/runstatus", role) == before[role]
    for role in ("canceled", "withdrawn"):
        assert site.call("/terminate", role) is True
        assert outcome(weir.end(site.jobs[role])) == CANCELED
    assert site.call("/release", "held") is True
    site.restart(RUNNING_TIME=1)
    ends = {role: weir.end(job) for role, job in site.jobs.items()}
    assert {role: outcome(end) for role, end in ends.items()} == {role: OUTCOMES.get(role, "0 CD") for role in ends}
    for role in ENDED:
        assert ends[role][2][0].startswith(f"This is job {site.jobs[role].name}\n")
    for role, job in site.jobs.items():
        assert site.send(role) == job
    assert weir.listed() == {}
    site.finish()


def outcome(end: list) -> str:
    """The code and the state of an answer of /exitstatus."""
    code, _, (_, state) = end
    return f"{code} {re.search('state: ([A-Z]+) ', state)[1]}"


# Where the backend must be asked, or has forgotten, it takes a deadline of half a minute to resolve a submit.
@pytest.mark.parametrize("site", ["local", "gpu", *(["dummy", "slurm"] if IS_RELEASED else [])], indirect=True)
@pytest.mark.parametrize("round", range(3 if IS_RELEASED else 1))
def test_submits_that_a_kill_cuts_are_resolved(site, round):
    """What was answered is answered again; what was not is taken once."""
    roles = [f"job{index}" for index in range(12)]
    for role in roles:
        site.request(role)

    def send(roles):
        for role in roles:
            try:
                answer = site.weir.try_submit(**site.requests[role])
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 200:
                site.jobs[role] = Job(site.requests[role]["name"], answer.json()[0])

    senders = [threading.Thread(target=send, args=(roles[first::2],)) for first in range(2)]
    for sender in senders:
        sender.start()
    time.sleep(random.uniform(0.01, 0.2))
    site.end_old("killed")
    for sender in senders:
        sender.join()
    site.start_new()
    for role in roles:
        job = site.send(role)
        assert site.jobs.setdefault(role, job) == job
    for job in site.jobs.values():
        assert site.weir.end(job, site.seconds)[0] == 0
    if site.runs_jobs:
        assert sorted(site.runs.read_text().split()) == sorted(roles)
    site.check_backend()
    site.finish()
