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
