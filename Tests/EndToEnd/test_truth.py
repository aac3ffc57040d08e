"""What Weir says of a job that the cluster does not show, or that does not end: never an end that nobody has seen."""

import contextlib
import sqlite3
import time

from harness import job_name, on_the_node, script, token, wait_until
from test_evidence import LOST_AFTER, events, login, programs, row  # noqa: F401

MARIO = token("mario@example.com")


def forgets(job) -> str:
    """scontrol of a slurmctld that does not know a job."""
    return f"""
case "$* " in *"show job {job.id} "*) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1;; esac
exec "$REAL" "$@"
"""


def reasons(weir) -> str:
    return " ".join(weir.get("/ready").json().get("reasons", []))


def test_many_jobs_that_vanish_at_once_are_a_failed_poll(new_weir, login, cluster):  # noqa: F811
    """As where the polling account may no longer see the jobs of others: squeue ends with 0 and shows none."""
    weir = new_weir(**login.start().settings, WEIR_LOST_AFTER=LOST_AFTER).start()
    jobs = [weir.submit(script(on_the_node(login.gate)), bearer=MARIO) for _ in range(3)]
    for job in jobs:
        wait_until(lambda: weir.runs(job))  # noqa: B023
    # slurmdbd learns of a start some seconds later.
    wait_until(lambda: cluster.run("sacct", "-X", "-n", "-P", "-o", "State", "-j", jobs[0].id) == "RUNNING\n")
    begin = time.monotonic()
    login.program("scontrol", forgets(jobs[0]))
    login.program("squeue", "exit 0")
    wait_until(lambda: weir.get("/ready").status == 503)
    assert "3 of 3 jobs vanished from the backend at once" in reasons(weir) and jobs[0].name in reasons(weir)
    while time.monotonic() - begin < LOST_AFTER + 3:
        answer = weir.get("/running")
        assert answer.status == 503 or {name for name, _ in answer.json()} == {job.name for job in jobs}
        assert all(weir.post("/exitstatus", job.args).status == 409 for job in jobs)
        time.sleep(0.5)
    assert [row(weir, job)["reason"] for job in jobs] == [
        f"not in the queue, but {source} says RUNNING" for source in ("sacct", "scontrol", "scontrol")
    ]
    for name in ("squeue", "scontrol"):
        (login.programs / name).unlink()
    wait_until(lambda: weir.get("/ready").status == 200)
    assert all(weir.runs(job) for job in jobs)
    login.open_gate()
    assert [weir.end(job)[0] for job in jobs] == [0, 0, 0]


def test_lost_job_that_turns_up_lives_on(new_weir, login, cluster):  # noqa: F811
    weir = new_weir(**login.start().settings, WEIR_LOST_AFTER=LOST_AFTER).start()
    job = weir.submit(script(on_the_node(login.gate)), bearer=MARIO)
    wait_until(lambda: weir.runs(job))
    begin = time.monotonic()
    login.program("squeue", "exit 0")
    login.program("sacct", "exit 0")
    login.program("scontrol", forgets(job))
    while time.monotonic() - begin < LOST_AFTER - 2:
        assert job.name in weir.listed()
        time.sleep(0.5)
    told = wait_until(lambda: (a := weir.post("/exitstatus", job.args)).status == 200 and a, 30)
    assert time.monotonic() - begin >= LOST_AFTER
    assert told.json()[0] == -9 and "LOST" in told.json()[2][1]
    assert "not in the queue since" in row(weir, job)["reason"] and not weir.runs(job)
    for name in ("squeue", "sacct", "scontrol"):
        (login.programs / name).unlink()
    wait_until(lambda: weir.runs(job))
    assert weir.post("/runstatus", job.args).json()[2] == f"{job.name}/1/{job.id}"
    assert weir.post("/exitstatus", job.args).body == told.body, "the upstream has acted on it"
    assert [event[1] for event in events(weir, job)][-2:] == ["lost", "running"]
    assert weir.post("/terminate", job.args).json() is True
    wait_until(lambda: row(weir, job)["state"] == "canceled")
    assert weir.post("/exitstatus", job.args).body == told.body
    assert weir.run("store", "check").returncode == 0


def test_cancel_that_did_nothing_is_an_error(new_weir, login, cluster):  # noqa: F811
    weir = new_weir(**login.start().settings).start()
    job = weir.submit(script(on_the_node(login.gate)), bearer=MARIO)
    wait_until(lambda: weir.runs(job))
    login.program("scancel", f'[ $(wc -l <{login.programs}/scancel.calls) = 1 ] && exit 0; exec "$REAL" "$@"')
    refused = weir.post("/terminate", job.args)
    assert refused.status == 503 and f"still shows job {job.id}" in refused.error
    assert weir.runs(job)
    assert weir.post("/terminate", job.args).json() is True
    assert weir.end(job)[0] == -15
    assert login.calls("scancel") == 2


def test_cancel_of_a_job_that_runs_on_is_sent_again(new_weir, login, cluster):  # noqa: F811
    """Neither scancel nor the check after it shows that the first cancel had no effect; the polls do."""
    login.program("scancel", f'[ $(wc -l <{login.programs}/scancel.calls) = 1 ] && exit 0; exec "$REAL" "$@"')
    login.program("squeue", 'case "$*" in *--states=PENDING,RUNNING,SUSPENDED*) exit 0;; esac; exec "$REAL" "$@"')
    weir = new_weir(**login.start().settings).start()
    job = weir.submit(script(on_the_node(login.gate)), bearer=MARIO)
    wait_until(lambda: weir.runs(job))
    assert weir.post("/terminate", job.args).json() is True
    assert login.calls("scancel") == 1 and job.id in cluster.run("squeue", "-h", "-t", "RUNNING", "-o", "%A")
    assert weir.end(job)[0] == -15
    assert login.calls("scancel") == 2 and "the cancel is sent again" in weir.log


def test_job_is_ended_by_hand_where_no_weir_runs(new_weir):
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", JARVICE_DUMMY_JOB_RUNNING_TIME="3600", WEIR_KEEP_OUTPUT=100)
    weir.start()
    job, other = weir.submit(), weir.submit()
    command = ("end", f"{job.name}/1", "--reason", "the machine was scrapped")
    refused = weir.run(*command)
    assert refused.returncode == 1 and f"in use by process {weir.process.pid}" in refused.stderr
    assert job.name in weir.listed()
    weir.stop()
    done = weir.run(*command)
    assert done.returncode == 0 and "the machine was scrapped" in done.stdout, done.stderr
    for wrong, words in (
        (command, "has ended already"),
        (("end", job_name(), "--reason", "x"), "has no job"),
        (("end", other.id), "--reason"),
        (("end", other.id, "--reason", " "), "--reason"),
        (("end", other.id, "--reason", "two\nlines"), "--reason"),
        (("end", other.id, "--reason", "x", "--state-dir", str(weir.directory)), "no job store"),
    ):
        failed = weir.run(*wrong)
        assert failed.returncode != 0 and words in failed.stderr, (wrong, failed)
    assert weir.run("store", "check").returncode == 0
    with contextlib.closing(sqlite3.connect(weir.directory / "state/weir.sqlite")) as database:
        kept = "SELECT (julianday(due) - julianday(endedAt)) * 86400 FROM retention JOIN job ON job.id = retention.job WHERE name = ?"
        (seconds,) = database.execute(kept, [job.name]).fetchone()
    assert abs(seconds - 7 * 86400 - 100) < 120, "as WEIR_KEEP_OUTPUT says, by the time for which Weir ran"
    weir.start()
    assert weir.end(job)[0] == -15
    assert other.name in weir.listed()
    last = events(weir, job)[-1]
    assert last[1:3] == ("canceled", "administrator") and last[3].endswith(": the machine was scrapped")
