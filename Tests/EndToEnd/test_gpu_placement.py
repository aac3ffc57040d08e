"""Which GPU and which server a job gets, whatever nvidia-smi, the servers file and the store say of them."""

import os
import pathlib
import shutil
import subprocess
import time

from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out, word  # noqa: F401 (fixtures)
from harness import kept_full, wait_until
from rig import free_port, is_alive, parents

SHOW = "echo $PROCESS_NODENAME:$BARE_GPU"


def started(weir, job) -> bool:
    return weir.listed().get(job.name) != "queued"


def test_a_corrupted_inforom_is_a_warning(new_weir, rig):
    """nvidia-smi prints it with every query and ends with 14: all GPUs stay in service, and it is told once."""
    alpha = rig.server("alpha")
    words = "WARNING: infoROM is corrupted at gpu 0000:01:00.0"
    alpha.set_gpus(3)
    alpha.say("fails", f"14\n{words}\n")
    try:
        weir = new_weir((alpha, {"gpus": "auto"})).start()
        assert weir.output(weir.run_job(SHOW, gpus=3)).startswith("alpha:0,1,2\n")
        wait_until(lambda: weir.warnings().count(words) == 1)
    finally:
        (alpha.smi / "fails").unlink()
        alpha.set_gpus(2)


def test_a_gpu_is_held_when_nvidia_smi_is_gone_after_a_restart(new_weir, rig):
    """The job has it by its UUID, and without nvidia-smi there are only indices."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gate = rig.gate()
    running = weir.run_job(gate.wait)
    weir.await_running(running)
    weir.kill()
    tool = alpha.directory / "bin/nvidia-smi"
    tool.rename(tool.with_suffix(".away"))
    try:
        weir.start()
        assert weir.output(weir.run_job(SHOW)).startswith("alpha:1\n")
        waiting = weir.run_job(SHOW, gpus=2)
        time.sleep(1.5)
        assert weir.listed() == {running.name: "running", waiting.name: "queued"}
        gate.open()
        assert weir.output(waiting).startswith("alpha:0,1\n")
    finally:
        tool.with_suffix(".away").rename(tool)


def test_memory_that_is_freed_late_lets_no_job_pass(new_weir, rig):
    """The first in line needs both GPUs; one of them shows its old memory for a while. Nobody behind starts before."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gates = [rig.gate(), rig.gate()]
    running = [weir.run_job(gate.wait) for gate in gates]
    weir.await_running(*running)
    first = weir.run_job(SHOW, gpus=2)
    behind = [weir.run_job("sleep 0.1") for _ in range(3)]
    rows = (alpha.smi / "gpus").read_text().splitlines()
    try:
        alpha.say("gpus", rows[0].replace(" 0, 81920", " 70000, 81920") + f"\n{rows[1]}\n")
        gates[0].open()
        assert word(weir, running[0]) == "0 CD"
        # The next GPU is there for anybody who needs one.
        gates[1].open()
        assert word(weir, running[1]) == "0 CD"
        time.sleep(1.5)
        assert not [job.name for job in behind if started(weir, job)]
        assert "in use by others" not in weir.warnings()
    finally:
        alpha.set_gpus(2)
    assert weir.output(first).startswith("alpha:0,1\n")
    assert {word(weir, job) for job in behind} == {"0 CD"}


def test_jobs_are_seen_while_nvidia_smi_is_slow(new_weir, rig):
    """It is asked apart from the jobs: one ends, and another starts and ends, during one call of it."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gate = rig.gate()
    running = weir.run_job(gate.wait, gpus=0)
    weir.await_running(running)
    (alpha.smi / "hangs").touch()
    try:
        # This one is waited for 20 s.
        calls = wait_until(lambda: hanging(alpha), 30, 0.02)
        gate.open()
        assert word(weir, running) == "0 CD"
        assert word(weir, weir.run_job("true", gpus=0)) == "0 CD"
        assert all(map(is_alive, calls)), "the jobs have waited for nvidia-smi"
    finally:
        (alpha.smi / "hangs").unlink()


def hanging(server) -> list:
    """The calls of nvidia-smi on a server that wait to answer: those that sleep."""
    tree = parents()

    def words(pid: int) -> list:
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []

    sleepers = [pid for pid in server.processes() if words(pid)[:2] == [b"sleep", b"0.1"]]
    return [tree[pid] for pid in sleepers if any(word.endswith(b"/nvidia-smi") for word in words(tree.get(pid, 0)))]


def test_a_full_disk_is_told_as_one(new_weir, rig):
    alpha = rig.server("alpha")
    small = alpha.home / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=256k,mode=0777,uid={alpha.uid}", "tmpfs", small], check=True)
    try:
        weir = new_weir((alpha, {"root": "small/weir"})).start()
        assert weir.output(weir.run_job(SHOW)).startswith("alpha")
        with kept_full(small):
            wait_until(lambda: "disk" in weir.warnings())
            assert "nvidia-smi does not show it" not in weir.warnings()
        wait_until(lambda: "disk" not in weir.warnings())
        assert weir.output(weir.run_job(SHOW)).startswith("alpha:0")
    finally:
        if weir.process:
            weir.kill()
        alpha.end_all()
        subprocess.run(["umount", "-l", small], check=True)
        small.rmdir()


# ------------------------------------------------------------ a store that is older than the servers


def test_a_store_that_was_put_back_starts_nothing_twice(new_weir, rig):
    """Jobs that waited when the copy was made have run since: they are found on the servers, wherever that was."""
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha, beta).start()
    counts = rig.shared / "counts"
    counts.mkdir(exist_ok=True)
    counts.chmod(0o777)

    def body(name: str) -> str:
        return f"echo ran >>{counts}/{name}; echo $PROCESS_NODENAME"

    blockers = [weir.run_job("sleep 300", gpus=2) for _ in range(2)]
    weir.await_running(*blockers)
    gate = rig.gate()
    names = ["ended", "running", "removed", "canceled"]
    waits = {"running": f"; {gate.wait}", "canceled": f"; {gate.wait}"}
    jobs = {name: weir.run_job(body(name) + waits.get(name, "")) for name in names}
    never = weir.run_job(body("never"), gpus=0, held=True)
    weir.kill()
    state, copy = weir.directory / "state", weir.directory / "copy"
    shutil.copytree(state, copy)
    # They run on the second server, and the copy would have them run on the first.
    weir.start()
    weir.post("/terminate", blockers[1].args)
    assert word(weir, jobs["ended"]) == "0 CD"
    weir.await_running(jobs["running"])
    assert word(weir, jobs["removed"]) == "0 CD"
    weir.await_running(jobs["canceled"])
    weir.post("/terminate", blockers[0].args)
    assert word(weir, blockers[0]).endswith("CA")
    weir.kill()
    place = beta.root(weir)
    shutil.rmtree(place / "jobs" / jobs["removed"].id)
    (place / "removed" / jobs["removed"].id).touch()
    shutil.rmtree(state)
    shutil.copytree(copy, state)
    # What is there is known a while after the first server is.
    beta.stop(with_connections=True)
    weir.start()
    time.sleep(2)
    assert not [name for name in names if (counts / name).read_text() != "ran\n"]
    assert weir.post("/terminate", jobs["canceled"].args).status == 200
    beta.start()
    assert word(weir, jobs["canceled"]).endswith("CA")
    assert word(weir, jobs["ended"]) == "0 CD"
    wait_until(lambda: weir.listed().get(jobs["running"].name) == "running")
    assert weir.nodes(jobs["running"]) == ["beta"]
    gate.open()
    assert word(weir, jobs["running"]) == "0 CD"
    assert word(weir, jobs["removed"]) == "-9 LOST"
    weir.post("/release", never.args)
    assert word(weir, never) == "0 CD"
    assert [(counts / name).read_text() for name in [*names, "never"]] == ["ran\n"] * 5


# ------------------------------------------------------------ a server that gets another place


def test_a_server_gets_another_place_under_its_jobs(new_weir, rig):
    """They are looked for where they were started, also after a restart; what they hold is not given out again."""
    alpha, beta = rig.server("alpha"), rig.server("beta")
    weir = new_weir(alpha).start()
    gate, last = rig.gate(), rig.gate()
    running = [weir.run_job(f"{SHOW}; {one.wait}") for one in (gate, last)]
    weir.await_running(*running)
    # Another root.
    weir.use((alpha, {"root": ".weir-moved"}))
    waiting = weir.run_job(SHOW)
    wait_until(lambda: (alpha.home / ".weir-moved/jobs").exists())
    time.sleep(2.5)
    assert weir.listed() == {**{job.name: "running" for job in running}, waiting.name: "queued"}
    gate.open()
    assert word(weir, running[0]) == "0 CD" and weir.output(running[0]).startswith("alpha:0\n")
    assert weir.output(waiting).startswith("alpha:0\n")
    assert (alpha.home / ".weir-moved/jobs" / waiting.id).exists()
    weir.kill()
    weir.start()
    # Another account on another host: the job's place is the one before the first change.
    weir.use((alpha, {"root": ".weir-third", "user": beta.account, "port": beta.port}))
    time.sleep(2.5)
    assert weir.listed() == {running[1].name: "running"}
    last.open()
    assert word(weir, running[1]) == "0 CD" and weir.output(running[1]).startswith("alpha:1\n")


def test_a_server_only_gets_another_address(new_weir, rig):
    """The place before is not reached any more, and the jobs are found in the present one."""
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gate = rig.gate()
    running = weir.run_job(gate.wait)
    weir.await_running(running)
    port = alpha.port
    alpha.stop()
    try:
        alpha.port = free_port()
        alpha.start()
        rig.trust(alpha, alpha.port)
        weir.use((alpha, {"port": alpha.port}))
        wait_until(lambda: weir.post("/runstatus", running.args).status == 200 and weir.listed() == {running.name: "running"})
        gate.open()
        assert word(weir, running) == "0 CD"
    finally:
        alpha.stop()
        alpha.port = port
        alpha.start()


# ------------------------------------------------------------ what a server sends


def processor_time(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_flood_of_ends_keeps_nothing_busy(new_weir, rig):
    """A job says again and again that it has ended; others' ends are seen all the same."""
    weir = new_weir("alpha").start()
    ends = "../../../../machines/*/ends"
    wait_until(lambda: [*rig.server("alpha").root(weir).glob("machines/*/ends")])
    for text in ('yes "$WEIR_JOB_ID 1"', "yes ready", "tr '\\0' x </dev/zero"):
        flood = weir.run_job(f"set -- {ends}; exec 7<>$1; exec {text} >&7")
        weir.await_running(flood)
        before, began = processor_time(weir.process.pid), time.monotonic()
        time.sleep(3)
        used = (processor_time(weir.process.pid) - before) / (time.monotonic() - began)
        assert used < 0.8, f"{used:.0%} of a core for {text}"
        assert word(weir, weir.run_job("true"), seconds=10) == "0 CD"
        weir.post("/terminate", flood.args)
        assert word(weir, flood).endswith("CA")
