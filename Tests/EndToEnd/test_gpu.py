"""Jobs on GPU servers over SSH, and on this machine: the program against real sshd's, and what can go wrong with them."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest
from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out, word  # noqa: F401 (fixtures)
from harness import Weir, base64_text, job_name, kept_full, promises_are_kept, wait_until
from rig import SUCCESS, LocalWeir, Rig, is_alive, job_text, kill

import gpu as chaos  # of deploy/chaos, which rig puts on the path
from proxy import Fault


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
    wait_until(lambda: weir.listed() == {job.name: "running" for job in jobs[:4]} | {jobs[4].name: "queued"})
    assert weir.nodes(jobs[4]) == []
    gates[1].open()
    assert weir.end(jobs[1])[0] == 0
    wait_until(lambda: places(weir, jobs[4:]) == ["alpha:1"])
    for gate in gates:
        gate.open()
    assert {tuple(weir.end(job)[2])[1] for job in jobs} == {"<< termination state: CD -- see STDOUT for job errors >>"}


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
    assert time.monotonic() - begin < 15
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
    assert "deaf" in weir.output(job) and "bye" in weir.output(polite)


def test_much_output(weir, rig):
    size = 1 << 30
    job = weir.run_job(f"yes 0123456789abcdef0123456789abcdef | head -c {size}; echo; echo the end")
    begin = time.monotonic()
    wait_until(lambda: (rig.server("alpha").attempt(weir, job) / "stdout").exists())
    while weir.runs(job):
        asked = time.monotonic()
        assert len(weir.number_of(job, "tail", lines=["3"])) < 200
        assert time.monotonic() - asked < 15
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
    assert weir.get("/running").json() == [[job.name, job.id]]
    # One that has just moved is in both lists for a while, lest it be missed between two calls.
    wait_until(lambda: weir.get("/queued").json() == [])
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


# ------------------------------------------------------------ servers and networks that fail


def seconds(weir, job) -> int:
    """For how long a job ran, as the upstream is told."""
    hours, minutes, rest = weir.end(job)[1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def test_sshd_is_restarted_under_running_jobs(weir, rig):
    gate = rig.gate()
    job = weir.run_job(f"{gate.wait}; echo went on")
    weir.await_running(job)
    rig.server("alpha").restart()
    following = weir.run_job("echo $PROCESS_NODENAME")
    # Whatever server it is given, with nothing done about Weir.
    assert word(weir, following) == "0 CD"
    wait_until(lambda: "alpha" not in weir.warnings())
    gate.open()
    assert word(weir, job) == "0 CD" and "went on" in weir.output(job)


def test_servers_are_down(new_weir, rig):
    """One that is away takes nothing from the others; with all away jobs are taken, and wait."""
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha, beta).start()
    gate = rig.gate()
    there = weir.run_job(gate.wait)
    weir.await_running(there)
    alpha.stop()
    wait_until(lambda: "alpha: " in weir.warnings(), 30)
    assert weir.get("/ready").status == 200
    elsewhere = weir.run_job(f"echo $PROCESS_NODENAME; {gate.wait}")
    weir.await_running(elsewhere)
    # Complete: the job of the server that is away is still told of, as running.
    assert weir.listed() == {there.name: "running", elsewhere.name: "running"}
    assert weir.nodes(there) == ["alpha"]
    assert weir.post("/exitstatus", there.args).status in (409, 503)
    beta.stop()
    wait_until(lambda: weir.get("/ready").status == 503, 30)
    waiting = weir.run_job("true")
    assert weir.listed()[waiting.name] == "queued"
    assert weir.get("/live").status == 200
    gate.open()
    wait_until(lambda: (alpha.attempt(weir, there) / "exit").exists())
    alpha.start()
    beta.start()
    assert [word(weir, job, 60) for job in (there, elsewhere, waiting)] == ["0 CD"] * 3
    wait_until(lambda: weir.get("/ready").status == 200 and "alpha: " not in weir.warnings())


def test_a_network_that_swallows_everything(new_weir, rig):
    """A server that is out of reach for a while: its jobs go on, their true times are told, and the others notice nothing."""
    distant, alpha = rig.server("distant"), rig.server("alpha")
    weir = new_weir(distant, alpha).start()
    # Beside it, since both take their time: one that starts while a server is away runs jobs on the others all the same.
    absent = rig.server("absent")
    absent.stop()
    started = new_weir(absent, "beta").start(ready=False)
    waiting = started.run_job("echo $PROCESS_NODENAME")
    gates = rig.gate(), rig.gate()
    brief, lasting = weir.run_job(gates[0].wait), weir.run_job(gates[1].wait)
    weir.await_running(brief, lasting)
    began = time.time()
    distant.proxy.block()
    try:
        time.sleep(1)
        gates[0].open()
        wait_until(lambda: (distant.attempt(weir, brief) / "exit").exists())
        ended = time.time()
        for _ in range(3):
            begin = time.monotonic()
            job = weir.run_job("echo $PROCESS_NODENAME", gpus=2)
            assert weir.listed().keys() >= {brief.name, lasting.name}
            assert weir.output(job).startswith("alpha")
            assert time.monotonic() - begin < 12
        # Nothing is made up of it while nothing is known.
        assert weir.listed() == {brief.name: "running", lasting.name: "running"}
        wait_until(lambda: "distant: " in weir.warnings(), 60)
        late = weir.run_job("echo $PROCESS_NODENAME", gpus=2)
        assert weir.output(late).startswith("alpha")
    finally:
        distant.proxy.unblock()
    assert started.output(waiting).startswith("beta")
    assert word(weir, brief, 60) == "0 CD"
    assert seconds(weir, brief) <= ended - began + 3 < time.time() - began
    wait_until(lambda: "distant: " not in weir.warnings(), 60)
    assert weir.listed() == {lasting.name: "running"}
    gates[1].open()
    assert word(weir, lasting) == "0 CD"


def test_a_server_that_is_rebooted(new_weir, rig):
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha, beta).start()
    gate = rig.gate()
    job, done = weir.run_job(gate.wait), weir.run_job("true")
    other = weir.run_job(gate.wait, gpus=2)
    assert word(weir, done) == "0 CD"
    weir.await_running(job, other)
    alpha.go_down()
    alpha.come_up()
    assert word(weir, job) == "1 NF"
    assert word(weir, done) == "0 CD"
    after = weir.run_job("echo $PROCESS_NODENAME$BARE_GPU", gpus=2)
    assert weir.output(after).startswith("alpha0,1")
    gate.open()
    assert word(weir, other) == "0 CD"


def test_killed_wrappers(weir, rig):
    """Without its wrapper a job runs on; then nobody knows how it ended, and that is what is said."""
    alpha = rig.server("alpha")
    gate = rig.gate()
    orphan, other = weir.run_job(gate.wait, gpus=2), weir.run_job(gate.wait, gpus=2)
    weir.await_running(orphan, other)
    kill([alpha.wrapper(weir, orphan)])
    waiting = weir.run_job("true", gpus=2)
    time.sleep(2.5)
    assert weir.listed() == {orphan.name: "running", other.name: "running", waiting.name: "queued"}
    gate.open()
    assert word(weir, orphan) == "-9 LOST"
    assert [word(weir, job) for job in (other, waiting)] == ["0 CD"] * 2


def test_an_orphan_is_canceled(weir, rig):
    job = weir.run_job("trap '' TERM; while :; do sleep 0.2; done")
    weir.await_running(job)
    kill([rig.server("alpha").wrapper(weir, job)])
    weir.post("/terminate", job.args)
    assert word(weir, job) == "-15 CA"
    assert rig.server("alpha").attempt(weir, job).joinpath("exit").exists()


def test_recycled_process_ids(weir, rig):
    """A process that has the number of a job's wrapper by now is not that wrapper."""
    alpha = rig.server("alpha")
    stranger = subprocess.Popen(["sleep", "60"])
    job = weir.run_job("sleep 60")
    weir.await_running(job)
    alpha.stop()
    alpha.end_all()
    record = alpha.attempt(weir, job) / "start"
    _, *rest = record.read_text().split()
    record.write_text(" ".join([str(stranger.pid), *rest]) + "\n")
    alpha.start()
    try:
        assert word(weir, job) == "-9 LOST"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_cannot_start_jobs(weir, rig):
    """It is no fault of the jobs: they start elsewhere, and after three the server is left alone."""
    alpha = rig.server("alpha")
    wait_until(lambda: (alpha.root(weir) / "jobs").exists())
    # Not by its mode alone, which Weir mends.
    os.chown(alpha.root(weir) / "jobs", 0, 0)
    (alpha.root(weir) / "jobs").chmod(0o555)
    jobs = [weir.run_job("echo $PROCESS_NODENAME") for _ in range(5)]
    assert {weir.output(job).split()[0] for job in jobs} == {"beta"}
    assert "alpha: it could not start jobs" in weir.warnings() and weir.get("/ready").status == 200
    os.chown(alpha.root(weir) / "jobs", alpha.uid, -1)
    (alpha.root(weir) / "jobs").chmod(0o700)
    # A change of what the servers file says of it ends the quarantine.
    weir.use((alpha, {"tags": ["mended"]}), rig.server("beta"))
    wait_until(lambda: "alpha" not in weir.warnings())
    assert weir.output(weir.run_job("echo $PROCESS_NODENAME")).split()[0] == "alpha"


def test_a_full_disk(new_weir, rig):
    alpha, beta = rig.server("alpha"), rig.server("beta")
    small = alpha.home / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256k,mode=0777,uid={alpha.uid}", "tmpfs", small], check=True)
    try:
        weir = new_weir((alpha, {"root": "small/weir"}), beta).start()
        weir.root = "small/weir"
        ran = weir.run_job("echo $PROCESS_NODENAME")
        assert weir.output(ran).startswith("alpha")
        gate = rig.gate()
        running = weir.run_job(f"{gate.wait}; exit 3")
        weir.await_running(running)
        with kept_full(small):
            elsewhere = weir.run_job("echo $PROCESS_NODENAME")
            assert weir.output(elsewhere).startswith("beta")
            gate.open()
            # The space for how it ended was taken before.
            assert word(weir, running) == "1 F"
    finally:
        if weir.process:
            weir.kill()
        alpha.end_all()
        subprocess.run(["umount", "-l", small], check=True)
        small.rmdir()


def test_ends_while_weir_is_away(new_weir, rig):
    """The times and ends that are told are the jobs' own, however late Weir hears of them."""
    weir = new_weir("alpha").start()
    gate = rig.gate()
    job, doomed = weir.run_job(gate.wait), weir.submit(job_text("sleep 60", wall="00:00:02"))
    weir.await_running(job, doomed)
    began = time.time()
    weir.kill()
    gate.open()
    attempts = [rig.server("alpha").attempt(weir, one) / "exit" for one in (job, doomed)]
    wait_until(lambda: all(attempt.exists() for attempt in attempts))
    lasted = time.time() - began
    time.sleep(3)
    weir.start()
    assert [word(weir, one) for one in (job, doomed)] == ["0 CD", "-9 TO"]
    assert seconds(weir, job) <= lasted + 1 and seconds(weir, doomed) <= lasted + 1


def test_a_cancel_while_the_server_is_away(new_weir, rig):
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    job = weir.run_job("sleep 60")
    weir.await_running(job)
    alpha.stop()
    wait_until(lambda: weir.get("/ready").status == 503)
    assert weir.post("/terminate", job.args).json() is True
    assert weir.listed() == {job.name: "running"}
    weir.kill()
    weir.start(ready=False)
    alpha.start()
    assert word(weir, job) == "-15 CA"


def test_a_job_that_kills_all_it_can(new_weir, rig):
    """Its own wrapper, those of others, and the shells of Weir: nobody knows how they ended, and Weir goes on."""
    weir = new_weir("alpha").start()
    victim = weir.run_job("sleep 60")
    weir.await_running(victim)
    rampant = weir.run_job("kill -9 -1")
    following = weir.run_job("echo $BARE_GPU", gpus=2)
    assert word(weir, rampant) in ("-9 LOST", "1 F") and word(weir, victim) == "-9 LOST"
    assert word(weir, following) == "0 CD"


def test_a_job_that_removes_its_own_directory(new_weir, rig):
    """What it was cannot be known any more: it is lost, once it is certain that it stays away."""
    weir = new_weir("alpha", WEIR_LOST_AFTER=10).start()
    job = weir.run_job('cd /; rm -rf "$(dirname "$JOB_SUBMIT_DIR")"; sleep 1')
    assert word(weir, job) == "-9 LOST"
    assert word(weir, weir.run_job("true", gpus=2)) == "0 CD"


def test_lost_answers(new_weir, rig):
    """A start whose command or answer is lost on the way has happened once or not at all, and is found out."""
    distant = rig.server("distant")
    weir = new_weir(distant).start()
    file = rig.shared / "runs"
    jobs = []
    for phase, kind in (("command", "cut"), ("command", "reset"), ("answer", "cut"), ("answer", "reset"), ("answer", "trickle")):
        fault = Fault(phase, kind)
        distant.proxy.arm(fault)
        jobs += [weir.run_job(f"echo $WEIR_JOB_ID >>{file}; sleep 0.2") for _ in range(2)]
        wait_until(lambda: fault.met)
        time.sleep(0.3)
        distant.proxy.heal()
        # Not to wait for its time: the pauses between tries grow.
        weir.servers_file.touch()
        wait_until(lambda: weir.get("/ready").status == 200)
    assert {word(weir, job, 60) for job in jobs} == {"0 CD"}
    assert sorted(file.read_text().split()) == sorted(job.id for job in jobs)


def test_host_keys_and_logins_are_checked(new_weir, rig):
    """A changed host key and a key that is not taken: the server is left alone, and what is wrong is said."""
    server = rig.server("strict")
    weir = new_weir(server, "beta").start()
    assert weir.output(weir.run_job("echo $PROCESS_NODENAME")).startswith("strict")
    other = rig.directory / "other_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    server.options["HostKey"] = other
    server.restart()
    wait_until(lambda: "host key" in weir.warnings())
    assert weir.output(weir.run_job("echo $PROCESS_NODENAME")).startswith("beta")
    server.options = {"AuthorizedKeysFile": "/dev/null"}
    server.restart()
    # The pause after a wrong host key is long: when the servers file is touched, the server is asked at once.
    weir.servers_file.touch()
    wait_until(lambda: "does not accept the key" in weir.warnings())
    assert weir.output(weir.run_job("echo $PROCESS_NODENAME")).startswith("beta")
    server.options = {}
    server.restart()
    time.sleep(2)
    # A key that was refused is not offered again before the servers file is touched.
    assert "does not accept the key" in weir.warnings()
    gate = rig.gate()
    weir.await_running(weir.run_job(gate.wait, gpus=2))
    weir.servers_file.touch()
    # The other server is full, so that the job waits for this one.
    assert weir.output(weir.run_job("echo $PROCESS_NODENAME")).startswith("strict")
    wait_until(lambda: "strict" not in weir.warnings())
    gate.open()


@pytest.mark.parametrize("sessions", [1, 2])
def test_few_sessions_on_a_connection(new_weir, rig, sessions):
    server = rig.server("narrow")
    server.options["MaxSessions"] = sessions
    server.restart()
    weir = new_weir((server, {"gpus": 2})).start()
    gate = rig.gate()
    jobs = [weir.run_job(gate.wait) for _ in range(4)]
    weir.await_running(*jobs[:2])
    gate.open()
    assert {word(weir, job) for job in jobs} == {"0 CD"}


# ------------------------------------------------------------ GPUs


def test_gpus_used_by_others(weir, rig):
    """A GPU on which something runs that is no job of ours is not given out, and whose it is is said."""
    alpha = rig.server("alpha")
    other = subprocess.Popen(["setpriv", "--reuid", str(rig.server("beta").uid), "sleep", "60"])
    try:
        alpha.set_apps((0, other.pid))
        expected = f"alpha, GPU 0: in use by process {other.pid} of {rig.server('beta').account}"
        wait_until(lambda: expected in weir.warnings())
        show = "echo $PROCESS_NODENAME:$BARE_GPU"
        assert weir.output(weir.run_job(show)).startswith("alpha:1\n")
        assert weir.output(weir.run_job(show, gpus=2)).startswith("beta:0,1\n")
        alpha.set_apps()
        wait_until(lambda: "alpha" not in weir.warnings())
        assert weir.output(weir.run_job(show)).startswith("alpha:0\n")
    finally:
        other.kill()
        other.wait()


def test_gpus_that_vanish_or_fail(weir, rig):
    alpha = rig.server("alpha")
    show = "echo $PROCESS_NODENAME:$BARE_GPU"
    try:
        assert weir.output(weir.run_job(show)).startswith("alpha:0\n")
        alpha.set_gpus([1])
        wait_until(lambda: "alpha, GPU 0: nvidia-smi does not show it" in weir.warnings())
        assert weir.output(weir.run_job(show)).startswith("alpha:1\n")
        # A job that needs both waits for no server that has lost one.
        assert weir.output(weir.run_job(show, gpus=2)).startswith("beta:0,1\n")
        alpha.say("fails", "9\nNVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")
        alpha.set_gpus(0)
        wait_until(lambda: "alpha, GPU 1: NVIDIA-SMI has failed" in weir.warnings())
        assert weir.output(weir.run_job(show)).startswith("beta:0\n")
        (alpha.smi / "fails").unlink()
        alpha.set_gpus(2)
        wait_until(lambda: "alpha" not in weir.warnings())
        assert weir.output(weir.run_job(show, gpus=2)).startswith("alpha:0,1\n")
    finally:
        (alpha.smi / "fails").unlink(missing_ok=True)
        alpha.set_gpus(2)


def test_a_gpu_is_free_only_when_nvidia_smi_agrees(new_weir, rig):
    """What a job leaves on its GPU is seen, though the job itself is over."""
    alpha = rig.server("alpha")
    weir = new_weir((alpha, {"gpus": [0]})).start()
    gate = rig.gate()
    left = subprocess.Popen(["sleep", "60"])
    try:
        first = weir.run_job(gate.wait)
        second = weir.run_job("true")
        weir.await_running(first)
        alpha.set_apps((0, left.pid))
        gate.open()
        assert word(weir, first) == "0 CD"
        time.sleep(2)
        assert weir.listed() == {second.name: "queued"}
        assert f"in use by process {left.pid} of root" in weir.warnings()
        alpha.set_apps()
        assert word(weir, second) == "0 CD"
    finally:
        left.kill()
        left.wait()


# ------------------------------------------------------------ the servers file


def test_the_servers_file_changes(new_weir, rig):
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha).start()
    show = "echo $PROCESS_NODENAME:$BARE_GPU"
    gate = rig.gate()
    running = weir.run_job(f"{show}; {gate.wait}", gpus=2)
    waiting = weir.run_job(show)
    weir.await_running(running)
    weir.use(alpha, beta)
    assert weir.output(waiting).startswith("beta:0")
    # Broken: all stays as it was.
    weir.write("servers:\n- name: alpha\n  colour: green\n")
    wait_until(lambda: "colour" in weir.warnings() and "line" in weir.warnings())
    assert weir.output(weir.run_job(show)).startswith("beta:0")
    # Disabled: what runs there ends well, nothing new starts.
    weir.use((alpha, {"enabled": False}), beta)
    wait_until(lambda: "colour" not in weir.warnings())
    gate.open()
    assert word(weir, running) == "0 CD"
    assert weir.output(weir.run_job(show)).startswith("beta:0")
    weir.use(alpha, beta)
    gate = rig.gate()
    wait_until(lambda: weir.output(weir.run_job(show)).startswith("alpha:0"))
    # Removed: likewise.
    running = weir.run_job(gate.wait)
    weir.await_running(running)
    weir.use(beta)
    wait_until(lambda: weir.output(weir.run_job(show)).startswith("beta"))
    assert weir.listed() == {running.name: "running"}
    gate.open()
    assert word(weir, running) == "0 CD"


def test_a_server_is_away_from_the_file_for_a_while(new_weir, rig):
    """Its jobs are unknown to a Weir that was started without it, and known again when it is back."""
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha, beta).start()
    gate = rig.gate()
    job = weir.run_job(gate.wait)
    weir.await_running(job)
    weir.kill()
    weir.use(beta)
    weir.start()
    time.sleep(2)
    assert weir.listed() == {job.name: "running"}
    gate.open()
    weir.use(alpha, beta)
    assert word(weir, job) == "0 CD"


def test_a_broken_servers_file_is_refused_at_the_start(new_weir, rig):
    weir = new_weir("alpha")
    weir.write("servers:\n- name: alpha\n  host: 127.0.0.1\n  user: root\n  port: 99999\n  gpus: many\n")
    refused = weir.run("serve")
    assert refused.returncode != 0
    for words in ("line 4", "line 5", "line 6", "never run as root"):
        assert words in refused.stderr, refused.stderr


def test_lines_of_the_site(new_weir, rig):
    """Environment and preamble before every job, the epilogue after it, however it ended."""
    log = rig.shared / "epilogues"
    site = {
        "environment": {"SITE": "it's \"here\""},
        "preamble": "export MODULE=$SITE!\n",
        "epilogue": f"echo $WEIR_JOB_ID $WEIR_EXIT_CAUSE >>{log}\n",
    }
    weir = new_weir((rig.server("alpha"), site)).start()
    good, late = weir.run_job("echo $MODULE"), weir.submit(job_text("sleep 60", gpus=0, wall="00:00:01"))
    doomed = weir.run_job("sleep 60")
    weir.await_running(doomed)
    weir.post("/terminate", doomed.args)
    assert weir.output(good).startswith("it's \"here\"!\n")
    assert [word(weir, job) for job in (late, doomed)] == ["-9 TO", "-15 CA"]
    causes = [(good, "exited"), (late, "timelimit"), (doomed, "canceled")]
    assert sorted(log.read_text().splitlines()) == sorted(f"{job.id} {cause}" for job, cause in causes)


def test_the_first_server_comes_first(new_weir, rig):
    alpha, beta, gamma = (rig.server(name) for name in ("alpha", "beta", "gamma"))
    weir = new_weir(gamma, alpha, beta).start()
    show = "echo $PROCESS_NODENAME"
    wait_until(lambda: weir.warnings().find("being prepared") < 0)
    assert [weir.output(weir.run_job(show)).split()[0] for _ in range(2)] == ["gamma"] * 2
    weir.use(beta, gamma, alpha)
    wait_until(lambda: weir.output(weir.run_job(show)).startswith("beta"))


# ------------------------------------------------------------ what must not be lost


def test_the_database_is_wiped(new_weir, rig):
    """All is found again: what runs with its owner and GPUs, what ended with its exit code and output."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gate = rig.gate()
    ended = weir.run_job("echo well done", name=job_name())
    failed = weir.submit(job_text("echo badly done; exit 4"))
    assert word(weir, ended) == "0 CD" and word(weir, failed) == "1 F"
    running = weir.run_job(f"echo $BARE_GPU; {gate.wait}")
    weir.await_running(running)
    lost = weir.run_job("true", gpus=2)
    again = weir.try_submit(job_text("true" + SUCCESS, 2), lost.name)
    assert again.json()[0] == lost.id
    weir.kill()
    for file in (weir.directory / "state").iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    quick = alpha.attempt(weir, running)
    weir.start()
    wait_until(lambda: running.name in weir.listed(), 20)
    assert weir.listed() == {running.name: "running"}
    assert weir.nodes(running) == ["alpha"]
    assert [word(weir, job) for job in (ended, failed)] == ["0 CD", "1 F"]
    assert "well done" in weir.output(ended) and "badly done" in weir.output(failed)
    # Its GPU is its own; the submit that was lost is a new one.
    both = weir.submit(job_text("echo $BARE_GPU" + SUCCESS, 2), lost.name)
    one = weir.run_job("echo $BARE_GPU")
    assert both.id != lost.id
    time.sleep(1.5)
    assert {weir.listed()[job.name] for job in (both, one)} == {"queued"}
    gate.open()
    assert [word(weir, job) for job in (running, both, one)] == ["0 CD"] * 3
    assert weir.output(running).startswith("0\n") and weir.output(both).startswith("0,1\n")
    assert (quick / "exit").exists()
    # Its owner is who he was.
    for email, status in (("kirby@example.com", 200), ("mario@example.com", 404)):
        assert weir.post("/exitstatus", running.args, credentials="Bearer " + weir.token(email)).status == status


def test_retention(new_weir, rig):
    alpha = rig.server("alpha")
    weir = new_weir(alpha, WEIR_KEEP_OUTPUT=1).start()
    gate = rig.gate()
    running, kept = weir.run_job(gate.wait), weir.run_job("true")
    assert word(weir, kept) == "0 CD"
    directory = alpha.root(weir) / "jobs" / kept.id
    wait_until(lambda: not directory.exists(), 40)
    assert (alpha.root(weir) / "removed" / kept.id).exists()
    assert weir.post("/exitstatus", kept.args).status == 410
    assert alpha.attempt(weir, running).exists()
    gate.open()
    assert word(weir, running) == "0 CD"


def test_secrets_are_on_no_disk(weir, rig):
    secret = "hunter2-" + os.urandom(6).hex()
    auths = {"auths": {"registry.example.com": {"auth": base64_text(f"kirby:{secret}")}}}
    gate = rig.gate()
    text = job_text(
        f'echo "$JARVICE_DOCKER_PASSWORD" | base64 -d | sha256sum; {gate.wait}' + SUCCESS,
        JOBOBJ_CTRSECRET=base64_text(json.dumps(auths)),
    )
    job = weir.submit(text)
    weir.await_running(job)
    patterns = [secret, base64_text(secret), base64_text(base64_text(secret)), base64_text(f"kirby:{secret}")]
    arguments = [part for pattern in patterns for part in ("-e", pattern.rstrip("=")[:-1])]
    for place in (rig.server("alpha").directory, weir.directory):
        found = subprocess.run(["grep", "-rlaF", *arguments, place], capture_output=True, text=True)
        assert found.returncode == 1, found.stdout + found.stderr
    wait_until(lambda: weir.number_of(job, "tail"))
    assert weir.number_of(job, "tail").split()[0] == hashlib.sha256(secret.encode()).hexdigest()
    gate.open()
    assert word(weir, job) == "0 CD"
    found = subprocess.run(["grep", "-rlaF", *arguments, rig.server("alpha").directory, weir.directory])
    assert found.returncode == 1


# ------------------------------------------------------------ servers of all sorts


def test_login_shells_and_busybox(new_weir, rig):
    """Whatever the login shell is, and with nothing but BusyBox."""
    names = [*Rig.SHELLS, "chatty", "busybox"]
    # What a shell says before anything is asked of it, as many do.
    for name, file in {"chatty": ".bashrc", "zsh": ".zshenv", "csh": ".cshrc", "fish": ".config/fish/config.fish"}.items():
        greeting = rig.server(name).home / file
        greeting.parent.mkdir(parents=True, exist_ok=True)
        greeting.write_text("echo Welcome to $USER\n")
    weir = new_weir(*[(rig.server(name), {"slots": 1}) for name in names]).start()
    wait_until(lambda: not json.loads(weir.warnings()).get("warnings"), 20)
    gate = rig.gate()
    jobs = [weir.run_job(f"echo $PROCESS_NODENAME; {gate.wait}", gpus=0) for _ in names]
    weir.await_running(*jobs)
    wait_until(lambda: [place.split() for place in places(weir, jobs)] == [[name] for name in names])
    doomed = jobs.pop()
    weir.post("/terminate", doomed.args)
    assert word(weir, doomed) == "-15 CA"
    late = weir.submit(job_text("sleep 60", gpus=0, wall="00:00:01"))
    assert word(weir, late) == "-9 TO"
    gate.open()
    assert {word(weir, job) for job in jobs} == {"0 CD"}


def test_login_files_change_nothing_of_weirs(new_weir, rig):
    """What bash's start file does on servers that are used all the same, and one that cannot be, which is said."""
    files = {
        "reader": "read -t 1 -r x",
        "silent": "exec 2>/dev/null",
        "merged": "exec 2>&1; echo warning >&2",
        "hostile": "\n".join((
            "mkdir -p ~/elsewhere/work ~/elsewhere/jobs; set -u; umask 022",
            "export CDPATH=$HOME/elsewhere:. IFS=/. GLOBIGNORE='*' TMOUT=1 QUOTING_STYLE=c TAR_OPTIONS=-v LANG=de_DE.UTF-8",
            "readonly CDPATH; export SHELLOPTS",
            "for name in cd read kill echo printf date test ls cat sh; do eval \"$name() { :; }\"; export -f $name; done",
        )),
        "leaver": "echo closed for repairs >&2; exit 3",
    }  # fmt: skip
    for name, text in files.items():
        (rig.server(name).home / ".bashrc").write_text(text + "\n")
    good = [name for name in files if name != "leaver"]
    weir = new_weir(*[(rig.server(name), {"slots": 1}) for name in good]).start()
    gate = rig.gate()
    jobs = [weir.run_job(f"echo $PROCESS_NODENAME; {gate.wait}; env; pwd", gpus=0) for _ in good]
    weir.await_running(*jobs)
    wait_until(lambda: sorted(place.strip() for place in places(weir, jobs)) == sorted(good))
    # Later, since the first start of a job waits for servers that cannot be used.
    weir.use(*[(rig.server(name), {"slots": 1}) for name in files])
    wait_until(lambda: "closed for repairs" in weir.warnings() and ".bashrc" in weir.warnings(), 20)
    gate.open()
    for job in jobs:
        lines = weir.output(job).splitlines()
        assert str(rig.server(lines[0]).attempt(weir, job) / "work") in lines
        if lines[0] == "hostile":
            assert {"LANG=de_DE.UTF-8", "TAR_OPTIONS=-v", "QUOTING_STYLE=c"} - set(lines) == set()
    for name in files:
        (rig.server(name).home / ".bashrc").unlink()


def test_behind_a_jump_host(new_weir, rig):
    """A server that is reached only through another."""
    inner = rig.server("inner")
    weir = new_weir(inner).start()
    job = weir.run_job("echo $PROCESS_NODENAME")
    assert weir.output(job).startswith("inner") and inner.gate.passed > 0
    gate = rig.gate()
    job = weir.run_job(gate.wait)
    weir.await_running(job)
    inner.gate.stop()
    wait_until(lambda: weir.get("/ready").status == 503, 40)
    gate.open()
    wait_until(lambda: (inner.attempt(weir, job) / "exit").exists())
    inner.gate.open()
    assert word(weir, job, 60) == "0 CD"


# ------------------------------------------------------------ this machine


def test_local(rig):
    """With no setting for it, jobs run on this machine, and outlive Weir."""
    server = rig.server("alpha")
    weir = LocalWeir(server).start()
    try:
        gate = rig.gate()
        options = {"bearer": "none"}
        job = weir.submit(job_text(f"id -u; echo $BARE_GPU; {gate.wait}" + SUCCESS, 2), **options)
        doomed = weir.submit(job_text("sleep 60", 0), **options)
        waiting = weir.submit(job_text("echo $BARE_GPU" + SUCCESS), **options)
        wait_until(lambda: weir.listed() == {job.name: "running", waiting.name: "queued", doomed.name: "running"})
        weir.post("/terminate", doomed.args)
        assert word(weir, doomed) == "-15 CA"
        assert weir.try_submit(job_text("true", 3), **options).status == 422
        weir.kill()
        weir.start()
        assert weir.listed() == {job.name: "running", waiting.name: "queued"}
        gate.open()
        assert [word(weir, one) for one in (job, waiting)] == ["0 CD"] * 2
        assert weir.end(job)[2][0].startswith(f"{server.uid}\n0,1\n") and weir.end(waiting)[2][0].startswith("0\n")
        assert weir.stop() == 0
    finally:
        if weir.process.poll() is None:
            weir.kill()
        server.end_all()


def test_local_never_runs_as_root(tmp_path):
    weir = Weir.__new__(Weir)
    weir.directory = tmp_path
    weir.settings = {"WEIR_AUTH": "none", "WEIR_STATE_DIR": str(tmp_path / "state")}
    refused = weir.run("serve")
    assert refused.returncode == 78 and "never as root" in refused.stderr


# ------------------------------------------------------------ all at once


def test_killed_again_and_again(rig, tmp_path):
    """The short form of deploy/chaos.sh gpu."""
    result = chaos.run(rig, tmp_path, 8, pause=3, blocked=3)
    promises_are_kept(result)
    assert result["restarts"] and result["outages"] and result["given"] > 10, str(result)
