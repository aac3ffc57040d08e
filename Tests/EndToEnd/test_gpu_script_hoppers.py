"""Processes that fork and end faster than anybody can look at them all: a job has ended only when none of them lives."""

import os
import signal
import sys
import time

import pytest
from test_gpu_scripts import is_alive, roots, server, timed_out, until  # noqa: F401

# Each process lives for 3 ms; what it does at each hop leaves the session, the process group or neither.
HOPPER = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
end, hops = time.monotonic() + float(sys.argv[3]), 0
beats = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    {"stay": lambda: None, "group": os.setpgrp, "session": os.setsid}[sys.argv[2]]()
    hops += 1
    os.pwrite(beats, b"%d" % hops, 0)
    time.sleep(0.003)
"""


class Hopper:
    def __init__(self, server, kind: str, seconds=6):  # noqa: F811
        (server.home / "hopper.py").write_text(HOPPER)
        self.beats = server.home / "beats"
        # What holds the test's directory in its command line counts as left behind.
        words = f"{sys.executable} -S ../../../../../hopper.py {self.beats} {kind} {seconds}"
        self.command = f"{words} </dev/null >/dev/null 2>&1 &\n"
        self.command += f"while [ ! -s {self.beats} ]; do sleep 0.1; done\n"

    def lives(self) -> bool:
        before = self.beats.read_text()
        time.sleep(0.2)
        return self.beats.read_text() != before


KINDS = ["stay", "group", "session"]


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends_by", ["itself", "cancel", "limit"])
def test_end_is_told_when_no_hopper_is_left(server, kind, ends_by):  # noqa: F811
    hopper = Hopper(server, kind)
    attempt = server.start(
        hopper.command + ("exit 3" if ends_by == "itself" else "echo ready; exec sleep 60"),
        limit=1 if ends_by == "limit" else 0,
    )
    if ends_by == "cancel":
        attempt.said("ready")
        assert attempt.cancel(grace=0) == "asked"
    ended = attempt.end()
    assert not hopper.lives(), "the end is told, and a process of the job lives"
    assert ended[2] == {"itself": "exited", "cancel": "canceled", "limit": "timelimit"}[ends_by]


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_hoppers_whose_wrapper_is_gone(server, kind):  # noqa: F811
    """What stands in the records does not make an end of a job of which something lives, and a cancel sees to it."""
    hopper = Hopper(server, kind)
    attempt = server.start(hopper.command + "echo ready; exec sleep 60").said("ready")
    os.kill(attempt.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(attempt.wrapper))
    os.kill(int(attempt.text("session").split()[0]), signal.SIGKILL)
    (attempt.directory / "exit").write_text(f"0 0 exited {int(time.time())}\n")
    for _ in range(5):
        before = hopper.beats.read_text()
        state = attempt.state()[0]
        assert hopper.beats.read_text() != before, "it has ended too soon for the test"
        assert state == "orphaned"
    assert server.run("void", attempt.job, attempt.number, server.machine) != "void\n"
    assert server.run("remove", attempt.job, server.machine) == "busy\n"
    assert attempt.cancel(grace=0) == "asked"
    until(lambda: attempt.state()[0] == "ended", 20)
    assert not hopper.lives()


def test_hoppers_are_stopped_with_the_rest(server):  # noqa: F811
    hopper = Hopper(server, "stay", 20)
    attempt = server.start(hopper.command + "echo ready; exec sleep 60").said("ready")
    assert attempt.signal("STOP").startswith("done ")
    assert not hopper.lives() and attempt.state()[0] == "suspended"
    attempt.signal("CONT")
    assert hopper.lives()
    attempt.cancel(grace=0)
    assert attempt.end()[2] == "canceled"
    assert not hopper.lives()


def test_end_of_others_is_told_beside_a_hopper(server):  # noqa: F811
    """What ends all the time beside a job keeps nobody from telling how the job ended."""
    busy = Hopper(server, "stay", 60)
    other = server.start(busy.command + "echo ready; exec sleep 60").said("ready")
    began = time.monotonic()
    attempts = [server.start("exit 3") for _ in range(4)]
    assert {attempt.end() for attempt in attempts} == {(3, 0, "exited")}
    assert time.monotonic() - began < 20
    until(lambda: {state[0] for state in server.sweep(*attempts).values()} == {"ended"}, 20)
    other.cancel(grace=0)
    other.end()
    assert not busy.lives()
