"""Fixtures of the tests of GPU servers, which need no cluster. A module imports those that it uses."""

import re

import pytest
from harness import BINARY
from rig import GPUWeir, Rig


@pytest.fixture(scope="session", autouse=True)
def timed_out():
    """Takes the place of the one in conftest.py, for which there must be a cluster."""


@pytest.fixture(autouse=True)
def no_jobs_left():
    """Likewise: jobs on the servers end with them."""


@pytest.fixture(scope="module")
def rig():
    assert BINARY.exists(), f"no program at {BINARY}: build it, or set WEIR_BINARY"
    rig = Rig()
    yield rig
    rig.remove()


@pytest.fixture
def new_weir(rig, tmp_path):
    """Makes a Weir of the test's own for these servers, or those of these names."""
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


def word(weir, job, seconds: float = 40) -> str:
    """How a job ended, as the upstream is told: its code and its state."""
    code, _, (_, state) = weir.end(job, seconds)
    return f"{code} {re.search('state: ([A-Z]+) ', state)[1]}"
