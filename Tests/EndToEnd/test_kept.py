"""What is kept, for how long, and for whom: scripts that wait, times, files of jobs, cut logs, limits of owners."""

import os
import pathlib
import shutil
import time

import pytest
from gpu_fixtures import new_weir, no_jobs_left, rig, timed_out  # noqa: F401 (fixtures)
from harness import wait_until
from rig import job_text
from test_gpu_scripts import new_id, roots, server  # noqa: F401 (fixtures)


def reason(weir, job) -> str:
    return weir.post("/events", job.args).json()


# ------------------------------------------------------------ scripts that wait


def test_waiting_jobs_of_another_key_fail_and_hold_up_nobody(new_weir, rig):
    """As after a restore of the database alone: the queue goes on."""
    weir = new_weir("alpha").start()
    lost = [weir.run_job("true", gpus=2, held=True) for _ in range(2)]
    assert weir.run("store", "check").returncode == 0
    weir.stop()
    (weir.directory / "state/seal.key").unlink()
    check = weir.run("store", "check")
    assert check.returncode == 1 and "seal.key is missing: the scripts of 2 waiting jobs" in check.stdout
    weir.start()
    assert "the scripts of 2 waiting jobs cannot be decrypted" in weir.warnings()
    for job in lost:
        assert weir.post("/release", job.args).json() is True
    behind = weir.run_job("echo I run", gpus=2)
    assert weir.output(behind).startswith("I run")
    for job in lost:
        code, _, (output, word) = weir.end(job)
        assert code == 1 and " F " in word and output == ""
        assert "cannot be decrypted" in reason(weir, job)
    assert weir.run("store", "check").stdout.endswith("no damage found\n")


# ------------------------------------------------------------ times that no store holds


@pytest.mark.parametrize("seconds", [253402300800, 10**18])
def test_start_time_after_the_year_9999_stops_no_later_start(new_weir, rig, seconds):
    alpha = rig.server("alpha")
    weir = new_weir(alpha).start()
    gate = rig.gate()
    job = weir.run_job(gate.wait, gpus=0)
    weir.await_running(job)
    record = alpha.attempt(weir, job) / "start"
    process, ticks, boot, _ = record.read_text().split()
    record.write_text(f"{process} {ticks} {boot} {seconds}\n")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2.5)  # two polls
    weir.kill()
    weir.start()
    assert weir.runs(job)
    assert weir.run("store", "check").stdout.endswith("no damage found\n")
    gate.open()
    assert weir.end(job)[0] == 0


# ------------------------------------------------------------ files and output


def test_files_stay_when_output_goes_and_go_in_their_own_time(new_weir, rig):
    alpha = rig.server("alpha")
    weir = new_weir(alpha, WEIR_KEEP_OUTPUT=1).start()
    kept = weir.run_job("echo result >result; echo secret >../stray; seq 12000", gpus=0)
    output = weir.output(kept)
    lines = output.splitlines()
    left_out = sum(len(f"{n}\n") for n in range(1, 2003))
    assert lines[0] == f"... the first {left_out} bytes of the output are left out, the last 10000 lines follow ..."
    assert lines[1] == "2003" and len(lines) == 10_001
    assert weir.end(kept)[2][0] == output
    attempt = alpha.attempt(weir, kept)
    wait_until(lambda: not (attempt / "stdout").exists(), 30)
    assert weir.post("/exitstatus", kept.args).status == 410
    time.sleep(1.5)  # another look for what is due
    assert (attempt / "work/result").read_text() == "result\n" and (attempt / "exit").exists()
    assert not (attempt / "script").exists() and (alpha.root(weir) / "removed" / kept.id).exists()
    weir.stop()
    # A store that was lost does not take over what was removed.
    state = pathlib.Path(weir.settings["WEIR_STATE_DIR"])
    state.rename(f"{state}-kept")
    weir.start()
    assert weir.post("/exitstatus", kept.args).status == 404
    weir.stop()
    shutil.rmtree(state)
    pathlib.Path(f"{state}-kept").rename(state)
    weir.settings["WEIR_KEEP_FILES"] = "1"
    weir.start()
    wait_until(lambda: not attempt.parent.exists(), 30)
    assert weir.get("/ready").status == 200 and "warnings" not in weir.get("/ready").json()


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_remove_keeps_work_alone_when_told_to(server):
    with_files, without = server.start("echo x >file; mkdir d; echo out"), server.start("echo out")
    for attempt in (with_files, without):
        attempt.end()
    assert server.run("size", with_files.job, 1, "stdout") == "4\n"
    assert server.run("size", new_id(), 1, "stdout") == ""
    for _ in range(2):
        assert server.run("remove", with_files.job, server.machine, "work") == "removed\n"
    assert server.run("remove", without.job, server.machine, "work") == "removed\n"
    left = {path.name for path in with_files.directory.iterdir()}
    assert {"work", "start", "exit"} <= left and not {"stdout", "stderr", "script", "environment"} & left
    assert (with_files.directory / "work/file").exists()
    assert not without.directory.parent.exists()
    assert server.run("size", with_files.job, 1, "stdout") == ""
    assert with_files.job not in server.run("list")
    # Its name is taken as long as there is something of it.
    tombstone = server.root / "removed" / with_files.job
    os.utime(tombstone, (0, time.time() - 32 * 86400))
    assert server.run("remove", without.job, server.machine) == "removed\n"
    assert tombstone.exists() and server.try_start(with_files) == "removed\n"
    assert server.run("remove", with_files.job, server.machine) == "removed\n"
    assert not with_files.directory.parent.exists()
    os.utime(tombstone, (0, time.time() - 32 * 86400))
    assert server.run("remove", without.job, server.machine) == "removed\n"
    assert not tombstone.exists()


# ------------------------------------------------------------ limits of an owner


def test_limits_bind_whom_a_job_is_for(new_weir, rig):
    weir = new_weir("alpha", WEIR_OWNER_WAITING_JOBS=2, WEIR_OWNER_BYTES=200_000).start()
    first, _ = (weir.run_job("true", held=True) for _ in range(2))
    refused = weir.try_submit(held=True)
    assert refused.status == 429 and refused.headers["retry-after"] == "60"
    assert refused.json()["code"] == "owner_limit" and "may have 2 (WEIR_OWNER_WAITING_JOBS)" in refused.error
    # The service sent all of them; another owner's are not counted, and reading is never limited.
    other = weir.try_submit(bearer=weir.token("mario@example.com"), held=True)
    assert other.status == 200
    assert weir.try_submit(job_text("true\n/bin/echo JARVICE_CMD_SUCCESS"), first.name, held=True).status in (200, 409)
    assert all(weir.get("/queued").status == 200 for _ in range(50))
    assert weir.post("/terminate", first.args).json() is True
    wait_until(lambda: first.name not in weir.listed())
    large = weir.try_submit(job_text("true #" + "x" * 250_000))
    assert large.status == 429 and "more than the 200000 bytes that they may take (WEIR_OWNER_BYTES)" in large.error
    assert "retry-after" not in large.headers
    assert weir.try_submit(held=True).status == 200
