"""Records name processes, and a job can write any process there: which of them the scripts of GPU servers believe."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import pytest
from test_gpu_scripts import BOOT, is_alive, processes_with, roots, server, timed_out, until  # noqa: F401


def who(pid: int) -> str:
    """A process as records name it: its number, and the tick of its start."""
    return f"{pid} {pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()[19]}"


def replace(path, text: str):
    """As a job may: `start` and `.start` are one file."""
    path.unlink(missing_ok=True)
    path.write_text(text + "\n")


def command(pid: int) -> list:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


@contextlib.contextmanager
def slow_end(server, attempt):  # noqa: F811
    """What ends this attempt waits before it writes the end."""
    gate, own = server.home / "gate", server.bin / "mv"
    own.write_text(
        f"""#!/bin/sh
case "$PWD $2 $3" in "{attempt.directory} .exit exit") while [ ! -e "{gate}" ]; do sleep 0.05; done ;; esac
exec /bin/mv "$@"
"""
    )
    own.chmod(0o755)
    yield
    gate.touch()


@contextlib.contextmanager
def strangers(server):  # noqa: F811
    """Processes that are none of a job's that is looked at, by what they are."""
    other = server.start("exec sleep 60", limit=50)
    orphan = server.start("trap '' TERM; echo ready; exec sleep 60").said("ready")
    until((other.directory / "session").exists)
    os.kill(orphan.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(orphan.wrapper))
    assert orphan.cancel(grace=30) == "asked"
    until((orphan.directory / ".ending").exists)
    name = server.root / "lib/run-HASH.sh"
    open_six = subprocess.Popen(["sh", "-c", "exec 6</dev/null; read line", name, "run"], stdin=subprocess.PIPE)
    until(lambda: os.path.exists(f"/proc/{open_six.pid}/fd/6"))
    yield {
        "the first process": who(1),
        "this test": who(os.getpid()),
        "a process that is as if all were over": who(open_six.pid),
        "the leader of another job": other.text("session").strip(),
        "the wrapper of another job": who(other.wrapper),
        "what ends another job": orphan.text(".ending").strip(),
    }
    open_six.communicate()
    for attempt in (other, orphan):
        attempt.cancel(grace=0)
        for pid in processes_with(f"WEIR_JOB_ID={attempt.job}"):
            os.kill(pid, signal.SIGKILL)
        attempt.end()


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_forged_enders(server):  # noqa: F811
    """Nobody ends the job: it is gone, and not being ended for as long as any process lives."""
    with strangers(server) as forgeries:
        forgeries["nobody"] = "999999999 1"
        attempts = {name: server.start("echo ready; exec sleep 60", limit=50).said("ready") for name in forgeries}
        for name, attempt in attempts.items():
            # The timer of the time limit is a copy of the wrapper, and lives on.
            os.kill(attempt.wrapper, signal.SIGKILL)
            os.kill(int(attempt.text("session").split()[0]), signal.SIGKILL)
            replace(attempt.directory / ".ending", forgeries[name])
        timed = server.start("echo ready; exec sleep 60", limit=50).said("ready")
        own = command(timed.wrapper)
        copies = [pid for pid in processes_with(timed.job) if pid != timed.wrapper and command(pid) == own]
        for pid in (timed.wrapper, int(timed.text("session").split()[0])):
            os.kill(pid, signal.SIGKILL)
        attempts["the timer"] = timed
        replace(timed.directory / ".ending", who(next(pid for pid in copies if is_alive(pid))))
        until(lambda: not [one for one in attempts.values() if processes_with(f"WEIR_JOB_ID={one.job}")])
        states = server.sweep(*attempts.values())
        assert {name: states[one.name][0] for name, one in attempts.items()} == dict.fromkeys(attempts, "vanished")
    for attempt in attempts.values():
        for pid in processes_with(attempt.job):
            os.kill(pid, signal.SIGKILL)  # the timers


@pytest.mark.parametrize("server", ["dash", "bash"], indirect=True)
@pytest.mark.parametrize("ends_by", ["cancel", "limit"])
def test_true_enders(server, ends_by):  # noqa: F811
    """Until the end is written, the job of which nothing is left is being ended."""
    attempt = server.start("echo ready; exec sleep 60", limit=1 if ends_by == "limit" else 0).said("ready")
    with slow_end(server, attempt):
        os.kill(attempt.wrapper, signal.SIGKILL)
        until(lambda: not is_alive(attempt.wrapper))
        if ends_by == "cancel":
            assert attempt.cancel(grace=0) == "asked"
        until(lambda: (attempt.directory / ".ending").exists() and not processes_with(f"WEIR_JOB_ID={attempt.job}"))
        assert attempt.state() == ["orphaned", *attempt.record(), "-"]
    assert attempt.end()[2] == {"cancel": "canceled", "limit": "timelimit"}[ends_by]
    until(lambda: attempt.state()[0] == "ended")


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_forged_wrappers(server):  # noqa: F811
    """No other process makes a job run that has ended, or keeps one from being canceled."""
    with strangers(server) as forgeries:
        for names in (("start",), ("start", ".start")):
            ended = {name: server.start("exit 3") for name in forgeries}
            lives = {name: server.start("echo ready; exec sleep 60").said("ready") for name in forgeries}
            true = {name: attempt.record() for name, attempt in lives.items()}
            for attempts in (ended, lives):
                for name, attempt in attempts.items():
                    if attempts is ended:
                        attempt.end()
                        until(lambda: not is_alive(attempt.wrapper))
                    for file in names:
                        replace(attempt.directory / file, f"{forgeries[name]} {BOOT} 5")
            states = server.sweep(*ended.values(), *lives.values())
            told = {name: states[one.name][0] for name, one in ended.items()}
            assert told == dict.fromkeys(forgeries, "ended")
            if len(names) == 1:
                assert [states[lives[name].name] for name in lives] == [["running", *true[name]] for name in lives]
            else:
                assert {states[one.name][0] for one in lives.values()} == {"orphaned"}
            assert {name: attempt.cancel(grace=0) for name, attempt in lives.items()} == dict.fromkeys(lives, "asked")
            assert {attempt.end()[2] for attempt in lives.values()} == {"canceled"}
            until(lambda: {state[0] for state in server.sweep(*lives.values()).values()} == {"ended"})


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_forged_sessions(server):  # noqa: F811
    """A session that is older than the job is not the job's: it keeps it from nothing, and is left alone."""
    older = subprocess.Popen(["sleep", "60"], start_new_session=True)
    # What begins within the same tick of the kernel, a hundredth of a second, is not older.
    time.sleep(0.05)
    ended, orphan = server.start("exit 3"), server.start("echo ready; exec sleep 60").said("ready")
    ended.end()
    until(lambda: not is_alive(ended.wrapper))
    os.kill(orphan.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(orphan.wrapper))
    leader = orphan.text("session").split()[0]
    for attempt in (ended, orphan):
        replace(attempt.directory / "session", who(older.pid))
    states = server.sweep(ended, orphan)
    assert states[ended.name][0] == "ended" and states[orphan.name] == ["orphaned", *orphan.record(), leader]
    assert server.run("remove", ended.job, server.machine) == "removed\n"
    assert orphan.cancel(grace=0) == "asked" and orphan.end()[2] == "canceled"
    assert older.poll() is None
    older.kill()
    older.wait()


@pytest.mark.parametrize("server", ["dash", "bare"], indirect=True)
def test_forged_sessions_of_younger_jobs(server):  # noqa: F811
    """The session of another job is not the job's, whether its leader lives: no job is ended for it or kept by it."""
    ended = server.start("exit 3")
    ended.end()
    until(lambda: not is_alive(ended.wrapper))
    lives, orphan = (server.start("echo ready; exec sleep 60").said("ready") for _ in range(2))
    os.kill(orphan.wrapper, signal.SIGKILL)
    until(lambda: not is_alive(orphan.wrapper))
    own = {attempt.name: attempt.text("session").split()[0] for attempt in (lives, orphan)}
    led = server.start("echo ready; exec sleep 60").said("ready")
    left = server.start("trap '' TERM; sleep 60 & echo ready", grace=30).said("ready")
    until(lambda: not is_alive(int(left.text("session").split()[0])))
    for younger in (led, left):
        for attempt in (ended, lives, orphan):
            replace(attempt.directory / "session", younger.text("session").strip())
        states = server.sweep(ended, lives, orphan)
        assert states[ended.name][0] == "ended" and states[lives.name][0] == "running"
        assert states[orphan.name] == ["orphaned", *orphan.record(), own[orphan.name]]
        assert lives.signal("CONT") == "done 1"
    assert server.run("remove", ended.job, server.machine) == "removed\n"
    for attempt, younger in ((lives, led), (orphan, left)):
        replace(attempt.directory / "session", younger.text("session").strip())
        assert attempt.cancel(grace=0) == "asked" and attempt.end()[2] == "canceled"
    assert [younger.state()[0] for younger in (led, left)] == ["running", "running"]
    assert is_alive(int(led.text("session").split()[0])) and left.signal("CONT") == "done 1"
    for younger in (led, left):
        assert younger.cancel(grace=0) == "asked" and younger.end()[2] == "canceled"
