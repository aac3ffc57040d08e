"""What an account's login files export changes neither what Slurm is asked and told nor what a job runs."""

import os
import re
import subprocess
import time
import uuid

import logins
import pytest
from harness import account, base64_text, job_name, on_the_node, private_key, script, token, wait_until

MARIO = token("mario@example.com")


@pytest.fixture
def homes(cluster):
    """Those of accounts whose login files set everything at once."""
    homes = [cluster.home(account) for account in ("jarvice", "kirby", "mario")]
    with logins.hostile(homes):
        yield homes


def test_hostile_login_files(new_weir, cluster, homes, gate):
    weir = new_weir(WEIR_LOST_AFTER=10, WEIR_POLL_INTERVAL=1).start()
    # Answered at once, though SBATCH_WAIT is set and the job waits for the gate.
    job = weir.submit(script(on_the_node(f"echo one; {gate.wait}; echo two")))
    held = weir.submit(script(on_the_node("true")), held=True)
    victim = weir.submit(script(on_the_node("sleep 300")), bearer=MARIO)
    for each in (job, victim):
        wait_until(lambda each=each: weir.runs(each))
    # Not canceled, and gone neither from the lists nor from what is known.
    answer = weir.post("/terminate", victim.args)
    assert answer.status == 200, answer.body
    state = lambda id: cluster.run("squeue", "-h", "-t", "all", "-o", "%T", "-j", id).strip()
    wait_until(lambda: state(victim.id) in ("CANCELLED", "COMPLETING"))
    assert weir.end(victim)[0] == -15
    assert weir.post("/release", held.args).status == 200
    assert weir.end(held)[0] == 0
    listed = weir.listed()
    assert listed.get(job.name) == "running", listed
    gate.open()
    code, _, (output, _) = weir.end(job)
    assert code == 0, output
    # Each line once, from this job's own output, without labels.
    assert re.search(r"^one\ntwo\n", output, re.M) and output.count("one\n") == 1, output
    for each in (job, held, victim):
        assert cluster.submissions(each.name) == {each.id}
    assert logins.hijacked(homes) == []
    ready = weir.get("/ready")
    assert ready.status == 200 and not ready.json().get("warnings"), ready.body


def test_observing_account_without_the_right_to_see_is_named(new_weir, cluster, gate):
    """The jobs that it does not see are not lost, and /ready says why."""
    observer, key = account("mario"), base64_text(private_key("mario"))
    weir = new_weir(
        WEIR_LOST_AFTER=10, WEIR_POLL_INTERVAL=1, JARVICE_SLURM_SSH_USER=observer, JARVICE_SLURM_SSH_PKEY=key
    ).start()
    job = weir.submit(script(on_the_node(gate.wait)))
    began = time.monotonic()

    def warned():
        text = weir.get("/ready").body.decode()
        return "does not see" in text and "PrivateData" in text and job.id in text

    wait_until(lambda: weir.runs(job))
    wait_until(warned)
    # Past the time after which a job that is seen nowhere is lost.
    wait_until(lambda: time.monotonic() - began > 13)
    assert weir.runs(job)


@pytest.fixture
def scratch(open_directory):
    directory = open_directory / f"scratch-{uuid.uuid4().hex[:8]}"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


def test_output_goes_to_no_directory_of_another_user(new_weir, cluster, scratch):
    weir = new_weir(JARVICE_JOB_SCRATCH_DIR=scratch).start()
    first = weir.submit(script(on_the_node("echo mine")))
    assert weir.end(first)[0] == 0
    output = scratch / ".jarvice" / f"{first.name}.out"
    assert output.stat().st_mode & 0o777 == 0o600
    assert (scratch / ".jarvice").stat().st_mode & 0o777 == 0o700
    # The second user is not led into the first one's directory.
    refused = weir.try_submit(script(on_the_node("true")), bearer=MARIO)
    assert refused.status == 422 and "another user" in refused.error, refused.body
    # The administrator's directory serves both; a file that somebody put in a job's place is not written to.
    subprocess.run(["rm", "-rf", scratch / ".jarvice"], check=True)
    (scratch / ".jarvice").mkdir()
    (scratch / ".jarvice").chmod(0o1777)
    name = job_name()
    trap = scratch / ".jarvice" / f"{name}.out"
    trap.touch()
    os.chown(trap, *(lambda s: (s.st_uid, s.st_gid))(cluster.home("mario").stat()))
    trap.chmod(0o666)
    refused = weir.try_submit(script(on_the_node("true")), name)
    assert refused.status == 422 and "output file" in refused.error, refused.body
    for bearer in (token(), MARIO):
        job = weir.submit(script(on_the_node("echo mine")), bearer=bearer)
        code, _, (text, _) = weir.end(job)
        assert code == 0 and "mine" in text
        assert (scratch / ".jarvice" / f"{job.name}.out").stat().st_mode & 0o777 == 0o600


def test_scratch_directory_that_anybody_can_rearrange_is_refused(new_weir, scratch):
    scratch.chmod(0o777)
    weir = new_weir(JARVICE_JOB_SCRATCH_DIR=scratch).start()
    refused = weir.try_submit(script(on_the_node("true")))
    assert refused.status == 422 and "sticky" in refused.error, refused.body


def test_any_byte_in_a_job_hides_no_job(new_weir, cluster, gate):
    weir = new_weir(WEIR_POLL_INTERVAL=1).start()
    job = weir.submit(script(on_the_node(gate.wait)))
    wait_until(lambda: weir.runs(job))
    text = "a\nb\x1f\x1e\r\n\x1f\udcff\udcfe\n"
    cluster.run("scontrol", "update", f"JobId={job.id}", f"Comment={text}", user="kirby")
    cluster.sbatch(f"--comment={text}", f"--job-name=x{text}", text="sleep 30", user="mario")
    cluster.sbatch(f"--comment={text}", f"--job-name=x{text}", "--array=1-3", text="sleep 30", user="mario")

    def seconds() -> int:
        """How long it is known to have run: this clock stands still while nothing shows the job."""
        hours, minutes, seconds = weir.post("/runstatus", job.args).json()[1].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + int(seconds)

    began = seconds()
    wait_until(lambda: seconds() >= began + 4)
    assert weir.post("/terminate", job.args).status == 200
    assert weir.end(job)[0] == -15
