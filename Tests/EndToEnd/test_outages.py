"""The cluster is away: Weir says so, makes up nothing, and is well again soon after the cluster is."""

import os
import signal
import statistics
import threading
import time

import pytest
from harness import Relay, job_name, on_the_node, script, wait_until


class Hung:
    """slurmctld takes connections and never answers."""

    def __init__(self, cluster):
        self.pid = cluster.pid("slurmctld")

    def begin(self):
        os.kill(self.pid, signal.SIGSTOP)

    def finish(self):
        os.kill(self.pid, signal.SIGCONT)


class Stopped:
    """slurmctld is not there."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.pid = cluster.pid("slurmctld")

    def begin(self):
        os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{self.pid}"))

    def finish(self):
        if not os.path.exists(f"/proc/{self.pid}"):
            self.cluster.run("slurmctld", "-i")


@pytest.mark.parametrize("kind", [Hung, Stopped])
def test_outage_of_slurmctld(new_weir, cluster, gate, kind):
    weir = new_weir().start()
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    text, name, answers = script(on_the_node("true")), job_name(), []
    sender = threading.Thread(target=lambda: answers.append(weir.try_submit(text, name)))
    outage = kind(cluster)
    outage.begin()
    try:
        begin, took = time.monotonic(), {}
        sender.start()
        while sender.is_alive() or time.monotonic() - begin < 12:
            for path in ("/live", "/ready", "/gc", "/running", "/queued", "/runstatus"):
                start = time.monotonic()
                answer = weir.post(path, job.args) if path == "/runstatus" else weir.get(path)
                took.setdefault(path, []).append(time.monotonic() - start)
                assert path != "/live" or answer.status == 200
            nothing_is_made_up(weir, job)
            time.sleep(0.2)
        assert time.monotonic() - begin < 20, "the upstream waits no longer for an answer"
        assert all(statistics.median(times) < 0.05 for times in took.values()), "no look waits for the cluster"
        assert answers[0].status == 503 and answers[0].error, answers[0].body
    finally:
        outage.finish()
    wait_until(lambda: cluster_answers(cluster), 30)
    wait_until(lambda: weir.get("/running").status == 200 and weir.get("/ready").status == 200, 10)
    assert weir.runs(job)
    gate.open()
    assert weir.end(job)[0] == 0
    again = weir.submit(text, name)
    assert weir.end(again)[0] == 0
    assert cluster.submissions(name) == {again.id}


def nothing_is_made_up(weir, job):
    """A list is complete or it is an error, and an outage is no end."""
    running = weir.get("/running")
    assert running.status in (200, 503)
    if running.status == 200:
        assert [job.name, job.id] in running.json()
    else:
        assert running.error and int(running.headers["retry-after"]) > 0
    status = weir.post("/runstatus", job.args)
    assert status.status == 503 or status.json()[0]
    assert weir.post("/exitstatus", job.args).status in (409, 503)


def cluster_answers(cluster):
    try:
        return "UP" in cluster.run("scontrol", "ping")
    except AssertionError:
        return False


@pytest.fixture
def relayed(new_weir, tmp_path):
    """A Weir, and its way to the cluster."""
    relay = Relay()
    known_hosts = relay.known_hosts(tmp_path / "known_hosts")
    way = {"JARVICE_SLURM_CLUSTER_PORT": relay.port, "WEIR_SSH_KNOWN_HOSTS": known_hosts}
    yield new_weir(**way, WEIR_STALE_AFTER=3).start(), relay
    relay.cut()


def test_outage_past_the_age_of_what_was_seen(relayed, gate):
    """What was last seen is told while it is fresh; after that the truth is that nobody knows."""
    weir, relay = relayed
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    relay.cut()
    wait_until(lambda: weir.get("/running").status == 503)
    ready = weir.get("/ready")
    assert ready.status == 503 and ready.json()["status"] == "BAD" and ready.json()["version"]
    assert len(ready.json()["reasons"]) == 1 and f":{relay.port}" in ready.json()["reasons"][0]
    assert (weir.get("/gc").status, weir.get("/gc").json()) == (500, {"status": "BAD"})
    for path in ("/terminate", "/events"):
        assert weir.post(path, job.args).status == 503
    assert weir.try_submit().status == 503
    assert weir.get("/live").status == 200
    nothing_is_made_up(weir, job)
    relay.open()
    wait_until(lambda: weir.get("/ready").status == 200 and weir.runs(job), 10)
    gate.open()
    assert weir.end(job)[0] == 0


def test_cut_connections_are_made_anew(relayed, gate):
    weir, relay = relayed
    job = weir.submit(script(on_the_node(f"echo before; {gate.wait}")))
    wait_until(lambda: b"before" in weir.request(job, "tail").body)
    relay.cut()
    relay.open()
    wait_until(lambda: b"before" in weir.request(job, "tail").body, 10)
    gate.open()
    assert weir.end(job)[0] == 0


def test_outage_of_accounting_makes_up_no_end(new_weir, cluster):
    """sacct hangs while a job ends."""
    weir = new_weir().start()
    job = weir.submit(script(on_the_node("sleep 1; echo done")))
    pid = cluster.pid("slurmdbd")
    os.kill(pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        while time.monotonic() - begin < 6:
            answer = weir.post("/exitstatus", job.args)
            assert answer.status in (409, 503) or answer.json()[0] == 0, answer.body
            time.sleep(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert weir.end(job)[0] == 0
