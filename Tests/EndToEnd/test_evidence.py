"""Every state has its evidence, and a job is one job: through odd answers, requeues, and the loss of the store."""

import concurrent.futures
import contextlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
from harness import TESTBED, Job, account, base64_text, job_name, on_the_node, private_key, script, settings, token, wait_until

MARIO = token("mario@example.com")
# Seconds
LOST_AFTER = 10


class Login:
    """An sshd of the test's own for the cluster, which puts programs before those of the cluster, and settings of its
    own into the environment. Its clock is in another zone."""

    def __init__(self, directory, programs):
        self.directory = directory
        self.programs = programs / directory.name
        self.programs.mkdir(mode=0o755)
        shutil.chown(self.programs, account("mario"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        self.process = None

    def start(self, slurm_conf=TESTBED / "etc/slurm.conf"):
        testbed = (TESTBED / "etc/sshd_config").read_text()
        kept = [line for line in testbed.splitlines() if not re.match("ListenAddress|PidFile|SetEnv|MaxStartups", line)]
        path = f"{self.programs}:{os.environ['PATH']}"
        kept += [
            f"ListenAddress 127.0.0.1:{self.port}",
            "PidFile none",
            f"SetEnv SLURM_CONF={slurm_conf} PATH={path} TZ=America/New_York",
        ]
        config = self.directory / "sshd_config"
        config.write_text("\n".join(kept) + "\n")
        log = open(self.directory / "sshd.log", "ab")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=log, stdin=subprocess.DEVNULL)

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True

        wait_until(listens)
        return self

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(5)

    def program(self, name: str, text: str):
        """`$REAL` is the program in whose place this one is; each call leaves a line in `calls`."""
        file = self.programs / name
        real = shutil.which(name)
        file.write_text(f"#!/bin/bash\nREAL={real}\necho >> {self.programs}/{name}.calls\n{text}\n")
        file.chmod(0o755)

    @property
    def gate(self) -> str:
        """What a job of mario's waits for until `open_gate`."""
        return f"until [ -e {self.programs}/open ]; do sleep 0.1; done"

    def open_gate(self):
        (self.programs / "open").touch()

    def calls(self, name: str) -> int:
        file = self.programs / f"{name}.calls"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @property
    def settings(self) -> dict:
        known_hosts, port = self.directory / "known_hosts", settings()["JARVICE_SLURM_CLUSTER_PORT"]
        known_hosts.write_text((TESTBED / "keys/known_hosts").read_text().replace(f":{port} ", f":{self.port} "))
        return {
            "JARVICE_SLURM_CLUSTER_PORT": self.port,
            "WEIR_SSH_KNOWN_HOSTS": known_hosts,
            "JARVICE_SLURM_SSH_USER": account("mario"),
            "JARVICE_SLURM_SSH_PKEY": base64_text(private_key("mario")),
        }


@pytest.fixture(scope="module")
def programs(cluster):
    """It outlives each test, whose jobs may still look there for their gate. Not in a home directory, where Weir looks for
    Slurm's programs last."""
    directory = TESTBED / f"programs-{os.getpid()}"
    directory.mkdir(mode=0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def login(programs, tmp_path):
    login = Login(tmp_path, programs)
    yield login
    login.stop()


def row(weir, job) -> dict:
    """What the store holds of a job."""
    with contextlib.closing(sqlite3.connect(weir.directory / "state/weir.sqlite")) as database:
        database.row_factory = sqlite3.Row
        return dict(database.execute("SELECT * FROM job WHERE name = ?", [job.name]).fetchone())


def events(weir, job) -> list:
    with contextlib.closing(sqlite3.connect(weir.directory / "state/weir.sqlite")) as database:
        query = 'SELECT "from", "to", source, reason FROM jobEvent WHERE job = ? ORDER BY number'
        return database.execute(query, [row(weir, job)["id"]]).fetchall()


ODD = {
    "text beside the id": 'echo "Welcome 4711"; "$REAL" "$@"; echo "bye"',
    "another number beside the id": '"$REAL" "$@"; echo 1',
    "no id": '"$REAL" "$@" > /dev/null',
    "failed after it was accepted": '"$REAL" "$@"; echo "plugin failed" >&2; exit 1',
    "failed silently after it was accepted": '"$REAL" "$@" > /dev/null; exit 1',
    "killed after it was accepted": '"$REAL" "$@"; kill -9 $$',
    "lacks a program after it was accepted": '"$REAL" "$@"; nosuchcommand',
    "failed to reach another server after it was accepted":
        '"$REAL" "$@"; echo "curl: (7) Connection refused" >&2; exit 7',
}


@pytest.mark.parametrize("what", ODD)
def test_odd_answer_of_sbatch_makes_one_job(new_weir, login, cluster, what):
    login.program("sbatch", ODD[what])
    weir = new_weir(**login.start().settings).start()
    name, text = job_name(), script(on_the_node("true"))
    # On a slow machine what became of it is still being found out after the time of a call.
    first = weir.try_submit(text, name, bearer=MARIO)
    for _ in range(5):
        if first.status == 503:
            first = weir.try_submit(text, name, bearer=MARIO)
    assert first.status == 200, first.body
    again = weir.try_submit(text, name, bearer=MARIO)
    assert again.body == first.body
    assert cluster.submissions(name) == {first.json()[0]}
    assert login.calls("sbatch") == 1


def test_refused_job_that_slurm_still_shows_is_no_job(new_weir, cluster):
    """slurmctld keeps a record, with the mark, of some submissions that it refused."""
    weir = new_weir().start()
    name = job_name()
    refused = weir.try_submit(script(on_the_node("true"), JOBOBJ_RAM="99999"), name)
    assert refused.status == 422, refused.body
    assert len(cluster.submissions(name)) == 1
    time.sleep(5)
    answer = weir.try_submit(script(on_the_node("true")), name)
    assert answer.status == 200, answer.body
    assert weir.end(Job(name, answer.json()[0]))[0] == 0


def test_sbatch_that_is_killed_before_it_submits_is_tried_again(new_weir, login, cluster):
    login.program("sbatch", f'[ $(wc -l < {login.programs}/sbatch.calls) -gt 1 ] || kill -9 $$; exec "$REAL" "$@"')
    weir = new_weir(**login.start().settings, WEIR_SUBMIT_DEADLINE=30).start()
    name, text = job_name(), script(on_the_node("true"))
    first = weir.try_submit(text, name, bearer=MARIO)
    assert first.status == 503 and int(first.headers["retry-after"]) > 0
    assert weir.listed()[name] == "queued", "it may be there"
    last = wait_until(lambda: (a := weir.try_submit(text, name, bearer=MARIO)).status == 200 and a, 60, 1)
    assert cluster.submissions(name) == {last.json()[0]}
    assert login.calls("sbatch") == 2


@pytest.mark.parametrize("text", ['sleep 25; exec "$REAL" "$@"', '"$REAL" "$@"; sleep 30'])
def test_slow_sbatch_makes_one_job(new_weir, login, cluster, text):
    login.program("sbatch", text)
    weir = new_weir(**login.start().settings).start()
    name, body = job_name(), script(on_the_node("true"))
    begin = time.monotonic()
    first = weir.try_submit(body, name, bearer=MARIO)
    assert time.monotonic() - begin < 20, "the upstream waits no longer for an answer"
    assert first.status in (200, 503)
    assert first.status == 200 or name in weir.listed()
    last = wait_until(lambda: (a := weir.try_submit(body, name, bearer=MARIO)).status == 200 and a, 40, 1)
    assert first.status == 503 or last.body == first.body
    assert cluster.submissions(name) == {last.json()[0]}
    assert login.calls("sbatch") == 1


def test_id_of_another_job_is_put_right(new_weir, login, cluster):
    other = cluster.sbatch(text="sleep 60", user="mario")
    login.program("sbatch", f'"$REAL" "$@" > /dev/null; echo {other}')
    weir = new_weir(**login.start().settings).start()
    name = job_name()
    assert weir.try_submit(script(on_the_node(login.gate)), name, bearer=MARIO).json()[0] == other
    (id,) = cluster.submissions(name)
    wait_until(lambda: [name, id] in weir.get("/running").json())
    assert other in cluster.run("squeue", "-h", "-o", "%A"), "nobody touched it"
    login.open_gate()


def test_job_that_its_user_renamed_is_the_same_job(new_weir, cluster, gate):
    weir = new_weir(WEIR_LOST_AFTER=LOST_AFTER).start()
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    cluster.run("scontrol", "update", f"JobId={job.id}", "JobName=foo", user="kirby")
    begin = time.monotonic()
    while time.monotonic() - begin < LOST_AFTER + 3:
        assert weir.runs(job)
        time.sleep(0.5)
    assert "JobName=foo" in weir.post("/events", job.args).json()
    assert weir.post("/terminate", job.args).json() is True
    assert weir.end(job)[0] == -15


def test_job_that_moves_meanwhile_is_in_one_list_whichever_is_asked_for_first(new_weir, cluster, gate):
    weir = new_weir().start()
    job = weir.submit(script(on_the_node(gate.wait)), held=True)
    for release, paths in ((True, ("/running", "/queued")), (False, ("/queued", "/running"))):
        assert [job.name, job.id] not in weir.get(paths[0]).json()
        cluster.run("scontrol", *(("release", job.id) if release else ("requeuehold", job.id)))
        wait_until(lambda: (row(weir, job)["state"] == "running") == release)
        assert [job.name, job.id] in weir.get(paths[1]).json()
        wait_until(lambda: [job.name, job.id] not in weir.get(paths[1]).json())


def test_requeued_job_is_the_same_job_in_its_next_attempt(new_weir, cluster, gate):
    weir = new_weir().start()
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    cluster.run("scontrol", "requeue", job.id)
    wait_until(lambda: weir.listed()[job.name] == "queued")
    assert row(weir, job)["attempt"] == 2 and "begin time" in row(weir, job)["reason"]

    def begins():
        with contextlib.suppress(AssertionError):
            cluster.run("scontrol", "update", f"JobId={job.id}", "StartTime=now")
            return True

    wait_until(begins)
    wait_until(lambda: weir.runs(job), 30)
    gate.open()
    assert weir.end(job)[0] == 0
    kept = row(weir, job)
    assert (kept["attempt"], kept["state"]) == (2, "succeeded")
    assert [to for _, to, _, _ in events(weir, job)].count("running") == 2


def test_job_requeued_on_hold_waits_for_its_release(new_weir, cluster, gate):
    weir = new_weir().start()
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    cluster.run("scontrol", "requeuehold", job.id)
    wait_until(lambda: row(weir, job)["state"] == "held")
    wait_until(lambda: weir.listed()[job.name] == "queued")
    assert row(weir, job)["attempt"] == 2
    assert weir.post("/terminate", job.args).json() is True
    assert weir.end(job)[0] == -15


def test_code_and_canceler_are_added_to_an_end_that_the_queue_told(new_weir, cluster, gate):
    weir = new_weir().start()
    failing = weir.submit(script(on_the_node("true").replace("JARVICE_CMD_SUCCESS", "JARVICE_CMD_FAILURE")))
    canceled = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(canceled))
    cluster.run("scancel", canceled.id)
    first = weir.end(failing), weir.end(canceled)
    assert [end[0] for end in first] == [1, -15]
    wait_until(lambda: row(weir, failing)["exitCode"] == 1, 90)
    assert row(weir, failing)["reason"] == "ended with exit code 1"
    wait_until(lambda: row(weir, canceled)["reason"] == "canceled by root", 90)
    assert (weir.end(failing), weir.end(canceled)) == first, "an end stays as it was told"
    assert events(weir, failing)[-1][:3] == ("failed", "failed", "sacct")


def test_job_without_accounting_ends_by_slurmctlds_word(new_weir, login, cluster):
    conf = login.programs / "slurm.conf"
    text = (TESTBED / "etc/slurm.conf").read_text()
    conf.write_text(re.sub("(?im)^AccountingStorage.*\n", "", text) + "AccountingStorageType=accounting_storage/none\n")
    weir = new_weir(**login.start(conf).settings).start()
    job = weir.submit(script(on_the_node("true")), bearer=MARIO)
    assert weir.end(job)[0] == 0
    wait_until(lambda: row(weir, job)["exitCode"] == 0, 30)
    assert row(weir, job)["seenBy"] == "scontrol"
    assert weir.get("/ready").status == 200


def test_times_are_utc_whatever_the_zone_of_the_cluster(new_weir, login):
    weir = new_weir(**login.start().settings).start()
    job = weir.submit(script(on_the_node(login.gate)), bearer=MARIO)
    wait_until(lambda: weir.runs(job))
    started = row(weir, job)["startedAt"]
    seconds = time.mktime(time.strptime(started[:19], "%Y-%m-%d %H:%M:%S")) - time.timezone
    assert abs(time.time() - seconds) < 30
    assert weir.post("/runstatus", job.args).json()[1] < "00:00:30"
    login.open_gate()
    assert weir.end(job)[1] < "00:01:00"


def test_jobs_outlive_the_store(new_weir, cluster, gate):
    weir = new_weir().start()
    waiting = script(on_the_node(f"{gate.wait}; echo after"))
    running = weir.submit(waiting)
    doomed = weir.submit(waiting)
    held = weir.submit(script(on_the_node("true")), held=True)
    ended = weir.submit(script(on_the_node("echo before")))
    wait_until(lambda: weir.runs(running) and weir.runs(doomed))
    end = weir.end(ended)
    comment = cluster.run("squeue", "-h", "-o", "%k", "-j", running.id).strip()
    forged = job_name()
    cluster.sbatch(f"--comment={comment}", f"--job-name=jarvice_{forged}", "--begin=now+1hour")
    weir.kill()
    shutil.rmtree(weir.directory / "state")
    weir.start()
    listed = weir.listed()
    assert [listed.get(job.name) for job in (running, doomed, held)] == ["running", "running", "queued"]
    assert forged not in listed
    assert weir.post("/runstatus", running.args).json()[0][0].startswith("node")
    assert weir.end(ended) == end
    again = weir.try_submit(waiting, running.name)
    assert again.json() == [running.id, running.rendered]
    assert weir.try_submit(script(on_the_node("false")), running.name).status == 409
    assert weir.try_submit(waiting, running.name, bearer=MARIO).status == 409
    assert weir.post("/terminate", doomed.args).json() is True
    assert weir.end(doomed)[0] == -15
    gate.open()
    code, _, (output, _) = weir.end(running)
    assert code == 0 and "after" in output
    assert weir.post("/release", held.args).json() is True
    assert weir.end(held)[0] == 0
    for job in (running, doomed, held, ended):
        assert cluster.submissions(job.name) == {job.id}


def test_another_weir_for_the_same_cluster_takes_no_jobs(new_weir, gate):
    one, other = new_weir().start(), new_weir().start()
    job = one.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: one.runs(job))
    time.sleep(5)
    assert job.name not in other.listed()
    assert other.post("/runstatus", job.args).json() == [None] * 4


def requests_of(cluster, user: str) -> int:
    """Requests to slurmctld that this user ever made."""
    by_user = cluster.run("sdiag").split("Remote Procedure Call statistics by user")[1]
    found = re.search(rf"^\s*{user}\s*\(.*\)\s*count:(\d+)", by_user, re.M)
    return int(found[1]) if found else 0


def test_cost_for_slurm_does_not_depend_on_clients_or_jobs(new_weir, login, cluster):
    weir = new_weir(**login.start().settings, WEIR_POLL_INTERVAL=1).start()
    text = script(on_the_node("true"), JOBOBJ_DEVICES='["exclusive=False", "sbatch_begin=now+1hour"]')
    jobs = [weir.submit(text, bearer=MARIO)]
    cost = {}
    for clients in (1, 50):
        end = threading.Event()

        def poll():
            while not end.wait(0.1):
                for path in ("/running", "/queued"):
                    assert weir.get(path).status == 200
                assert weir.post("/runstatus", jobs[0].args).status == 200

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            polling = [pool.submit(poll) for _ in range(clients)]
            time.sleep(2)
            before = requests_of(cluster, account("mario"))
            time.sleep(10)
            cost[clients, len(jobs)] = requests_of(cluster, account("mario")) - before
            end.set()
            for client in polling:
                client.result()
        if len(jobs) == 1:
            jobs += [weir.submit(text, bearer=MARIO) for _ in range(39)]
            time.sleep(1)
    print(cost)
    assert 0 < cost[50, 40] <= cost[1, 1] + 2, cost


def test_job_that_the_queue_forgot_ends_by_accounting_and_outlives_the_store(new_weir, login, cluster):
    login.program("squeue", '"$REAL" "$@" | { grep -v COMPLETED || true; }')
    weir = new_weir(**login.start().settings).start()
    job = weir.submit(script(on_the_node("echo before")), bearer=MARIO)
    end = weir.end(job)
    kept = row(weir, job)
    assert end[0] == 0 and (kept["seenBy"], kept["exitCode"]) == ("sacct", 0)
    weir.kill()
    shutil.rmtree(weir.directory / "state")
    weir.start()
    assert weir.end(job)[::2] == end[::2]
    assert row(weir, job)["owner"] == "mario@example.com"
    with contextlib.closing(sqlite3.connect(weir.directory / "state/weir.sqlite")) as database, database:
        database.execute("DELETE FROM job WHERE name = ?", [job.name])
    weir.kill()
    weir.start()
    assert weir.end(job)[::2] == end[::2], "adopted on its first mention"
