"""How sweep.sh asks nvidia-smi: with each shell, on a full disk, when it is slow, floods, or hangs."""

import subprocess
import time

import pytest
from test_gpu_scripts import A100, STAND_IN, Server, processes_with, sections, text_of, timed_out, until  # noqa: F401


@pytest.fixture(params=["dash", "bash", "ash", "bare"])
def server(request, tmp_path):
    """With a job root of 256 KB, and a nvidia-smi that shows one GPU."""
    server = Server(request.param, tmp_path)
    server.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", server.root], check=True)
    server.prepare()
    server.state = tmp_path / "gpus"
    server.state.mkdir()
    (server.bin / "nvidia-smi").symlink_to(STAND_IN)
    server.environment["NVIDIA_SMI_STATE"] = str(server.state)
    (server.state / "gpus").write_text(f"{A100}\n")
    yield server
    try:
        until(lambda: not processes_with(str(tmp_path)), 3, "processes are left")
    finally:
        subprocess.run(["umount", "-l", server.root], check=True)


def full(server) -> list:
    with open(server.root / "fill", "wb") as file:
        subprocess.run(["head", "-c", "1000000", "/dev/zero"], stdout=file, stderr=subprocess.DEVNULL)
    answer = sections(server.run("sweep", 1, server.machine, "", ""))
    (server.root / "fill").unlink()
    return answer


def test_a_full_disk(server):
    """Nothing that was cut off is passed on, whether the disk was full before the first call or later."""
    assert full(server) == [["smi-gpus 125"], ["smi-apps 125"]]
    assert sections(server.run("sweep", 1, server.machine, "", "")) == [["smi-gpus 0", A100], ["smi-apps 0"]]
    assert full(server) == [["smi-gpus 125"], ["smi-apps 125"]]
    assert sections(server.run("sweep", 1, server.machine, "", ""))[0] == ["smi-gpus 0", A100]
    assert not list((server.support / "lib").glob("smi.*.*"))


@pytest.mark.parametrize("server", ["dash"], indirect=True)
def test_both_queries_run_at_once(server):
    (server.state / "slow").write_text("3")
    (server.state / "times").touch()
    assert sections(server.run("sweep", 1, server.machine, "", ""))[0] == ["smi-gpus 0", A100]
    assert (server.state / "times").read_text().split() == ["began", "began", "ended", "ended"]


def test_lines_pass_as_they_are(server):
    r"""Carriage returns go, a backslash and a dash stay; what has no end is cut off with a failure."""
    odd = ["-n", r"a\nb \c", "x"]
    (server.bin / "nvidia-smi").unlink()
    lines = server.bin / "lines"
    lines.write_text("".join(f"{line}\r\n" for line in odd))
    tool = server.bin / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat {lines}\nexit 14\n")
    tool.chmod(0o755)
    assert sections(server.run("sweep", 1, server.machine, "", "")) == [["smi-gpus 14", *odd], ["smi-apps 14", *odd]]
    tool.write_text("#!/bin/sh\nexec head -c 3000000 /dev/zero\n")
    status = sections(server.run("sweep", 1, server.machine, "", ""))[0][0]
    assert status.split()[1] in ("1", "125", "153"), status


def test_those_that_hang_are_noted(server):
    """Both, by which the next look knows that it must not start two more. The space for that is taken before."""
    text = text_of("sweep").replace("sleep 20 &", "sleep 0.3 &")
    (server.bin / "nvidia-smi").unlink()
    tool = server.bin / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexec sleep 30\n")
    tool.chmod(0o755)
    assert sections(server.run("sweep", 1, server.machine, "", "", text=text)) == [["smi-gpus 124"], ["smi-apps 124"]]
    noted = (server.support / "lib/smi.hung").read_text().split()
    assert len(noted) == 4 and all(word.isdigit() for word in noted), noted


def test_a_start_on_a_full_disk_names_it(server):
    """Whether the directory, its files or only the script find no room."""
    for size in (1_000_000, 260_000 - 4096 * 12):
        with open(server.root / "fill", "wb") as file:
            subprocess.run(["head", "-c", str(size), "/dev/zero"], stdout=file, stderr=subprocess.DEVNULL)
        answer = server.try_start(server.attempt(), "true\n" + "#" * 300_000, status=73)
        (server.root / "fill").unlink()
        assert "No space left on device" in answer, answer
