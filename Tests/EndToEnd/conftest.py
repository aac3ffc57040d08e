import os
import pathlib
import shutil
import signal
import tempfile
import uuid

import pytest
from harness import BINARY, TESTBED, Cluster, Weir, names, on_the_node, script


def pytest_configure(config):
    config.addinivalue_line("markers", "late: looks at the end of something slow, so it runs when all others are done")
    # In the background of a shell these are ignored, and so they would be by everything that is started here.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("late") is not None)


@pytest.fixture(scope="session")
def cluster():
    """The test cluster, which must be up: nothing here is skipped for want of it."""
    assert BINARY.exists(), f"no program at {BINARY}: build it, or set WEIR_BINARY"
    assert (TESTBED / "weir.env").exists(), f"no test cluster in {TESTBED}: deploy/testbed/up.sh"
    cluster = Cluster()
    cluster.run("scontrol", "ping")
    yield cluster
    cluster.end(names, cluster.ids)


@pytest.fixture(autouse=True)
def no_jobs_left(cluster):
    """A test's jobs are gone at its end, so that no later one waits for their nodes."""
    before = len(names), len(cluster.ids)
    yield
    if (len(names), len(cluster.ids)) != before:
        cluster.end(names[before[0] :], cluster.ids[before[1] :])


@pytest.fixture(scope="session")
def weir(cluster, tmp_path_factory):
    """One Weir for all tests that leave it as they found it."""
    weir = Weir(tmp_path_factory.mktemp("weir")).start()
    yield weir
    assert weir.stop() == 0, weir.log


@pytest.fixture
def new_weir(cluster, tmp_path):
    """Makes a Weir of the test's own."""
    made = []

    def make(**changes) -> Weir:
        directory = tmp_path / f"weir{len(made)}"
        directory.mkdir()
        made.append(Weir(directory, **changes))
        return made[-1]

    yield make
    for weir in made:
        if weir.process and weir.process.poll() is None:
            weir.kill()


class Gate:
    """What a job waits for until the test opens it."""

    def __init__(self, directory: pathlib.Path):
        self.file = directory / uuid.uuid4().hex
        self.wait = f"until [ -e {self.file} ]; do sleep 0.1; done"

    def open(self):
        self.file.touch()


@pytest.fixture(scope="session")
def gates(cluster):
    directory = cluster.home() / f"gates-{os.getpid()}"
    directory.mkdir(mode=0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def gate(gates):
    gate = Gate(gates)
    yield gate
    gate.open()


@pytest.fixture(scope="module")
def open_directory():
    """A directory that every account of the cluster can reach and write to, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="weir-open-") as directory:
        path = pathlib.Path(directory).resolve()
        path.chmod(0o777)
        yield path


@pytest.fixture(scope="session", autouse=True)
def timed_out(weir):
    """A job that is past its time limit when the late tests look at it: Slurm counts in minutes. It keeps off the one node
    of the partition `debug`, which tests need for themselves."""
    devices = '["exclusive=False", "sbatch_exclude=node1"]'
    text = script(on_the_node("echo began; sleep 300"), JOBOBJ_WALLTIME="00:01:00", JOBOBJ_DEVICES=devices)
    return weir.submit(text)
