"""Nothing is lost: what becomes of the state directory, and of the disk it is on. Without a cluster."""

import json
import os
import pathlib
import sqlite3
import subprocess
import threading
import time

import pytest
from harness import Weir, base64_text, fill, job_name, script, token, wait_until

DUMMY = {
    "JARVICE_BAREMETAL_CONNECTOR": "dummy",
    "JARVICE_DUMMY_JOB_QUEUED_TIME": "0",
    "JARVICE_DUMMY_JOB_RUNNING_TIME": "3600",
    "JARVICE_DUMMY_JOB_FAILING_PERCENT": "0",
    "WEIR_POLL_INTERVAL": "1",
    "WEIR_USERS_FILE": None,
}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest.fixture
def make(new_weir):
    return lambda **changes: new_weir(**{**DUMMY, **changes})


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB that can be filled up."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "none", directory], check=True)
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def reasons(weir) -> str:
    answer = weir.get("/ready")
    return "" if answer.status == 200 else " ".join(answer.json()["reasons"])


# ------------------------------------------------------------ one Weir at a time


@pytest.mark.parametrize("end", [Weir.kill, Weir.stop], ids=["killed", "stopped"])
def test_second_weir_stands_by_and_takes_over(make, end):
    first = make().start()
    job = first.submit()
    second = make(WEIR_STATE_DIR=first.settings["WEIR_STATE_DIR"]).start(ready=False)
    assert second.get("/live").json() == {"status": "OK"}
    ready = second.get("/ready")
    assert ready.status == 503 and ready.json()["status"] == "BAD"
    assert "standby: another Weir holds" in ready.json()["reasons"][0]
    assert f"process {first.process.pid} " in ready.json()["reasons"][0]
    for answer in (second.get("/running"), second.post("/runstatus", job.args), second.try_submit(), second.get("/x")):
        assert answer.status == 503 and answer.headers["retry-after"] and answer.json()["code"] == "standby"
    began = time.monotonic()
    end(first)
    wait_until(lambda: ready_again(second), 5, 0.02)
    assert time.monotonic() - began < 5
    assert job.name in second.listed()
    assert "taking over" in second.log
    assert second.stop() == 0


def ready_again(weir) -> bool:
    try:
        return weir.get("/ready").status == 200
    except OSError:
        return False  # between the standby's port and the service's


def test_standby_touches_nothing_and_ends_when_told(make):
    first = make().start()

    def times():
        return {file: file.stat().st_mtime_ns for file in (first.directory / "state").iterdir()}

    def is_quiet():
        before = times()
        time.sleep(1)
        return times() == before

    wait_until(is_quiet)
    before = times()
    second = make(WEIR_STATE_DIR=first.settings["WEIR_STATE_DIR"]).start(ready=False)
    time.sleep(1.5)
    assert times() == before
    assert second.stop() == 0
    assert first.get("/ready").status == 200


# ------------------------------------------------------------ a disk that takes nothing


@as_root
def test_full_disk_refuses_what_must_be_kept_and_heals_by_itself(make, small_disk):
    weir = make(WEIR_STATE_DIR=small_disk / "state", JARVICE_DUMMY_JOB_QUEUED_TIME="2").start()
    jobs = [weir.submit() for _ in range(3)]
    filler = fill(small_disk)
    names = [job_name() for _ in range(3)]

    def refused():
        return [weir.try_submit(name=name).status for name in names] == [503] * 3

    # The database's log may have room for a few more.
    taken = [answer for answer in (weir.try_submit() for _ in range(200)) if answer.status == 200]
    wait_until(refused, 10)
    answer = weir.try_submit(name=names[0])
    assert answer.json()["code"] == "store_unavailable" and answer.headers["retry-after"]
    assert "written" in reasons(weir)
    assert weir.get("/live").status == 200
    # What is seen is shown all the same, and a cancel reaches the backend.
    wait_until(lambda: all(weir.runs(job) for job in jobs), 10)
    assert weir.post("/runstatus", jobs[0].args).json()[0] == ["dummy"]
    assert weir.post("/terminate", jobs[0].args).json() is True
    wait_until(lambda: jobs[0].name not in weir.listed(), 10)
    assert weir.post("/exitstatus", jobs[0].args).json()[0] == -15
    listed = set(weir.listed())
    assert len(listed) == 2 + len(taken) and not listed & set(names), "what was refused never came to be"
    filler.unlink()
    wait_until(lambda: reasons(weir) == "", 10)
    assert [weir.try_submit(name=name).status for name in names] == [200] * 3
    weir.kill()
    weir.start()
    assert set(weir.listed()) == listed | set(names)
    assert weir.post("/exitstatus", jobs[0].args).json()[0] == -15
    assert check(weir) == ""


@as_root
def test_start_on_a_full_disk_waits_for_room(make, small_disk):
    weir = make(WEIR_STATE_DIR=small_disk / "state").start()
    job = weir.submit()
    weir.kill()
    filler = fill(small_disk)
    weir.start(ready=False)
    assert weir.get("/live").status == 200
    filler.unlink()
    wait_until(lambda: ready_again(weir), 10)
    assert job.name in weir.listed()


@as_root
def test_kills_on_a_full_disk_lose_nothing(make, small_disk):
    weir = make(WEIR_STATE_DIR=small_disk / "state").start()
    answered = set()
    for _ in range(4):
        filler = fill(small_disk)

        def send():
            for _ in range(20):
                name = job_name()
                try:
                    if weir.try_submit(name=name).status == 200:
                        answered.add(name)
                except OSError:
                    return

        senders = [threading.Thread(target=send) for _ in range(3)]
        for sender in senders:
            sender.start()
        time.sleep(0.2)
        filler.unlink()
        time.sleep(0.1)
        weir.kill()
        for sender in senders:
            sender.join()
        weir.start()
        assert answered <= set(weir.listed())
        assert check(weir) == ""
    assert answered


@as_root
def test_file_system_that_turned_read_only_is_like_a_full_one(make, tmp_path):
    image, directory = tmp_path / "image", tmp_path / "ext4"
    directory.mkdir()
    subprocess.run(["truncate", "-s", "20M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, directory]).returncode:
        pytest.skip("no loop devices here")
    try:
        weir = make(WEIR_STATE_DIR=directory / "state").start()
        job = weir.submit()
        device = pathlib.Path(os.path.realpath(mounted_device(directory))).name
        pathlib.Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a test")
        wait_until(lambda: weir.try_submit().status == 503, 10)
        assert "written" in reasons(weir)
        assert weir.get("/live").status == 200
        assert weir.runs(job) or job.name in weir.listed()
        assert weir.post("/terminate", job.args).json() is True
        weir.kill()
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def mounted_device(directory) -> str:
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        device, place = line.split()[:2]
        if place == str(directory):
            return device
    raise AssertionError(f"nothing is mounted at {directory}")


# ------------------------------------------------------------ check, backup, damage


def check(weir) -> str:
    """What `weir store check` finds wrong; works beside a running Weir."""
    done = weir.run("store", "check")
    assert (done.returncode == 0) == done.stdout.endswith(": no damage found\n"), (done.returncode, done.stdout)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_store_commands_need_only_the_directory(make):
    weir = make().start()
    jobs = [weir.submit() for _ in range(5)]
    directory = weir.settings["WEIR_STATE_DIR"]
    file = weir.directory / "backup"
    weir.settings = {}
    assert weir.run("store", "check", "--state-dir", directory).returncode == 0
    assert weir.run("store", "backup", "--state-dir", directory, str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM job").fetchone() == (len(jobs),)
    again = weir.run("store", "backup", "--state-dir", directory, str(file))
    assert again.returncode == 1 and "not overwritten" in again.stderr
    for command in (["store"], ["store", "check"], ["store", "backup"]):
        assert "weir store" in weir.run(*command, "--help").stdout


def test_damaged_database_is_refused_with_the_way_out_which_works(make):
    weir = make().start()
    job = weir.submit()
    state = weir.directory / "state"
    file = weir.directory / "backup"
    assert weir.run("store", "backup", str(file)).returncode == 0
    weir.stop()
    database = state / "weir.sqlite"
    content = database.read_bytes()
    database.write_bytes(content[:4096] + b"\xa5" * 4096 + content[8192:])
    refused = weir.run("serve")
    assert refused.returncode == 1
    for words in ("damaged", "weir store check", "weir store backup", "weir.sqlite-wal"):
        assert words in refused.stderr, refused.stderr
    assert "damaged" in check(weir) or check(weir)
    for name in ("weir.sqlite-wal", "weir.sqlite-shm"):
        (state / name).unlink(missing_ok=True)
    file.replace(database)
    weir.start()
    assert job.name in weir.listed()


def test_database_of_a_newer_weir_is_refused(make):
    weir = make().start()
    weir.stop()
    with sqlite3.connect(weir.directory / "state/weir.sqlite") as database:
        database.execute("INSERT INTO grdb_migrations VALUES ('beyond')")
    refused = weir.run("serve")
    assert refused.returncode == 1 and "newer Weir (beyond)" in refused.stderr


# ------------------------------------------------------------ output and keys


def test_output_is_answered_until_its_time_is_over(make):
    weir = make(JARVICE_DUMMY_JOB_RUNNING_TIME="0", WEIR_KEEP_OUTPUT="3").start()
    job = weir.submit()
    first = weir.end(job)
    weir.kill()
    weir.start()
    assert weir.post("/exitstatus", job.args).json() == first

    def gone():
        answer = weir.post("/exitstatus", job.args)
        assert answer.status in (200, 410)
        return answer.status == 410 and answer

    answer = wait_until(gone, 10)
    assert answer.json()["code"] == "job_expired" and "succeeded" in answer.error
    assert weir.try_submit(name=job.name).status == 410, "and never a second run"


def test_idempotency_key_makes_a_submit_repeatable(make):
    weir = make().start()
    name = job_name()

    text, bearer = base64_text(script()), token()

    def send(key: str, name: str = name):
        args = {"name": name, "number": 1, "nodes": 1, "bearer": bearer, "hpc_script": {"singularity": text}}
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return weir.call("POST", "/submit", json.dumps(args), headers)

    first = send("a-key")
    assert first.status == 200, first.body
    assert send("a-key").body == first.body
    weir.kill()
    weir.start()
    assert send("a-key").body == first.body
    conflict = send("a-key", job_name())
    assert conflict.status == 409 and conflict.json()["code"] == "idempotency_conflict"
    for wrong in ("", "a b", "x" * 256):
        assert send(wrong, job_name()).status == 400
    answers = []
    name = job_name()
    senders = [threading.Thread(target=lambda: answers.append(send("together", name))) for _ in range(100)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert list(weir.listed()).count(name) == 1
