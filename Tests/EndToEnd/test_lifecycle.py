"""A job's way from its submission to its end, for each kind of end."""

import re
import socket

import pytest
from harness import HELLO, account, job_name, on_the_node, script, token, wait_until


def banner(state: str) -> str:
    return f"<< termination state: {state} -- see STDOUT for job errors >>"


def test_two_node_container_job_runs_to_its_end(weir):
    job = weir.submit(script(JOBOBJ_DEVICES="[]"), nodes=2)
    assert job.name in weir.listed(), "a job is listed from the instant its submission is answered"
    assert job.rendered.startswith("#!/bin/bash\n")
    code, duration, (output, state) = weir.end(job)
    assert (code, state) == (0, banner("CD"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d", duration)
    lines = output.split("\n")
    assert lines[:2] == [f"Hello from {socket.gethostname()}", "Entering parallel region"]
    assert sorted(lines[2:-1]) == ["JARVICE_CMD_SUCCESS"] * 2 + ["app says hello from testbed"] * 2
    assert lines[-1] == "JARVICE Job completed OK"
    assert job.name not in weir.listed()


def test_exit_status_is_the_same_bytes_again(weir):
    job = weir.submit(script(on_the_node("echo once")))
    weir.end(job)
    first, second = (weir.post("/exitstatus", job.args) for _ in range(2))
    assert first.body == second.body and b"once" in first.body


def test_running_job_shows_its_nodes_and_output(weir, gate):
    job = weir.submit(script(command=f"{HELLO}; {gate.wait}"), nodes=2)
    wait_until(lambda: weir.runs(job))
    nodes, duration, identity, last = weir.post("/runstatus", job.args).json()
    assert len(nodes) == 2 and all(re.fullmatch(r"node\d", node) for node in nodes), nodes
    assert re.fullmatch(r"\d\d:\d\d:\d\d", duration)
    assert (identity, last) == (f"{job.name}/1/{job.id}", None)
    wait_until(lambda: weir.request(job, "tail").body.count(b"app says hello from testbed\n") == 2)
    answer = weir.request(job, "tail", {"lines": ["1"]})
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body.strip() == b"app says hello from testbed"
    assert weir.post("/exitstatus", job.args).status == 409, "it still runs"
    assert b"app says hello" in weir.request(job, "tail").body, "asking for the end deletes nothing"
    gate.open()
    assert weir.end(job)[0] == 0


def test_node_lists_are_expanded(weir, gate):
    job = weir.submit(script(on_the_node(gate.wait)), nodes=3)
    wait_until(lambda: weir.runs(job))
    nodes = weir.post("/runstatus", job.args).json()[0]
    assert len(set(nodes)) == 3 and all(re.fullmatch(r"node[1-4]", node) for node in nodes), nodes


def test_failed_job(weir):
    job = weir.submit(script(command="echo going; exit 3"))
    code, _, (output, state) = weir.end(job)
    assert (code, state) == (1, banner("F"))
    assert "going" in output and "JARVICE_CMD_FAILURE" in output


def test_job_that_never_says_success_has_failed(weir):
    job = weir.submit(script("set -x\necho '/bin/echo JARVICE_CMD_SUCCESS'\ntrue\n"))
    code, _, (_, state) = weir.end(job)
    assert (code, state) == (1, banner("F"))


def test_canceled_job(weir, gate):
    job = weir.submit(script(on_the_node("echo began; " + gate.wait)))
    wait_until(lambda: b"began" in weir.request(job, "tail").body)
    assert weir.post("/terminate", job.args).json() is True
    code, _, (output, state) = weir.end(job)
    assert (code, state) == (-15, banner("CA"))
    assert "began" in output
    assert weir.post("/terminate", job.args).json() is True, "what is over is terminated"
    assert weir.end(job)[0] == -15


def test_job_canceled_on_the_cluster(weir, cluster, gate):
    job = weir.submit(script(on_the_node(gate.wait)))
    cluster.run("scancel", job.id, user="kirby")
    code, _, (_, state) = weir.end(job)
    assert (code, state) == (-15, banner("CA"))


@pytest.mark.parametrize("method", ["shutdown", "abort"])
def test_request_that_terminates(weir, gate, method):
    job = weir.submit(script(on_the_node(gate.wait)))
    assert weir.request(job, method).status == 200
    assert weir.end(job)[0] == -15


def test_queued_job_waits_is_held_and_released(weir, cluster, gate):
    licences = cluster.sbatch("--licenses=matlab:4", text=gate.wait)
    job = weir.submit(script(JOBOBJ_LICENSES="matlab:1"))
    assert weir.listed()[job.name] == "queued"
    wait_until(lambda: "JobState=PENDING" in weir.post("/events", job.args).json())
    cluster.run("scontrol", "uhold", job.id)
    assert weir.post("/runstatus", job.args).json()[0] == []
    answer = weir.request(job, "tail")
    assert (answer.status, answer.body) == (200, b""), "no output yet is no error"
    assert weir.post("/exitstatus", job.args).status == 409
    cluster.run("scancel", licences)
    gate.open()
    wait_until(lambda: "JobHeldUser" in weir.post("/events", job.args).json())
    assert weir.listed()[job.name] == "queued"
    assert weir.post("/release", job.args).json() is True
    assert weir.end(job)[0] == 0


def test_job_submitted_held_waits_for_its_release(weir):
    job = weir.submit(script(on_the_node("echo let go")), held=True)
    assert weir.listed()[job.name] == "queued"
    assert "JobHeldUser" in weir.post("/events", job.args).json()
    assert weir.post("/release", job.args).json() is True
    assert "let go" in weir.end(job)[2][0]


def test_queued_job_is_canceled(weir, cluster):
    job = weir.submit(script(JOBOBJ_DEVICES='["sbatch_begin=now+1hour"]'))
    assert weir.listed()[job.name] == "queued"
    assert weir.post("/terminate", job.args).json() is True
    code, duration, (output, state) = weir.end(job)
    assert (code, duration, output, state) == (-15, "00:00:00", "", banner("CA"))


@pytest.mark.parametrize(
    "needs",
    [
        {"JOBOBJ_DEVICES": '["partition=nowhere"]'},
        {"JOBOBJ_GPUS": "99"},
        {"JOBOBJ_RAM": "99999"},
        {"JOBOBJ_LICENSES": "nosuch:1"},
    ],
    ids=lambda needs: next(iter(needs)),
)
def test_impossible_job_is_refused_in_sbatchs_own_words(weir, needs):
    name = job_name()
    answer = weir.try_submit(script(**needs), name)
    assert answer.status == 422, answer.body
    assert re.search("invalid|not available", answer.error, re.I), answer.error
    assert name not in weir.listed()


def test_job_for_more_nodes_than_there_are_is_queued_with_slurms_reason(weir):
    answer = weir.try_submit(nodes=99)
    if answer.status == 422:  # with EnforcePartLimits
        return
    id, _ = answer.json()
    queued = {id: name for name, id in weir.get("/queued").json()}
    args = {"name": queued[id], "number": 1, "jobid": id}
    assert "Reason=PartitionConfig" in weir.post("/events", args).json()
    assert weir.post("/terminate", args).json() is True


def test_same_submission_again_is_the_same_job(weir, cluster):
    name, text = job_name(), script(on_the_node("true"))
    job = weir.submit(text, name)
    assert weir.submit(text, name).id == job.id
    weir.end(job)
    assert weir.submit(text, name).id == job.id
    assert weir.try_submit(script(on_the_node("false")), name).status == 409
    other = weir.submit(text, name, number=2)
    assert other.id != job.id
    weir.end(other)
    assert cluster.submissions(name) == {job.id, other.id}


def test_output_of_other_bytes_than_text(weir):
    job = weir.submit(script(on_the_node(r"printf 'a\377\000b\033[1m\r\n'; printf 'end'")))
    output = weir.end(job)[2][0]
    assert "end" in output and "a\ufffd" in output
    assert b"end" in weir.request(job, "tail").body


def test_last_ten_thousand_lines_are_kept(weir):
    job = weir.submit(script(on_the_node("seq 20000")))
    lines = weir.end(job)[2][0].split("\n")
    assert "bytes of the output are left out" in lines[0]
    assert len(lines) == 10001 and "20000" in lines and "10000" not in lines


def test_job_belongs_to_the_mapped_user(weir, cluster):
    job = weir.submit(script(on_the_node("id -un; pwd")), bearer=token("mario@example.com"))
    output = weir.end(job)[2][0]
    assert f"{account('mario')}\n{cluster.home('mario')}\n" in output
    files = list(cluster.home("mario").glob(f".jarvice/{job.name}.out"))
    assert len(files) == 1 and files[0].owner() == account("mario")


@pytest.mark.late
def test_job_past_its_time_limit(weir, timed_out):
    code, duration, (output, state) = weir.end(timed_out, 120)
    assert (code, state) == (-9, banner("TO"))
    assert "began" in output and duration >= "00:01:00"
