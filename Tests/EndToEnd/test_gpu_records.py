"""What a job, an administrator or another machine can do to the records of jobs on a GPU server, and what Weir then says."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
import uuid

import pytest
from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out  # noqa: F401 (fixtures)
from harness import wait_until
from rig import SUCCESS, GPUWeir, Rig, Server, is_alive, job_text, kill


@pytest.fixture(scope="module")
def weir(rig, tmp_path_factory):
    """One Weir with one server of many GPUs, which its tests share: none may keep it from looking at the jobs of others."""
    server = rig.server("delta")
    server.set_gpus(32)
    weir = GPUWeir(rig, tmp_path_factory.mktemp("weir"), [(server, {"gpus": 32})], WEIR_LOST_AFTER=10).start()
    yield weir
    weir.kill()
    server.end_all()


def row(weir, job) -> tuple:
    """State and reason of a job, as readers are shown them: unknown while nothing says in which state it is."""
    with contextlib.closing(sqlite3.connect(weir.directory / "state/weir.sqlite", timeout=10)) as database:
        shown = "CASE WHEN unreachableSince IS NULL OR endedAt IS NOT NULL THEN state ELSE 'unknown' END"
        return database.execute(f"SELECT {shown}, reason FROM job WHERE submissionToken = ?", (job.id,)).fetchone()


def state(weir, job) -> str:
    return row(weir, job)[0]


def await_look(weir):
    """Until all jobs were looked at twice more: a job that begins and ends is seen by the same looks."""
    for _ in range(2):
        job = weir.run_job("true", gpus=0)
        assert weir.end(job)[0] == 0
        time.sleep(1.1)


def running(weir, rig, body="", **options):
    """A job that runs until its gate is opened."""
    gate = rig.gate()
    job = weir.run_job(f"{body}\n{gate.wait}", **options)
    weir.await_running(job)
    return job, gate


# ------------------------------------------------------------ records that are damaged


def a_line(path):
    path.unlink()
    path.write_text("rubbish from a job\n")


def a_huge_line(path):
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(300 << 20)


def numbers_without_end(path):
    path.unlink()
    path.write_text("9" * 40 + " 9223372036854775807 x 9223372036854775807\n")


def a_fifo(path):
    path.unlink()
    os.mkfifo(path)


def a_link_to_a_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def a_device(path):
    path.unlink()
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))


def a_directory(path):
    path.unlink()
    path.mkdir()


def an_unreadable_file(path):
    path.unlink()
    path.write_text("")
    path.chmod(0)


DAMAGES = [
    a_line, a_huge_line, numbers_without_end, a_fifo, a_link_to_a_device, a_device, a_directory, an_unreadable_file
]  # fmt: skip


def test_a_damaged_record_is_the_trouble_of_its_own_job(weir, rig):
    """Each is unknown and keeps its GPU, also after a restart; all other jobs are seen, started and ended as ever."""
    server = rig.server("delta")
    jobs = [running(weir, rig) for _ in DAMAGES]
    healthy, healthy_gate = running(weir, rig)
    root = server.root(weir) / "jobs"
    for (job, _), damage in zip(jobs, DAMAGES):
        attempt = server.attempt(weir, job)
        for name in (".start", "start"):
            damage(attempt / name)
        shutil.copytree(attempt, root / f"{job.id}.bak", symlinks=True, copy_function=lambda *_: None)
    # What else may lie there.
    (root / "notes.txt").write_text("ours")
    (root / "a\nb").mkdir()
    (root / ("0" * 26)).write_text("a file")
    (root / ("1" * 26)).symlink_to("/nowhere")
    (root / ("2" * 26)).mkdir(mode=0o000)
    (root / ("3" * 26) / "attempt-1").mkdir(parents=True)
    (root / ("3" * 26) / "attempt-x").mkdir(parents=True)
    (root / ("3" * 26) / "attempt-99999999999999999999").mkdir(parents=True)
    wait_until(lambda: [state(weir, job) for job, _ in jobs] == ["unknown"] * len(jobs), 30)
    for job, _ in jobs:
        assert "damaged" in row(weir, job)[1], row(weir, job)
    assert state(weir, healthy) == "running"
    assert "damaged" in weir.warnings() and jobs[0][0].id in weir.warnings()
    assert weir.end(weir.run_job("true"))[0] == 0
    weir.kill()
    weir.start()
    healthy_gate.open()
    assert weir.end(healthy)[0] == 0
    show = weir.run_job("echo $BARE_GPU")
    assert int(weir.output(show).split()[0]) >= len(jobs), "the GPUs of the damaged are theirs"
    assert {state(weir, job) for job, _ in jobs} == {"unknown"}
    # A job whose processes are gone and whose end is written down has ended, though nobody can say when it began.
    for job, gate in jobs:
        gate.open()
    wait_until(lambda: all((server.attempt(weir, job) / "exit").exists() for job, _ in jobs))
    assert [weir.end(job)[0] for job, _ in jobs] == [0] * len(jobs)
    assert "damaged" not in weir.warnings()


def test_an_end_that_cannot_be_read(weir, rig):
    """What a job puts in the place of its own records does not keep its end from being written and read."""
    tricks = [
        "echo rubbish >../exit", "mkfifo ../exit", "mkdir ../exit", "ln -s /dev/zero ../exit", "ln -s / ../exit",
        "rm ../.exit; mkfifo ../.exit", "rm ../.exit; mkdir ../.exit", "rm ../.exit; ln -s /dev/full ../.exit",
        "chmod 500 ..", "rm ../stdout; mkfifo ../stdout; exit 0", "rm ../session; mkfifo ../session",
        "mkfifo ../over", "mkfifo ../cancel", "mkfifo ../.ending",
        "set -- $(sed 's/.*) //' /proc/1/stat); echo 1 ${20} >../session",
    ]  # fmt: skip
    jobs = [weir.run_job(trick, gpus=0) for trick in tricks]
    codes = {trick: weir.end(job)[0] for trick, job in zip(tricks, jobs)}
    ends = dict.fromkeys(tricks, 0)
    # Without its output nobody can tell that it went well.
    ends[next(trick for trick in tricks if "stdout" in trick)] = 1
    # Its cause is the job's own to forge.
    codes.pop("mkfifo ../cancel"), ends.pop("mkfifo ../cancel")
    assert codes == ends


def test_a_job_without_a_readable_end_is_lost(weir):
    """It is unknown at first; with nobody left to write its end it does not hold its GPU for ever."""
    job = weir.run_job('kill -9 $(cut -d" " -f1 ../start); echo rubbish >../exit', gpus=1)
    code, _, (_, word) = weir.end(job, 60)
    assert code == -9 and "LOST" in word
    assert "its record 'exit' on the server is damaged" in row(weir, job)[1]


def test_numbers_in_records_are_bounded(weir, rig):
    """What a record says of a time that cannot be, or of more than any machine has, ends no Weir: not when it is looked at,
    and not when the jobs are listed at the next start."""
    server = rig.server("delta")
    largest = 9223372036854775807
    jobs = []
    for end in (f"0 0 exited {largest}", "0 0 exited 253402300800", f"0 {largest} exited 1", f"{largest} 0 exited 1"):
        job, gate = running(weir, rig)
        attempt = server.attempt(weir, job)
        (attempt / "place").write_text(f"gpus {largest},0\ncores {largest}\nmemory {largest}\n")
        (attempt / "../job").write_text((attempt / "../job").read_text().replace("submitted ", "submitted 1e300 "))
        kill([server.wrapper(weir, job)])
        (attempt / "exit").write_text(end + "\n")
        gate.open()
        jobs.append(job)
        wait_until(lambda: state(weir, job) == "unknown")
    weir.kill()
    for file in (weir.directory / "state").glob("weir.sqlite*"):
        file.unlink()
    weir.start()
    assert weir.end(weir.run_job("true", gpus=0))[0] == 0
    for job in jobs:
        shutil.rmtree(server.root(weir) / "jobs" / job.id)


# ------------------------------------------------------------ records that are gone or forged


def test_records_of_a_running_job_are_removed(weir, rig):
    """It runs on, and so it is said; it is never started again, never given up, and ends when it ends."""
    server = rig.server("delta")
    purges = ["start", "start .start", "start .start session .wrapper .exit", "start .start session .wrapper .exit machine"]
    jobs = [running(weir, rig, "echo $$ >pid", gpus=1) for _ in purges]
    wait_until(lambda: all((server.attempt(weir, job) / "work/pid").exists() for job, _ in jobs))
    for (job, _), names in zip(jobs, purges):
        for name in names.split():
            (server.attempt(weir, job) / name).unlink(missing_ok=True)
    await_look(weir)
    pids = [int((server.attempt(weir, job) / "work/pid").read_text()) for job, _ in jobs]
    assert all(map(is_alive, pids))
    assert {state(weir, job) for job, _ in jobs} <= {"running", "unknown"}
    # A cancel ends it, whatever is left of its records, and its GPU is free only then.
    doomed = [job for job, _ in jobs[2:]]
    for job in doomed:
        assert weir.post("/terminate", job.args).json() is True
    assert [weir.end(job)[0] for job in doomed] == [-15, -15]
    assert not any(map(is_alive, pids[2:])) and all(map(is_alive, pids[:2]))
    for _, gate in jobs[:2]:
        gate.open()
    assert [weir.end(job)[0] for job, _ in jobs[:2]] == [0, 0]


FORGERIES = {
    "an end": 'echo "0 0 exited $(date +%s)" >../exit',
    "an end, and no wrapper": 'kill -9 $(cut -d" " -f1 ../start); echo "0 0 exited $(date +%s)" >../exit',
    "an epilogue": 'echo "0 0 exited $(date +%s)" >../over',
    "all": 'for f in exit over; do echo "0 0 exited $(date +%s)" >../$f; done; touch ../cancel ../timelimit',
    "an ender": 'kill -9 $(cut -d" " -f1 ../start); echo "1 1" >../.ending',
    "a suspension": "touch ../suspended",
    "a void": 'rm ../start; echo "0 0 void 5" >../start',
    "a machine": "echo x@y >../machine",
    "a directory elsewhere": "mv .. ../../../moved-$WEIR_JOB_ID",
    "a link": "d=$(cd .. && pwd); mv $d ${d%/*}/moved; ln -s moved $d",
}


@pytest.mark.parametrize("ends_by", ["cancel", "limit"])
def test_a_forged_end_frees_nothing(weir, rig, ends_by):
    """A job that forges its records keeps its GPU for as long as a process of it lives, and ends by its time limit or a
    cancel as others do."""
    jobs = {}
    wall = "00:00:06" if ends_by == "limit" else "00:05:00"
    for name, forgery in FORGERIES.items():
        pid = rig.shared / uuid.uuid4().hex
        text = f"cd $JOB_SUBMIT_DIR; echo $$ >{pid}; {forgery}; trap '' TERM; while :; do sleep 0.2; done" + SUCCESS
        jobs[name] = weir.submit(job_text(text, gpus=1, wall=wall)), pid
    wait_until(lambda: all(pid.exists() for _, pid in jobs.values()))
    pids = {name: int(pid.read_text()) for name, (_, pid) in jobs.items()}
    await_look(weir)
    if ends_by == "cancel":
        listed = weir.listed()
        assert {name for name, (job, _) in jobs.items() if job.name not in listed} == set()
        assert all(map(is_alive, pids.values()))
        for job, _ in jobs.values():
            assert weir.post("/terminate", job.args).json() is True
    # An end that is told is one.
    left = dict(jobs)
    deadline = time.monotonic() + 60
    while left:
        for name, (job, _) in list(left.items()):
            answer = weir.post("/exitstatus", job.args)
            if answer.status == 200:
                assert not is_alive(pids[name]), name
                del left[name]
            elif ends_by == "limit" and name in ("a directory elsewhere",) and not is_alive(pids[name]):
                del left[name]  # What it was is lost with its directory.
        assert time.monotonic() < deadline, {name: row(weir, job) for name, (job, _) in left.items()}
        time.sleep(0.1)


def test_names_of_processes(weir, rig):
    """A process of anybody that is called like a line of /proc keeps no job from ending, and hides none."""
    server = rig.server("delta")
    program = rig.shared / "renamed.py"
    program.write_text(
        "import ctypes, sys, time\n"
        "ctypes.CDLL(None).prctl(15, sys.argv[1].encode().decode('unicode_escape').encode(), 0, 0, 0)\n"
        "print('ready', flush=True)\ntime.sleep(600)\n"
    )
    # In the job's session, without its mark, and called so that a line of its own is not one.
    hidden = "env -i /usr/bin/python3 %s 'a\\nb' </dev/null >/dev/null 2>&1 & echo $!; sleep 1; exit 0" % program
    job = weir.run_job(hidden)
    output = weir.output(job)
    assert not is_alive(int(output.split()[0]))
    job, gate = running(weir, rig)
    # A job counts as running from its wrapper's start on.
    session = server.attempt(weir, job) / "session"
    leader = wait_until(lambda: session.exists() and session.read_text().split())[0]
    others = []
    try:
        for name in (f") S 1 1 {leader} ", f") S 1 1 {leader}\\n", f"\\n1 () S 1 1 {leader}"):
            others.append(subprocess.Popen(["/usr/bin/python3", program, name], stdout=subprocess.PIPE))
            others[-1].stdout.readline()
        gate.open()
        assert weir.end(job)[0] == 0
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_timers_go_by_the_clock(weir, rig):
    """A job that ends every sleep and every shell of the account that hears TERM ends no other job, and no time limit."""
    calm, gate = running(weir, rig)
    limit = "00:00:12"
    limited = weir.submit(job_text("while :; do :; done", gpus=0, wall=limit))
    weir.await_running(limited)
    reaper = weir.run_job("for i in 1 2 3 4 5; do pkill -x sleep; pkill -9 -x sleep; sleep 0.3; done; true")
    weir.end(reaper)
    code, lasted, (_, word) = weir.end(limited)
    assert code == -9 and " TO " in word and lasted >= limit
    assert state(weir, calm) == "running"
    gate.open()
    assert weir.end(calm)[0] == 0


# ------------------------------------------------------------ one home, one root, and who may use it


class SharedHome(Server):
    """Machines of their own, by their processes, mounts and boot, whose accounts share one home."""

    def __init__(self, rig: Rig, name: str, twin: "SharedHome" = None):
        super().__init__(rig, name)
        if twin:
            shutil.rmtree(self.home)
            subprocess.run(["userdel", self.account], check=True)
            self.account, self.uid, self.home = twin.account, twin.uid, twin.home
            self.entry["user"] = self.account
        boot = self.directory / "boot_id"
        boot.write_text(f"{uuid.uuid4()}\n")
        mounts = f"mount -t proc proc /proc && mount --bind {boot} /proc/sys/kernel/random/boot_id"
        self.prefix = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def twins(rig):
    one = SharedHome(rig, "gemini")
    other = SharedHome(rig, "castor", one)
    for server in (one, other):
        with open(rig.known_hosts, "a") as file:
            file.write(f"[127.0.0.1]:{server.port} {server.host_key}")
        server.start()
    yield one, other
    one.end_all()
    for server in (other, one):
        server.process.kill()
        server.process.wait()
    wait_until(lambda: not one.processes())
    subprocess.run(["userdel", one.account], check=True, capture_output=True)


def test_servers_with_one_home(new_weir, rig, twins):
    """Nothing that one machine says counts for a job of another: not while it is made ready again, not in a lost store."""
    one, other = twins
    weir = new_weir(*twins).start()
    first, first_gate = running(weir, rig, "echo $PROCESS_NODENAME", gpus=2)
    second, second_gate = running(weir, rig, "echo $PROCESS_NODENAME", gpus=2)
    assert (weir.nodes(first), weir.nodes(second)) == (["gemini"], ["castor"])
    weir.kill()
    weir.start()
    waiting = weir.run_job("echo $PROCESS_NODENAME", gpus=2)
    # Each has been made ready again, and looked at since.
    wait_until(lambda: weir.log.count("the server is ready") >= 4, 30)
    time.sleep(2)
    assert {state(weir, first), state(weir, second)} == {"running"} and state(weir, waiting) == "queued"
    # A store that was lost is made again, each job on the machine that it runs on.
    weir.kill()
    for file in (weir.directory / "state").glob("weir.sqlite*"):
        file.unlink()
    weir.start()
    wait_until(lambda: {first.name, second.name} <= weir.listed().keys())
    assert (weir.nodes(first), weir.nodes(second)) == (["gemini"], ["castor"])
    # Ends are heard from both.
    second_gate.open()
    assert weir.end(second)[0] == 0
    assert weir.post("/terminate", first.args).json() is True
    assert weir.end(first)[0] == -15
    assert weir.get("/ready").status == 200


def test_a_machine_that_is_rebooted_tells_its_own_end(new_weir, rig, twins):
    one, other = twins
    weir = new_weir(*twins).start()
    first, _ = running(weir, rig, gpus=2)
    second, gate = running(weir, rig, gpus=2)
    one.process.kill()
    one.process.wait()
    (one.directory / "boot_id").write_text(f"{uuid.uuid4()}\n")
    one.start()
    assert " NF " in weir.end(first)[2][1]
    assert state(weir, second) == "running"
    gate.open()
    assert weir.end(second)[0] == 0


def test_a_root_belongs_to_one_weir(new_weir, rig):
    """Another Weir starts nothing there and says whose it is; it does again what its own lost store knew."""
    server = rig.server("epsilon")
    first = new_weir((server, {"gpus": [0]})).start()
    second = new_weir((server, {"gpus": [0]}))
    second.root = first.root
    second.use((server, {"gpus": [0]}))
    job, gate = running(first, rig)
    second.start(ready=False)
    wait_until(lambda: f"its job root is in use by Weir on {os.uname().nodename}" in second.warnings())
    assert "in use by Weir" in second.log
    waiting = second.run_job("echo $BARE_GPU")
    gate.open()
    assert first.end(job)[0] == 0
    assert first.end(first.run_job("true"))[0] == 0
    assert state(second, waiting) == "queued"
    assert first.get("/ready").status == 200
    # The first is put in its place again, with nothing left of its state.
    first.kill()
    shutil.rmtree(first.directory / "state")
    first.start()
    assert first.end(first.run_job("true"))[0] == 0
    assert state(second, waiting) == "queued"


def test_jobs_of_a_server_that_is_gone(new_weir, rig):
    """Out of the servers file and out of reach for WEIR_LOST_AFTER: what became of its jobs nobody will say."""
    server, other = rig.server("zeta"), rig.server("delta")
    weir = new_weir(server, other, WEIR_LOST_AFTER=10).start()
    doomed, _ = running(weir, rig, gpus=1)
    canceled, _ = running(weir, rig, gpus=1)
    server.stop()
    try:
        assert weir.post("/terminate", canceled.args).json() is True
        wait_until(lambda: "zeta: " in weir.warnings())
        weir.use(other)
        began = time.monotonic()
        for job in (doomed, canceled):
            code, _, (_, word) = weir.end(job, 30)
            assert code == -9 and "LOST" in word
            assert "the server is gone" in row(weir, job)[1]
        assert time.monotonic() - began > 9
    finally:
        server.end_all()
        server.start()
