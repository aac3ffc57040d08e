"""Jobs on GPU servers over SSH, and on this machine: the program against real sshd's, and what can go wrong with them."""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest
from harness import BINARY, REPOSITORY, Weir, base64_text, job_name, wait_until
from rig import BOOT, SUCCESS, GPUWeir, Rig, is_alive, job_text, kill


@pytest.fixture(scope="session", autouse=True)
def timed_out():
    """Takes the place of the one in conftest.py, for which there must be a cluster."""


@pytest.fixture(autouse=True)
def no_jobs_left():
    """Likewise: jobs on the servers end with them."""


@pytest.fixture(scope="session")
def rig():
    assert BINARY.exists(), f"no program at {BINARY}: build it, or set WEIR_BINARY"
    rig = Rig()
    yield rig
    rig.remove()


@pytest.fixture
def new_weir(rig, tmp_path):
    """Makes a Weir of the test's own for the servers of these names."""
    made = []

    def make(*servers, **changes) -> GPUWeir:
        directory = tmp_path / f"weir{len(made)}"
        directory.mkdir()
        found = [rig.server(name) if isinstance(name, str) else name for name in servers]
        made.append(GPUWeir(rig, directory, found, **changes))
        return made[-1]

    yield make
    for weir in made:
        if weir.process and weir.process.poll() is None:
            weir.kill()
    for server in rig.servers.values():
        server.end_all()
        server.set_apps()
        if server.process.poll() is not None:
            server.start()


@pytest.fixture
def weir(new_weir):
    """One with two servers of two GPUs each."""
    return new_weir("alpha", "beta").start()


def places(weir, jobs) -> list:
    """Server and GPUs of each job, as it was told itself."""
    return [weir.number_of(job, "tail").strip() for job in jobs]


# ------------------------------------------------------------ the queue


def test_placements(weir, rig):
    """The first server that has room, its lowest GPU; who waits gets what becomes free."""
    gates = [rig.gate() for _ in range(5)]
    jobs = [weir.run_job(f"echo $PROCESS_NODENAME:$BARE_GPU; {gate.wait}") for gate in gates]
    wait_until(lambda: places(weir, jobs[:4]) == ["alpha:0", "alpha:1", "beta:0", "beta:1"])
    assert weir.listed() == {job.name: "running" for job in jobs[:4]} | {jobs[4].name: "queued"}
    assert weir.nodes(jobs[4]) == []
    gates[1].open()
    assert weir.end(jobs[1])[0] == 0
    wait_until(lambda: places(weir, jobs[4:]) == ["alpha:1"])
    for gate in gates:
        gate.open()
    assert {tuple(weir.end(job)[2])[1] for job in jobs} == {"<< termination state: CD -- see STDOUT for job errors >>"}


def word(weir, job, seconds: float = 40) -> str:
    """How a job ended, as the upstream is told: its code and its state."""
    code, _, (_, state) = weir.end(job, seconds)
    return f"{code} {re.search('state: ([A-Z]+) ', state)[1]}"


def test_order_across_a_restart(new_weir, rig):
    weir = new_weir((rig.server("alpha"), {"gpus": [0]})).start()
    order = rig.shared / "order"
    jobs = [weir.run_job(f"echo {number} >> {order}; sleep 0.05") for number in range(12)]
    wait_until(lambda: order.exists() and len(order.read_text().split()) > 3)
    weir.kill()
    weir.start()
    jobs += [weir.run_job(f"echo {number} >> {order}") for number in range(12, 20)]
    assert word(weir, jobs[-1]) == "0 CD"
    assert order.read_text().split() == [str(number) for number in range(20)]
    assert {word(weir, job) for job in jobs} == {"0 CD"}


def test_environment(weir, rig):
    pair, bare = weir.run_job("env; pwd; echo $$", gpus=2), weir.run_job("env", gpus=0)
    lines = weir.output(pair).splitlines()
    root = rig.server("alpha").attempt(weir, pair) / "work"
    expected = {
        "BARE_GPU=0,1", "CUDA_VISIBLE_DEVICES=0,1", "ROCR_VISIBLE_DEVICES=0,1", "HIP_VISIBLE_DEVICES=0,1",
        "WEIR_GPUS=0,1", "CUDA_DEVICE_ORDER=PCI_BUS_ID", f"WEIR_JOB_ID={pair.id}", f"JOB_JOBID={pair.id}",
        f"WEIR_JOB_NAME={pair.name}", "WEIR_ATTEMPT=1", "PROCESS_PROCID=0", "PROCESS_NODENAME=alpha", "JOB_NNODES=1",
        "JOB_NTASKS=1", "JOB_GPUS_PER_NODE=2", "JOB_JOB_NODELIST=alpha", "JOB_JOB_FORMATED_NODELIST=alpha",
        f"JOB_SUBMIT_DIR={root}", f"HOME={rig.server('alpha').home}", str(root),
        "WEIR_GPU_UUIDS=" + ",".join(rig.server("alpha").gpu(index) for index in (0, 1)),
    }  # fmt: skip
    assert expected - set(lines) == set()
    lines = weir.output(bare).splitlines()
    assert {"BARE_GPU=", "CUDA_VISIBLE_DEVICES=", "WEIR_GPUS=", "JOB_GPUS_PER_NODE=0"} - set(lines) == set()


def test_all_of_a_jobs_gpus_are_on_one_server(weir, rig):
    """Two single GPUs that are free on two servers do not make two; who waits for them is not overtaken there."""
    gates = [rig.gate() for _ in range(6)]
    show = "echo $PROCESS_NODENAME:$BARE_GPU; "
    ones = [weir.run_job(show + gate.wait) for gate in gates[:3]]
    two = weir.run_job(show + gates[3].wait, gpus=2)
    late = weir.run_job(show + gates[4].wait)
    cpu = weir.run_job(show + gates[5].wait, gpus=0)
    wait_until(lambda: places(weir, ones) == ["alpha:0", "alpha:1", "beta:0"])
    assert [weir.listed()[job.name] for job in (two, late)] == ["queued", "queued"]
    gates[0].open()
    weir.end(ones[0])
    assert weir.listed()[late.name] == "queued"
    gates[1].open()
    wait_until(lambda: places(weir, [two, late]) == ["alpha:0,1", "beta:1"])
    for gate in gates:
        gate.open()
    assert {word(weir, job) for job in (*ones, two, late, cpu)} == {"0 CD"}


def test_what_no_server_can_run_is_refused(weir):
    wait_until(lambda: weir.get("/ready").status == 200)
    cases = [
        (dict(gpus=3), "alpha has 2 GPUs, beta has 2 GPUs"), (dict(cores=65), "alpha has 64 cores"),
        (dict(JOBOBJ_RAM="300"), "alpha has 256 GB"), (dict(JOBOBJ_LICENSES="matlab:1"), "licenses"),
        (dict(JOBOBJ_DEVICES='["partition=all"]'), "partition"), (dict(wall="tomorrow"), "WALLTIME"),
        (dict(JOBOBJ_DEVICES='["sbatch_nice=3"]'), "nice"),
    ]  # fmt: skip
    for needs, reason in cases:
        answer = weir.try_submit(job_text("true", **needs))
        assert answer.status == 422 and reason.lower() in answer.error.lower(), (needs, answer.body)
    assert weir.try_submit(nodes=2).status == 422
    assert weir.listed() == {}


def test_cores_memory_and_slots_are_counted(new_weir, rig):
    """Jobs without GPUs take a slot each, all jobs cores and memory."""
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir((alpha, {"cpus": 4, "memory": 8, "slots": 1}), (beta, {"cpus": 8, "memory": 4, "slots": 2})).start()
    gate = rig.gate()
    show = f"echo $PROCESS_NODENAME; {gate.wait}"
    expected = [
        (dict(gpus=0), "alpha"), (dict(gpus=0), "beta"), (dict(cores=3), "alpha"), (dict(JOBOBJ_RAM="3"), "beta"),
        (dict(cores=4), None),
    ]  # fmt: skip
    jobs = [weir.submit(job_text(show + SUCCESS, **{"gpus": 1, **needs})) for needs, _ in expected]
    wait_until(lambda: places(weir, jobs[:4]) == [place for _, place in expected[:4]])
    time.sleep(0.3)
    assert weir.listed()[jobs[4].name] == "queued"
    gate.open()
    assert {word(weir, job) for job in jobs} == {"0 CD"}
    assert weir.output(jobs[4]).split()[0] in ("alpha", "beta")


# ------------------------------------------------------------ ends


def test_every_end_has_its_word(weir, rig):
    gate = rig.gate()
    ends = {
        "0 CD": "true" + SUCCESS,
        "1 F": "echo JARVICE_CMD_FAILURE; exit 3",
        "-9 TO": "sleep 60",
    }
    jobs = {end: weir.submit(job_text(body, gpus=0, wall="00:00:01" if "TO" in end else "00:05:00")) for end, body in ends.items()}
    killed = weir.submit(job_text("kill -9 $$", gpus=0))
    silent = weir.submit(job_text("true", gpus=0))
    canceled = weir.submit(job_text(gate.wait, gpus=0))
    weir.await_running(canceled)
    assert weir.post("/terminate", canceled.args).json() is True
    assert {end: word(weir, job) for end, job in jobs.items()} == {end: end for end in ends}
    assert word(weir, killed) == "1 F"
    assert word(weir, silent) == "1 F"
    assert word(weir, canceled) == "-15 CA"
    assert "JARVICE Job completed OK" in weir.output(jobs["0 CD"])
    assert "investigate logs" in weir.output(silent)


def test_cancel_ends_all_processes_first(new_weir, rig):
    """A GPU is given to the next job only when nothing is left of the one before."""
    weir = new_weir((rig.server("alpha"), {"gpus": [1]}), WEIR_CANCEL_GRACE=1).start()
    stubborn = "trap '' TERM HUP INT; while :; do sleep 0.2; done"
    pids = rig.shared / "pids"
    job = weir.run_job(
        f"""
        for n in 1 2 3; do (echo $BASHPID >> {pids}; {stubborn}) & done
        setsid bash -c "echo \\$\\$ >> {pids}; {stubborn}" &
        (setsid bash -c "echo \\$\\$ >> {pids}; {stubborn}" >/dev/null 2>&1 &)
        {stubborn}
        """
    )
    queued = weir.run_job("true")
    following = weir.run_job(f"for p in $(cat {pids}); do grep -s 'State:.[^ZX]' /proc/$p/status && echo $p; done; echo $BARE_GPU")
    weir.await_running(job)
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 5)
    assert weir.post("/terminate", queued.args).json() is True
    assert word(weir, queued) == "-15 CA"
    begin = time.monotonic()
    assert weir.post("/terminate", job.args).json() is True
    assert weir.listed().get(following.name) == "queued"
    assert weir.output(following).startswith("1\n"), weir.output(following)
    assert time.monotonic() - begin < 6
    assert word(weir, job) == "-15 CA"
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


def test_scripts_of_all_sorts(weir, rig):
    """What a script does with its output and its processes."""
    server = rig.server("alpha")
    jobs = {
        "no newline": "printf 'no newline'; printf ' JARVICE_CMD_SUCCESS'",
        "closes": "echo before; exec >&- 2>&-; sleep 0.3",
        "execs": "echo here; /bin/echo JARVICE_CMD_SUCCESS; exec sleep 0.3",
        "background": "(sleep 0.3; echo late) & wait" + SUCCESS,
        "daemon": f"setsid sh -c 'echo $$ > {rig.shared}/daemon; sleep 60' & sleep 0.5" + SUCCESS,
        "double": f"(setsid sh -c 'echo $$ > {rig.shared}/double; exec sleep 60' </dev/null >/dev/null 2>&1 &) ; sleep 0.5" + SUCCESS,
        "bytes": "printf '\\377\\000\\033[1m\\n'" + SUCCESS,
        "stderr": "echo complaint >&2" + SUCCESS,
        "python": "#!/usr/bin/env python3\nprint('snake\\nJARVICE_CMD_SUCCESS')",
    }
    ids = {name: weir.submit(job_text(body, gpus=0)) for name, body in jobs.items()}
    # Nobody speaks of success after its output is closed.
    assert {name: word(weir, job) for name, job in ids.items() if word(weir, job) != "0 CD"} == {"closes": "1 F"}
    outputs = {name: weir.output(job) for name, job in ids.items()}
    assert outputs["no newline"].startswith("no newline JARVICE_CMD_SUCCESS")
    assert outputs["closes"].startswith("before\n")
    assert outputs["execs"].startswith("here\n")
    assert "late\n" in outputs["background"]
    assert "complaint" in outputs["stderr"]
    for name in ("daemon", "double"):
        assert not is_alive(int((rig.shared / name).read_text())), name
    assert (server.attempt(weir, ids["bytes"]) / "stdout").read_bytes().startswith(b"\xff\x00\x1b[1m\n")


def test_a_script_that_is_deaf_to_term(weir, rig):
    ready = rig.gate()
    job = weir.run_job(f"trap 'echo deaf' TERM; touch {ready.file}; for i in $(seq 600); do sleep 0.1; done")
    polite = weir.submit(job_text(f"trap 'echo bye; exit 0' TERM; touch {ready.file}2; for i in $(seq 600); do sleep 0.1; done"))
    wait_until(lambda: ready.file.exists() and pathlib.Path(f"{ready.file}2").exists())
    weir.post("/terminate", job.args)
    weir.post("/terminate", polite.args)
    assert [word(weir, one) for one in (job, polite)] == ["-15 CA"] * 2
    assert "deaf\n" in weir.output(job) and "bye\n" in weir.output(polite)


def test_much_output(weir, rig):
    size = 1 << 30
    job = weir.run_job(f"yes 0123456789abcdef0123456789abcdef | head -c {size}; echo; echo the end")
    begin = time.monotonic()
    wait_until(lambda: (rig.server("alpha").attempt(weir, job) / "stdout").exists())
    while weir.runs(job):
        asked = time.monotonic()
        assert len(weir.number_of(job, "tail", lines=["3"])) < 200
        assert time.monotonic() - asked < 5
        time.sleep(0.2)
    assert word(weir, job, 60) == "0 CD"
    output = weir.output(job)
    assert output.endswith("the end\nJARVICE_CMD_SUCCESS\nJARVICE Job completed OK") and len(output) < 20 << 20
    assert (rig.server("alpha").attempt(weir, job) / "stdout").stat().st_size > size
    assert weir.number_of(job, "tail", lines=["2"]).split("\n")[-2].startswith("JARVICE Job completed OK")
    print(f"1 GB of output: {time.monotonic() - begin:.1f} s")


def test_held_and_released(weir):
    job = weir.run_job("echo ran", held=True)
    other = weir.run_job("true")
    assert word(weir, other) == "0 CD"
    assert weir.listed() == {job.name: "queued"}
    assert weir.post("/release", job.args).json() is True
    assert word(weir, job) == "0 CD"


def test_endpoints(new_weir, rig):
    vault = rig.shared / "vault"
    (vault / "deep").mkdir(parents=True)
    (vault / "file").write_text("12345")
    weir = new_weir("alpha", "beta", WEIR_VAULT_ROOTS=vault).start()
    gate = rig.gate()
    job = weir.run_job(f"seq 5; {gate.wait}")
    weir.await_running(job)
    assert weir.get("/live").json() == {"status": "OK"}
    assert weir.get("/ready").json()["status"] == "OK"
    assert weir.get("/gc").json() == {"status": "OK"}
    assert weir.get("/nodes").body == b"true"
    assert weir.post("/online", {"host": "x"}).json() is True
    assert weir.get("/running").json() == [[job.name, job.id]] and weir.get("/queued").json() == []
    nodes, lasted, key, _ = weir.post("/runstatus", job.args).json()
    assert nodes == ["alpha"] and lasted.startswith("00:00:0") and key == f"{job.name}/1/{job.id}"
    assert weir.post("/exitstatus", job.args).status == 409
    assert job.id in weir.post("/events", job.args).json()
    wait_until(lambda: weir.number_of(job, "tail") == "1\n2\n3\n4\n5\n")
    assert weir.number_of(job, "tail", lines=["2"]) == "4\n5\n"
    assert weir.request(job, "ping").status == 200 and weir.request(job, "connect").status == 200
    assert weir.request(job, "info").json() == {"about": "", "actions": {}, "help": "", "url": ""}
    listing = weir.post("/request/pvcls", {"qs": {"path": [str(vault)]}})
    assert listing.status == 200 and {line.rsplit("/", 2)[-1] or "deep" for line in listing.body.decode().split()} == {"deep", "file"}
    assert weir.request(job, "shutdown").status == 200
    assert word(weir, job) == "-15 CA"
    assert weir.post("/runstatus", {**job.args, "name": job_name()}).json() == [None] * 4
    again = weir.post("/exitstatus", job.args).body
    assert again == weir.post("/exitstatus", job.args).body
    with_events = weir.post("/events", job.args)
    assert with_events.status == 200
