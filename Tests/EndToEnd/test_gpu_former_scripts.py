"""Jobs that the wrapper of the former release runs, and what the present scripts say of them and do to them.

`former/` holds scripts of that release as they were, so that jobs in its layout can be made: its attempts name no machine,
its wrapper shows its epilogue by the file `over` alone, and its support files lie in the job root itself."""

import os
import pathlib
import shutil
import signal

import pytest
from test_gpu_scripts import BOOT, Server, is_alive, processes_with, roots, timed_out, until  # noqa: F401

FORMER = pathlib.Path(__file__).with_name("former")


def former(script: str) -> str:
    return (FORMER / f"{script}.sh").read_text()


class FormerServer:
    """A server whose job root the former release has made, and its jobs."""

    def __init__(self, server: Server):
        self.server = server
        shutil.rmtree(server.root)
        server.run("prepare", "former", text=former("prepare"), stdin=former("run").encode())

    def start(self, script: str, texts={}, limit=0, judged=False):
        attempt = self.server.attempt()
        arguments = ["former", attempt.job, 1, 0, limit, 1, int(judged), 0]
        answer = self.server.run("start", *arguments, text=former("start"), stdin=self.server.texts(script, **texts))
        assert answer == "started " + attempt.text("start"), answer
        return attempt


@pytest.fixture(params=["dash", "bash", "bare"])
def old(request, roots, tmp_path):  # noqa: F811
    server = Server(request.param, tmp_path)
    shutil.copytree(roots[request.param], server.root)
    yield FormerServer(server)
    try:
        until(lambda: not processes_with(str(tmp_path)), 5, "processes are left")
    finally:
        for pid in processes_with(str(tmp_path)):
            os.kill(pid, signal.SIGKILL)


EPILOGUE = {"epilogue": "echo epilogue; while [ ! -e ../go ]; do sleep 0.1; done; echo done $WEIR_EXIT_CAUSE"}


def test_epilogue_is_neither_canceled_nor_signaled(old):
    ended, canceled = old.start("exit 3", EPILOGUE), old.start("echo ready; exec sleep 60", EPILOGUE)
    canceled.said("ready")
    old.server.prepare()
    assert canceled.cancel(grace=0) == "asked"
    for attempt in (ended, canceled):
        attempt.said("epilogue\n")
        assert attempt.state() == ["running", *attempt.record()]
        assert attempt.cancel(grace=0) == attempt.signal("KILL") == attempt.signal("STOP") == "over"
        assert not (attempt.directory / "suspended").exists()
        (attempt.directory / "go").touch()
    assert ended.end() == (3, 0, "exited") and ended.text() == "epilogue\ndone exited\n"
    assert canceled.end()[2] == "canceled" and canceled.text() == "ready\nepilogue\ndone canceled\n"


FORGERIES = {
    "the files": 'for f in over exit; do echo "0 0 exited 5" >../$f; done',
    "the environment": "echo 0 0 exited 5 >../over; export WEIR_EXIT_CODE=0 WEIR_EXIT_CAUSE=exited WEIR_PART=epilogue",
}


def test_job_that_forges_its_epilogue_is_canceled(old):
    attempts = [old.start(f"{forgery}; echo ready; sleep 60 & sleep 60") for forgery in FORGERIES.values()]
    for attempt in attempts:
        attempt.said("ready")
    old.server.prepare()
    for attempt in attempts:
        assert attempt.state()[0] == "running"
        assert attempt.cancel(grace=0) == "asked"
        until(lambda: attempt.state()[0] == "ended")
        assert not is_alive(attempt.wrapper)


def test_all_states_are_told(old):
    server = old.server
    runs, ended, suspended = old.start("exec sleep 60"), old.start("exit 7"), old.start("echo ready; sleep 60")
    orphan, rebooted, vanished = (old.start("echo ready; exec sleep 60").said("ready") for _ in range(3))
    ended.end()
    suspended.said("ready")
    void, claimed, absent = (server.attempt() for _ in range(3))
    assert server.run("void", void.job, 1, text=former("void")) == "void\n"
    (claimed.directory / "work").mkdir(parents=True)
    (claimed.directory / "claimed").touch()
    for attempt in (orphan, rebooted, vanished):
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
    for attempt in (rebooted, vanished):
        os.kill(int(attempt.text("session").split()[0]), signal.SIGKILL)
    (rebooted.directory / "start").write_text(rebooted.text("start").replace(BOOT, BOOT[::-1]))
    server.prepare()
    assert suspended.signal("STOP") == "done 2"
    until(lambda: suspended.state()[0] == "suspended")
    leader = orphan.text("session").split()[0]
    until(lambda: vanished.state()[0] != "orphaned" and rebooted.state()[0] != "orphaned")
    states = server.sweep(runs, ended, suspended, orphan, rebooted, vanished, void, claimed, absent)
    assert states == {
        runs.name: ["running", *runs.record()],
        ended.name: ["ended", *ended.record(), *ended.text("exit").split()],
        suspended.name: ["suspended", *suspended.record()],
        orphan.name: ["orphaned", *orphan.record(), leader],
        rebooted.name: ["rebooted", *rebooted.record()],
        vanished.name: ["vanished", *vanished.record()],
        void.name: ["ended", *void.record(), *void.text("exit").split()],
        claimed.name: ["claimed"],
        absent.name: ["absent"],
    }
    # None is started again, and none is given up that has begun.
    for attempt in (runs, ended, suspended, orphan, rebooted, vanished, void, claimed):
        assert server.try_start(attempt) == "exists\n"
    assert server.run("void", runs.job, 1, server.machine) == "started " + runs.text("start")
    assert server.run("void", void.job, 1, server.machine) == server.run("void", claimed.job, 1, server.machine) == "void\n"
    assert server.try_start(server.attempt(void.job, 2), "exit 4").startswith("started ")
    for attempt in (runs, suspended, orphan):
        assert server.run("remove", attempt.job, server.machine) == "busy\n"
        assert attempt.cancel(grace=0) == "asked"
        assert attempt.end()[2] == "canceled"
    assert [attempt.cancel() for attempt in (ended, void, claimed, absent)] == ["over", "void", "void", "absent"]
    assert server.attempt(void.job, 2).end() == (4, 0, "exited")
    for attempt in (runs, ended, suspended, orphan, rebooted, vanished, void, claimed):
        until(lambda: server.run("remove", attempt.job, server.machine) == "removed\n")
        assert not attempt.directory.parent.exists() and server.try_start(attempt) == "removed\n"


def test_cancel_of_the_former_release_goes_on(old):
    """It has sent TERM, and waits to send KILL, while the present scripts look at its job."""
    attempt = old.start("trap '' TERM; echo ready; while :; do sleep 0.1; done").said("ready")
    assert old.server.run("cancel", attempt.job, 1, 2, text=former("cancel")) == "asked\n"
    old.server.prepare()
    assert attempt.state()[0] == "running" and attempt.cancel(grace=0) == "asked"
    assert attempt.end() == (-1, 9, "canceled")
    orphan = old.start("trap '' TERM; echo ready; while :; do sleep 0.1; done").said("ready")
    os.kill(orphan.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(orphan.wrapper))
    assert old.server.run("cancel", orphan.job, 1, 0, text=former("cancel")) == "asked\n"
    seen = set()
    while not (orphan.directory / "exit").exists():
        seen.add(orphan.state()[0])
    assert seen <= {"orphaned", "ended"} and orphan.end() == (-1, 0, "canceled")
