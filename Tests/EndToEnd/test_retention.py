"""Output on the cluster goes when its time is over: the job's own file, by its own user, and nothing else."""

import os
import shutil
import uuid

import pytest
from harness import on_the_node, script, wait_until

HELLO = script(on_the_node("echo to be kept for a while"))


@pytest.fixture
def scratch(cluster):
    """A scratch directory of the test's own, which kirby may write to."""
    directory = cluster.home() / f"scratch-{uuid.uuid4().hex}"
    cluster.run("mkdir", str(directory), user="kirby")
    yield directory
    shutil.rmtree(directory)


def gone(weir, job) -> bool:
    return weir.post("/exitstatus", job.args).status == 410


def test_output_is_removed_when_its_time_is_over_and_not_before(new_weir, scratch):
    weir = new_weir(WEIR_KEEP_OUTPUT=2, JARVICE_JOB_SCRATCH_DIR=scratch).start()
    asked, unasked = weir.submit(HELLO), weir.submit(HELLO)
    file, other = (scratch / ".jarvice" / f"{job.name}.out" for job in (asked, unasked))
    first = weir.end(asked)
    assert "to be kept" in first[2][0] and file.exists()
    assert weir.post("/exitstatus", asked.args).json() == first
    weir.kill()  # what is due is on disk, not in memory
    weir.start()
    wait_until(lambda: not file.exists(), 15)
    assert gone(weir, asked)
    wait_until(lambda: unasked.name not in weir.listed())
    assert other.exists(), "nobody asked for it yet"
    assert "to be kept" in weir.end(unasked)[2][0]


def test_output_that_cannot_be_read_for_a_while_is_not_taken_for_empty(new_weir, scratch):
    weir = new_weir(JARVICE_JOB_SCRATCH_DIR=scratch).start()
    job = weir.submit(HELLO)
    wait_until(lambda: job.name not in weir.listed(), 40)
    (scratch / ".jarvice").chmod(0)
    assert weir.post("/exitstatus", job.args).status == 503
    (scratch / ".jarvice").chmod(0o755)
    (scratch / ".jarvice").rename(scratch / "away")
    assert weir.post("/exitstatus", job.args).status == 503
    (scratch / "away").rename(scratch / ".jarvice")
    assert "to be kept" in weir.end(job)[2][0]


def test_log_that_was_cut_says_so_in_its_first_line(new_weir, scratch):
    weir = new_weir(JARVICE_JOB_SCRATCH_DIR=scratch).start()
    cut, whole = (weir.submit(script(on_the_node(f"seq {count}"))) for count in (12_000, 9_000))
    lines = weir.end(cut)[2][0].split("\n")
    size = (scratch / ".jarvice" / f"{cut.name}.out").stat().st_size
    left_out = int(lines[0].removeprefix("... the first ").split()[0])
    assert lines[0] == f"... the first {left_out} bytes of the output are left out, the last 10000 lines follow ..."
    assert len(lines) == 10_001 and left_out == size - len("\n".join(lines[1:])) - 1
    assert weir.end(cut)[2][0].split("\n") == lines
    assert "left out" not in weir.end(whole)[2][0]


def test_output_in_the_home_directory_is_removed_too(new_weir, cluster):
    weir = new_weir(WEIR_KEEP_OUTPUT=1).start()
    job = weir.submit(HELLO)
    file = cluster.home() / ".jarvice" / f"{job.name}.out"
    weir.end(job)
    wait_until(lambda: not file.exists(), 15)


def test_file_that_a_link_leads_to_stays(new_weir, cluster, scratch):
    weir = new_weir(WEIR_KEEP_OUTPUT=1, JARVICE_JOB_SCRATCH_DIR=scratch).start()
    precious = scratch / "precious"
    cluster.run("touch", str(precious), user="kirby")
    job = weir.submit(HELLO)
    file = scratch / ".jarvice" / f"{job.name}.out"
    wait_until(lambda: job.name not in weir.listed(), 40)
    file.unlink()
    file.symlink_to(precious)
    weir.end(job)
    wait_until(lambda: not os.path.lexists(file), 15)
    assert precious.exists()


def test_directory_that_became_a_link_is_not_followed(new_weir, cluster, scratch):
    """Whoever owns the directory may put a link in its place, to where somebody else's files are."""
    weir = new_weir(WEIR_KEEP_OUTPUT=1, JARVICE_JOB_SCRATCH_DIR=scratch).start()
    job = weir.submit(HELLO)
    wait_until(lambda: job.name not in weir.listed(), 40)
    (scratch / ".jarvice").rename(scratch / "elsewhere")
    (scratch / ".jarvice").symlink_to(scratch / "elsewhere")
    weir.end(job)
    wait_until(lambda: "is a symbolic link" in weir.log, 15)
    assert (scratch / "elsewhere" / f"{job.name}.out").exists()
    assert gone(weir, job), "its time is over all the same"
